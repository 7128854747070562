"""The tools this project runs: official ones on PATH where they fit, the others built from pinned sources."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runbook import places
from runbook.errors import EnvironmentMissing
from runbook.up.secrets import ensure_state_dir

SOURCES = places.ROOT / "tools"
OUTPUTS = {
    "language-host": "bin/pulumi-language-python",
    "supercronic": "bin/supercronic",
    "k6": "bin/k6",
    "pulumi": "bin/pulumi",
    "provider": "plugin/pulumi-resource-docker",
}
PULUMI_AT_LEAST = (
    3,
    259,
    0,
)  # the SDK's version in requirements/host.in: an older CLI may not know its calls
K6_MAJOR = 2
PROVIDER_VERSION = "v5.2.0"  # as in requirements/host.in
FREE_BYTES_FOR_GO = 9 * 1024**3  # modules and build cache of the two large tools, 7 GB, and some air

Version = tuple[int, int, int]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Official:
    """An executable of the maker that is on PATH already."""

    path: Path
    version: Version


@dataclass(frozen=True)
class Found:
    """What PATH offers besides our own tools."""

    pulumi: Official | None = None
    language_host: Path | None = None
    k6: Official | None = None


@dataclass(frozen=True)
class Plan:
    """Which absent tools are links to official ones, and which are built."""

    link: Mapping[str, Path] = field(default_factory=dict)
    build: tuple[str, ...] = ()


def ensure_toolchain(progress: Progress) -> Path:
    """The folder of pulumi, its Python host, k6 and supercronic; the provider goes to PULUMI_HOME."""
    folder = tools_folder()
    absent = absent_tools(folder)
    if absent:
        plan = choose(absent, find_official(_path_without_ours()))
        for tool, official in plan.link.items():
            progress(f"{tool}: using {official}")
            link(folder / OUTPUTS[tool], official)
        if plan.build:
            build(folder, plan.build, progress)
    install_provider(folder, progress)
    return folder / "bin"


def must_build_with_go() -> bool:
    """The launcher of the Python host is only copied; whatever else is absent takes Go."""
    return bool(set(absent_tools(tools_folder())) - {"language-host"})


def absent_tools(folder: Path) -> list[str]:
    return [tool for tool, output in OUTPUTS.items() if not (folder / output).exists()]


def tools_bin() -> Path:
    return tools_folder() / "bin"


def tools_folder() -> Path:
    return places.cache_dir().absolute() / "tools" / sources_hash(SOURCES, platform.machine())


def sources_hash(sources: Path, machine: str) -> str:
    """Names a set of tools by all that decides on their bytes; the Go version is one of the files."""
    digest = hashlib.sha256(machine.encode())
    for path in sorted(path for path in sources.rglob("*") if path.is_file()):
        if "__pycache__" in path.parts or path.suffix == ".md":
            continue
        digest.update(f"{path.relative_to(sources)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def choose(absent: Collection[str], found: Found) -> Plan:
    """The CLI and its Python host go together; supercronic and the provider are always ours."""
    official: dict[str, Path] = {}
    if found.pulumi and found.language_host and fits_pulumi(found.pulumi.version):
        official |= {"pulumi": found.pulumi.path, "language-host": found.language_host}
    if found.k6 and found.k6.version[0] == K6_MAJOR:
        official["k6"] = found.k6.path
    return Plan(
        link={tool: official[tool] for tool in absent if tool in official},
        build=tuple(tool for tool in absent if tool not in official),
    )


def fits_pulumi(version: Version) -> bool:
    return version[0] == PULUMI_AT_LEAST[0] and version >= PULUMI_AT_LEAST


def find_official(path: str) -> Found:
    pulumi, k6 = shutil.which("pulumi", path=path), shutil.which("k6", path=path)
    beside = str(Path(pulumi).resolve().parent) if pulumi else ""
    host = shutil.which("pulumi-language-python", path=f"{beside}{os.pathsep}{path}")
    return Found(
        pulumi=_official(pulumi, "version"),
        language_host=Path(host) if host else None,
        k6=_official(k6, "version"),
    )


def parse_version(text: str) -> Version | None:
    """The first dotted number: `v3.259.0`, `k6 v2.2.0 (go1.26.8, linux/amd64)`."""
    match = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def link(target: Path, official: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # a link whose official tool has been uninstalled
    target.symlink_to(official)


def build(folder: Path, tools: Collection[str], progress: Progress) -> None:
    """About seven minutes and 7 GB for all of them on two cores, once per change of their sources."""
    folder.mkdir(parents=True, exist_ok=True)
    require_space(shutil.disk_usage(folder).free, tools, folder)
    log = _log("tools.log")
    with log.open("w") as errors:
        process = subprocess.Popen(
            [SOURCES / "build", folder, *tools], stdout=subprocess.PIPE, stderr=errors, text=True
        )
        with process:
            for line in process.stdout or ():
                progress(f"{line.rstrip()}, log in {log}")
    if process.returncode != 0:
        reason = last_line(log.read_text()) or f"tools/build ended with {process.returncode}"
        raise EnvironmentMissing(f"the tools could not be built: {reason}; log in {log}", "./scripts/up")


def require_space(free_bytes: int, tools: Collection[str], folder: Path) -> None:
    if {"pulumi", "provider"} & set(tools) and free_bytes < FREE_BYTES_FOR_GO:
        raise EnvironmentMissing(
            f"{free_bytes / 1024**3:.1f} GiB are free at {folder}, and building the tools takes"
            f" {FREE_BYTES_FOR_GO / 1024**3:.0f} GiB for a while",
            "free some space, or name another place: AMAS_CACHE_DIR=/path ./scripts/up",
        )


def install_provider(folder: Path, progress: Progress) -> None:
    """Puts the provider where the CLI looks for it, anew when it was built anew."""
    home = places.state_dir() / "pulumi"
    provider = folder / OUTPUTS["provider"]
    plugin = home / "plugins" / f"resource-docker-{PROVIDER_VERSION}" / provider.name
    mark, made_from = home / "provider-made-from", _identity(provider)
    if plugin.exists() and mark.exists() and mark.read_text() == made_from:
        return
    progress(f"installing the docker provider {PROVIDER_VERSION} for pulumi")
    ensure_state_dir(places.state_dir())
    command = [
        "plugin",
        "install",
        "resource",
        "docker",
        PROVIDER_VERSION,
        "--reinstall",
        "--file",
        str(provider),
    ]
    done = subprocess.run(
        [folder / "bin" / "pulumi", *command, "--non-interactive"],
        env=os.environ | {"PULUMI_HOME": str(home.absolute()), "PULUMI_SKIP_UPDATE_CHECK": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise EnvironmentMissing(
            f"pulumi did not take the docker provider: {last_line(done.stderr)}", "./scripts/up"
        )
    mark.write_text(made_from)


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _identity(provider: Path) -> str:
    facts = provider.stat()
    return f"{facts.st_size} {facts.st_mtime_ns}"


def _official(path: str | None, *arguments: str) -> Official | None:
    if not path:
        return None
    try:
        done = subprocess.run(
            [path, *arguments],
            env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"},
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = parse_version(done.stdout)
    return Official(Path(path), version) if version else None


def _path_without_ours() -> str:
    """In a prepared shell our own tools come first on PATH, maybe those of an older state of the checkout."""
    ours = places.cache_dir().absolute() / "tools"
    entries = os.environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if not Path(entry).is_relative_to(ours))


def _log(name: str) -> Path:
    ensure_state_dir(places.state_dir())
    return places.state_dir() / "logs" / name
