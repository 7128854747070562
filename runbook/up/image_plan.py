"""What goes into each image, the hash that names it, and what its tag shows: all of it without an engine."""

import ast
import fnmatch
import hashlib
import io
import json
import os
import re
import tarfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from runbook.errors import EnvironmentMissing

PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
PIP_SETTINGS = {
    "index-url",
    "extra-index-url",
    "trusted-host",
    "proxy",
    "retries",
    "timeout",
    "default-timeout",
}
NPM_SETTINGS = ("registry", "proxy", "https-proxy", "noproxy", "strict-ssl", "fetch-retries", "fetch-timeout")
LAST_LINES = 12
MISSING = (
    re.compile(r"E: Unable to locate package (\S+)"),
    re.compile(r"E: Package '([^']+)' has no installation candidate"),
    re.compile(r"E: Couldn't find these debs: (\S+)"),
    re.compile(r"ERROR: No matching distribution found for (\S+)"),
)


class Entry(TypedDict):
    """One image in the lock."""

    id: str
    tag: str
    size_bytes: int
    packages: dict[str, str]


Lock = dict[str, Entry]


@dataclass(frozen=True)
class Recipe:
    """What goes into an image besides the folder `images/<name>`, and which versions its tag shows."""

    name: str
    shown: Mapping[str, str]  # package: what stands before its version in the tag
    parents: Mapping[str, str] = field(default_factory=lambda: {"PARENT": "base"})  # build argument: image
    trees: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


BASE = Recipe("base", {"base-files": "debian"}, parents={})
# Each comes after those it stands on.
OTHERS = (
    Recipe("db", {"postgresql-17": "pg", "postgresql-17-timescaledb": "ts"}),
    Recipe("service", {"amas": ""}, trees=("service",), files=("requirements/service.txt",)),
    Recipe(
        "runbook",
        {"amas": ""},
        trees=("runbook", "loadtests"),
        files=("requirements/runbook.txt",),
        tools=("supercronic", "k6"),
    ),
    Recipe("monitoring", {"prometheus": "prometheus"}),
    Recipe("lb", {"haproxy": "haproxy"}),
    Recipe("redis", {"redis-server": ""}),
    Recipe("backup", {"barman": "barman", "restic": "restic"}, {"PARENT": "db", "RUNBOOK": "runbook"}),
)
# The page's tests run in it; no stack does.
BROWSER = Recipe("browser", {"chromium": "chromium"})


@dataclass(frozen=True)
class Input:
    """One file of a build context."""

    path: str
    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Plan:
    """An image as it should be."""

    recipe: Recipe
    inputs: tuple[Input, ...]
    hash: str


# Plans: which files go into which image, and the hash that names them.


def plan_all(root: Path, tools_bin: Path) -> tuple[Plan, list[Plan]]:
    return plan_of(OTHERS, root, tools_bin)


def plan_of(recipes: Iterable[Recipe], root: Path, tools_bin: Path) -> tuple[Plan, list[Plan]]:
    """The base image, and those that stand on it or on one another."""
    base = plan(BASE, (*inputs_of(BASE, root, tools_bin), *host_certificates()), parent_hash="")
    plans = {"base": base}
    for recipe in recipes:
        parent_hash = "\n".join(plans[parent].hash for parent in recipe.parents.values())
        plans[recipe.name] = plan(recipe, inputs_of(recipe, root, tools_bin), parent_hash)
    return base, [each for name, each in plans.items() if name != "base"]


def waves(plans: Iterable[Plan], standing: Iterable[str]) -> Iterator[list[Plan]]:
    """The plans in the order of building: each wave needs only what stood before it."""
    known, left = set(standing), list(plans)
    while left:
        wave = [each for each in left if known.issuperset(each.recipe.parents.values())]
        yield wave
        known |= {each.recipe.name for each in wave}
        left = [each for each in left if each not in wave]


def plan(recipe: Recipe, inputs: Iterable[Input], parent_hash: str) -> Plan:
    ordered = tuple(sorted(inputs, key=lambda each: each.path))
    return Plan(recipe, ordered, inputs_hash(recipe.name, ordered, parent_hash))


def inputs_hash(name: str, inputs: Iterable[Input], parent_hash: str) -> str:
    digest = hashlib.sha256(f"{name}\n{parent_hash}\n".encode())
    for each in inputs:
        content = hashlib.sha256(each.content).hexdigest()
        digest.update(f"{each.path}\0{each.executable:d}\0{content}\n".encode())
    return digest.hexdigest()


def inputs_of(recipe: Recipe, root: Path, tools_bin: Path) -> list[Input]:
    patterns = ignored_names((root / ".gitignore").read_text())
    own = root / "images" / recipe.name
    found = [_read(path, path.relative_to(own)) for path in files_below(own, patterns)]
    for tree in recipe.trees:
        found += [_read(path, path.relative_to(root)) for path in files_below(root / tree, patterns)]
    found += [_read(root / file, Path(file)) for file in recipe.files]
    found += [_read(_tool(tools_bin, tool), Path("bin") / tool) for tool in recipe.tools]
    if "amas" in recipe.shown:
        found.append(Input("version", project_version((root / "pyproject.toml").read_text()).encode()))
    return found


def files_below(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Every file git would take, asked without git: a checkout may be an unpacked archive."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not is_ignored(path.relative_to(folder).parts, patterns)
    ]


def is_ignored(parts: Iterable[str], patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(part, pattern) for part in parts for pattern in patterns)


def ignored_names(gitignore: str) -> list[str]:
    """The patterns that hold at any depth; those that start with a slash name folders of the root."""
    return [line.rstrip("/") for line in gitignore.splitlines() if line and line[0] not in "/#"]


def project_version(pyproject: str) -> str:
    return str(tomllib.loads(pyproject)["project"]["version"])


def host_certificates(folder: Path = Path("/usr/local/share/ca-certificates")) -> list[Input]:
    """Authorities this host trusts besides the public ones: downloads inside a build need them too."""
    return [_read(path, Path("ca-certificates") / path.name) for path in folder.glob("*.crt")]


def _tool(tools_bin: Path, name: str) -> Path:
    path = tools_bin / name
    if not path.is_file():
        raise EnvironmentMissing(f"image runbook: {name} is not in {tools_bin}", "./scripts/up")
    return path


def _read(path: Path, as_path: Path) -> Input:
    return Input(as_path.as_posix(), path.read_bytes(), os.access(path, os.X_OK))


def context(inputs: Iterable[Input]) -> bytes:
    """A build context that is the same for the same files: no owners, no times, no umask."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        # COPY of an optional folder must find it.
        folder = tarfile.TarInfo("ca-certificates")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for each in inputs:
            entry = tarfile.TarInfo(each.path)
            entry.size, entry.mode = len(each.content), 0o755 if each.executable else 0o644
            tar.addfile(entry, io.BytesIO(each.content))
    return archive.getvalue()


# Names and records.


def tag_of(recipe: Recipe, packages: Mapping[str, str], inputs_hash: str) -> str:
    versions = "-".join(prefix + upstream(packages[package]) for package, prefix in recipe.shown.items())
    return f"amas/{recipe.name}:{versions}-{inputs_hash[:12]}"


def upstream(version: str) -> str:
    """`5:8.0.2-3+deb13u3` is Redis 8.0.2: Debian's epoch, repacking and revision say nothing to a reader."""
    return re.split(r"[-+~]", version.split(":", 1)[-1], maxsplit=1)[0]


def parse_versions(text: str) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in text.splitlines() if line)


def render_lock(lock: Lock) -> str:
    return json.dumps(lock, indent=2, sort_keys=True) + "\n"


# What the host's clients know about reaching package sources; needed to build, never part of an image.


def build_arguments(parents: Mapping[str, str], environ: Mapping[str, str], apt_proxy: str) -> dict[str, str]:
    proxies = {name: environ[name] for name in PROXY_VARIABLES if environ.get(name)}
    if apt_proxy and not {"http_proxy", "HTTP_PROXY"} & proxies.keys():
        proxies["http_proxy"] = apt_proxy
    return {**parents, **proxies}


def pip_conf(listed: str) -> str:
    """The lines of `pip config list` that say where packages are; the environment's come last and win."""
    settings = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        if name in PIP_SETTINGS:
            settings[name] = " ".join(str(ast.literal_eval(value)).split())
    return "\n".join(["[global]", *(f"{name} = {value}" for name, value in settings.items()), ""])


def npmrc(listed: str, environ: Mapping[str, str]) -> str:
    """From `npm config list --json`; where this host has no npm, from the variables that npm would read."""
    settings = json.loads(listed) if listed else {}
    for name in NPM_SETTINGS:
        variable = environ.get(f"npm_config_{name.replace('-', '_')}")
        settings.setdefault(name, variable)
    known = {name: settings[name] for name in NPM_SETTINGS if settings[name] not in (None, "", [""])}
    lines = [f"{name} = {_npm_value(value)}" for name, value in known.items()]
    return "\n".join([*lines, ""])


def _npm_value(value: object) -> str:
    """`npm config list` gives lists and truth values in JSON's form."""
    if isinstance(value, list):
        return ",".join(str(one) for one in value)
    return json.dumps(value) if isinstance(value, bool) else str(value)


def debian_mirrors(index_targets: str, chosen: str | None) -> tuple[str, str]:
    """The archive and its security archive: as chosen, else as this host's apt has them."""
    sources = dict(line.split("|", 1)[::-1] for line in index_targets.splitlines() if "|" in line)
    mirror = chosen or sources.get("Debian", "")
    if not mirror:
        raise EnvironmentMissing(
            "image base: no registry answers, and apt of this host knows no Debian archive",
            "AMAS_DEBIAN_MIRROR=http://<a Debian mirror>/debian ./scripts/up",
        )
    security = None if chosen else sources.get("Debian-Security")
    return mirror, security or f"{mirror.rstrip('/')}-security"


# What the output of a failed build says.


def failing_step(lines: Sequence[str]) -> list[str]:
    """The step's own line and the last ones it wrote."""
    begins = max((number for number, line in enumerate(lines) if line.startswith("Step ")), default=0)
    step, *said = lines[begins:] or [""]
    return [step, *said[-LAST_LINES:]]


def missing_package(lines: Iterable[str]) -> str | None:
    return next((found[1] for line in lines for pattern in MISSING if (found := pattern.search(line))), None)


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
