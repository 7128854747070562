"""`amas status`: every part of the stack, its health, and the disk its data takes. Pure but for `look`."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runbook.engine import Container, Engine
from runbook.errors import EnvironmentMissing
from runbook.terminal import seconds, size
from runbook.volumes import data_volumes

PUBLIC_PART = "lb"


@dataclass(frozen=True)
class PartRow:
    """One container, in the operator's words."""

    part: str
    state: str
    uptime_s: float | None
    image: str
    restarts: int
    name: str
    reason: str = ""


@dataclass(frozen=True)
class Status:
    """The stack at one moment."""

    stack: str
    url: str | None
    replicas: int
    parts: list[PartRow]
    volumes: dict[str, int]

    @property
    def ill(self) -> list[PartRow]:
        return [row for row in self.parts if row.state not in {"healthy", "running", "done"}]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ok": not self.ill}


def look(engine: Engine, stack: str, image_lock: Path, now: datetime) -> Status:
    containers = engine.containers(stack)
    if not containers:
        raise EnvironmentMissing(f"stack `{stack}` does not run", "./scripts/up")
    return describe(stack, containers, engine.volume_sizes(stack), image_tags(image_lock), now)


def describe(
    stack: str,
    containers: Sequence[Container],
    volumes: Mapping[str, int],
    tags: Mapping[str, str],
    now: datetime,
) -> Status:
    rows = [_row(container, tags, now) for container in containers]
    return Status(
        stack=stack,
        url=next((way_in(one.ports) for one in containers if one.part == PUBLIC_PART and one.ports), None),
        replicas=Counter(row.part for row in rows if row.state == "healthy")["api"],
        parts=rows,
        volumes={name: volumes[name] for name in data_volumes(stack) if name in volumes},
    )


def way_in(ports: Sequence[str]) -> str:
    """With TLS there are two, and the first only redirects to the second."""
    return f"https://{ports[1]}" if len(ports) > 1 else f"http://{ports[0]}"


def _row(container: Container, tags: Mapping[str, str], now: datetime) -> PartRow:
    state, why = state_of(container)
    reason = "; ".join(filter(None, [why, "burst" if container.burst else ""]))
    running = container.state == "running" and container.started_at is not None
    return PartRow(
        part=container.part,
        state=state,
        uptime_s=(now - container.started_at).total_seconds() if running and container.started_at else None,
        image=tags.get(container.image, container.image.removeprefix("sha256:")[:12]),
        restarts=container.restarts,
        name=container.name,
        reason=reason,
    )


def state_of(container: Container) -> tuple[str, str]:
    """One word (healthy, running, done, starting, unhealthy, failed, or the engine's own) and why."""
    if container.state == "exited" and container.is_job:
        return ("done", "") if container.exit_code == 0 else ("failed", f"exit code {container.exit_code}")
    if container.state == "running":
        return container.health or "running", ""
    return container.state, f"exit code {container.exit_code}"


def image_tags(image_lock: Path) -> dict[str, str]:
    """Image id to tag, from the lock; empty when there is none to read."""
    try:
        return {entry["id"]: entry["tag"] for entry in json.loads(image_lock.read_text()).values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def table_rows(status: Status) -> list[list[str]]:
    """A row a container; jobs that have done their work share one a part."""
    done = Counter(row.part for row in status.parts if row.state == "done")
    jobs = [[part, "done", "", "", f"{count} of {count}"] for part, count in done.items()]
    return sorted([*(part_cells(row) for row in status.parts if row.state != "done"), *jobs])


def part_cells(row: PartRow) -> list[str]:
    restarts = f"{row.restarts} restarts" if row.restarts else ""
    uptime = seconds(row.uptime_s) if row.uptime_s is not None else ""
    return [row.part, row.state, uptime, short(row.image), "; ".join(filter(None, [row.reason, restarts]))]


def short(image: str) -> str:
    """The tag as far as people tell releases apart by it; --json has all of it."""
    return re.sub(r"-[0-9a-f]{12}$", "", image.removeprefix("amas/"))


def closing_lines(status: Status) -> list[str]:
    volumes = [f"volume    {name}  {size(size_bytes)}" for name, size_bytes in status.volumes.items()]
    verdict = f"NOT HEALTHY: {', '.join(row.name for row in status.ill)}" if status.ill else "all healthy"
    return [
        "",
        f"url       {status.url or 'not published'}",
        f"replicas  {status.replicas}",
        *volumes,
        verdict,
    ]
