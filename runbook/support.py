"""`amas support-bundle`: what somebody else needs to see what is wrong, in one file without a secret."""

import io
import json
import os
import platform
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runbook import database, places
from runbook import status as status_page
from runbook.api import Api
from runbook.engine import Container, Engine
from runbook.errors import AmasError, CheckFailed
from runbook.stack import Setting
from runbook.terminal import Progress

LOG_LINES = 2_000
# What the service tells of itself; none of it holds what a trace says.
ROUTES = {
    "health.json": "/health",
    "ready.json": "/ready",
    "monitoring.json": "/api/about/monitoring",
    "slo.json": "/api/about/slo",
    "alerts-active.json": "/api/alerts/active",
    "alerts-history.json": "/api/alerts/history",
    "alert-rules.json": "/api/alerts/rules",
    "switches.json": "/api/switches",
}
Gather = Callable[[], str]


def bundle(
    engine: Engine, stack: str, config: Mapping[str, Setting], api: Api, now: datetime, progress: Progress
) -> dict[str, str]:
    """Files by name, redacted. A part that cannot be asked is a file with the reason; nothing ends it."""
    pieces = {
        "host.json": _host,
        "images.json": lambda: places.image_lock().read_text(encoding="utf-8"),
        "configuration.json": lambda: _json(
            {name: "<secret>" if one.secret else one.value for name, one in sorted(config.items())}
        ),
        "status.json": lambda: _json(status_page.look(engine, stack, places.image_lock(), now).as_json()),
        "database.txt": lambda: database.report(engine, stack, "support.sql"),
        "metrics.txt": lambda: api.metrics().text,
        **{f"service/{name}": _route(api, path) for name, path in ROUTES.items()},
    }
    containers = engine.containers(stack)
    pieces |= {f"containers/{one.name}.json": _facts(one) for one in containers}
    pieces |= {f"logs/{one.name}.log": _log(engine, one) for one in containers}
    redact = redaction(config)
    with progress.step(f"{len(pieces)} files"):
        return {name: redact(_gathered(gather)) for name, gather in pieces.items()}


def _gathered(gather: Gather) -> str:
    try:
        return gather()
    except (AmasError, OSError, ValueError) as reason:
        return f"could not be asked: {reason}\n"


def redaction(config: Mapping[str, Setting]) -> Callable[[str], str]:
    """Puts the name of a secret where its value stands, as it is or as it stands in an address."""
    forms = {
        form: name
        for name, one in config.items()
        if one.secret and one.value
        for form in (one.value, quote(one.value, safe=""), json.dumps(one.value)[1:-1])
    }
    longest_first = sorted(forms, key=len, reverse=True)

    def redact(text: str) -> str:
        for form in longest_first:
            text = text.replace(form, f"<secret {forms[form]}>")
        return text

    return redact


def packed(files: Mapping[str, str], into: Path, now: datetime) -> int:
    """Writes the archive, readable by its owner alone; returns its size in bytes."""
    into.parent.mkdir(parents=True, exist_ok=True)
    root = into.name.removesuffix(".tar.gz")
    handle = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out, tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in sorted(files.items()):
            content = text.encode()
            member = tarfile.TarInfo(f"{root}/{name}")
            member.size, member.mode, member.mtime = len(content), 0o600, int(now.timestamp())
            archive.addfile(member, io.BytesIO(content))
    return into.stat().st_size


def place(stack: str, now: datetime, out: Path | None) -> Path:
    chosen = out or places.state_dir() / "support" / f"amas-{stack}-{now:%Y%m%dT%H%M%S}.tar.gz"
    if chosen.exists():
        raise CheckFailed(f"{chosen} is there already", "amas support-bundle --out ANOTHER.tar.gz")
    return chosen


def _host() -> str:
    disk = shutil.disk_usage("/")
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return _json(
        {
            "system": platform.platform(),
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "load": os.getloadavg(),
            "memoryBytes": pages,
            "diskBytes": disk.total,
            "diskFreeBytes": disk.free,
        }
    )


def _route(api: Api, path: str) -> Gather:
    return lambda: api.read(path).text


def _facts(container: Container) -> Gather:
    return lambda: _json(asdict(container))


def _log(engine: Engine, container: Container) -> Gather:
    def read() -> str:
        lines = engine.log_lines(container, since=None, tail=LOG_LINES)
        return "".join(f"{line.stamp} {line.text}\n" for line in lines)

    return read


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
