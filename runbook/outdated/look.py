"""Asks pip, apt and go by their ordinary clients; one that does not answer ends nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from runbook import places
from runbook.engine import Engine
from runbook.errors import AmasError
from runbook.outdated.versions import Found, Unasked, direct_pins, go_modules, of_apt, of_go, of_pip
from runbook.terminal import Progress

ASK_WITHIN_S = 300
APT = "apt-get -qq -o Acquire::Retries=2 update >&2 && apt-get -qq --simulate upgrade"


def look(engine: Engine, progress: Progress) -> Found:
    """Everything that is pinned or was installed, from each of the three kinds of source."""
    found: Found = []
    with progress.step("python pins"):
        found += asked("python", "requirements", python)
    for name, image_id in images(places.image_lock()).items():
        with progress.step(f"debian packages of image {name}"):
            found += asked("debian", name, debian_of(engine, name, image_id))
    for folder in sorted(one.parent for one in (places.ROOT / "tools").glob("*/go.mod")):
        with progress.step(f"go modules of tools/{folder.name}"):
            found += asked("go", f"tools/{folder.name}", go_of(folder))
    return found


def asked(kind: str, where: str, ask: Callable[[], Found]) -> Found:
    try:
        return ask()
    except (AmasError, OSError, ValueError, subprocess.SubprocessError) as reason:
        return [Unasked(kind, where, " ".join(str(reason).split())[-200:])]


def python() -> Found:
    files = {one.name: one.read_text(encoding="utf-8") for one in (places.ROOT / "requirements").glob("*.in")}
    command = [sys.executable, "-m", "pip", "list", "--outdated", "--format", "json"]
    return [*of_pip(_told([*command, "--disable-pip-version-check"]), direct_pins(files))]


def debian_of(engine: Engine, name: str, image_id: str) -> Callable[[], Found]:
    def ask() -> Found:
        exit_code, told = engine.run_once(image_id, ["sh", "-c", APT], proxies(os.environ))
        if exit_code != 0:
            raise ValueError(f"apt-get ended with {exit_code}: {told.strip()}")
        return [*of_apt(told, name)]

    return ask


def go_of(folder: Path) -> Callable[[], Found]:
    def ask() -> Found:
        modules = go_modules((folder / "go.mod").read_text(encoding="utf-8"))
        if not modules:
            return []
        with_go = [str(places.ROOT / "tools/with-go"), str(places.cache_dir().absolute() / "go")]
        return [
            *of_go(
                _told([*with_go, "go", "list", "-m", "-u", "-json", *modules], folder), f"tools/{folder.name}"
            )
        ]

    return ask


def images(lock: Path) -> dict[str, str]:
    """Image ids by name, from the lock; empty when there is none."""
    try:
        return {name: str(entry["id"]) for name, entry in json.loads(lock.read_text()).items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """What a build of these images is told, so that what it could fetch can be asked for."""
    from runbook.up.image_plan import build_arguments  # noqa: PLC0415 - host only: builds images

    told = _told(["apt-config", "dump", "--format", "%v%n", "Acquire::http::Proxy"]) if _has_apt() else ""
    return build_arguments({}, environ, told.strip())


def _has_apt() -> bool:
    return Path("/usr/bin/apt-config").exists()


def _told(command: list[str], folder: Path | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=ASK_WITHIN_S, check=False
    )
    if done.returncode != 0:
        raise ValueError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
