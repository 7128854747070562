"""Twins for the tests: an engine in memory, and a service good enough to be smoke-tested."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx

from runbook.engine import Container, Inspected, Leftovers, LogLine, log_line

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def container(part: str, **changes: Any) -> Container:
    """A healthy one; the changes make it ill."""
    well = Container(
        id=f"id-{part}",
        name=f"amas-local-{part}",
        part=part,
        image="sha256:aa",
        state="running",
        health="healthy",
        exit_code=0,
        restarts=0,
        restart_policy="unless-stopped",
        started_at=STARTED,
        address="172.18.0.2",
    )
    return replace(well, **changes)


@dataclass
class MemoryEngine:
    """An engine that holds what a test puts in, and remembers what was asked of it."""

    held: list[Container] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=dict)
    volumes: dict[str, int] = field(default_factory=dict)
    networks: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    answer: tuple[int, str] = (0, "")
    commands: list[Sequence[str]] = field(default_factory=list)

    def containers(self, stack: str, part: str | None = None) -> list[Container]:
        mine = [one for one in self.held if one.name.startswith(f"amas-{stack}-")]
        return [one for one in mine if part in {None, one.part}]

    def inspected(self, stack: str) -> list[Inspected]:
        return [Inspected(one.id, one.name) for one in self.containers(stack)]

    def log_lines(self, container: Container, *, since: datetime | None, tail: int | None) -> list[LogLine]:
        lines = [log_line(container, line) for line in self.logs.get(container.part, [])]
        late = [line for line in lines if since is None or line.stamp >= since.isoformat()]
        return late[-tail:] if tail else late

    def follow_log(self, container: Container, since: datetime) -> Iterator[LogLine]:
        yield from self.log_lines(container, since=since, tail=None)

    def run_inside(self, container: Container, command: Sequence[str]) -> tuple[int, str]:
        self.commands.append([container.part, *command])
        return self.answer

    def run_again(self, container: Container) -> int:
        self.commands.append([container.part, "run again"])
        return self.answer[0]

    def start(self, container: Container) -> None:
        self.commands.append([container.part, "start"])
        self._become(container, state="running", health="healthy")

    def stop(self, container: Container, grace_s: int) -> None:  # noqa: ARG002
        self.commands.append([container.part, "stop"])
        self._become(container, state="exited", health=None)

    def _become(self, container: Container, **changes: Any) -> None:
        self.held = [replace(one, **changes) if one.id == container.id else one for one in self.held]

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:  # noqa: ARG002
        self.volumes.setdefault(name, 0)

    def volume_sizes(self, stack: str) -> dict[str, int]:
        return {name: size for name, size in self.volumes.items() if name.startswith(f"amas-{stack}-")}

    def leftovers(self, stack: str) -> Leftovers:
        names = tuple(one.name for one in self.containers(stack))
        return Leftovers(names, self.networks, tuple(self.volume_sizes(stack)))

    def remove_volumes(self, names: Sequence[str]) -> None:
        for name in names:
            del self.volumes[name]

    def remove_container(self, container: Container, grace_s: int) -> None:  # noqa: ARG002
        self.held.remove(container)

    def run_once(
        self,
        image_id: str,
        command: Sequence[str],
        environment: Mapping[str, str],  # noqa: ARG002
    ) -> tuple[int, str]:
        self.commands.append([image_id, *command])
        return self.answer

    def stop_container(self, container: Container, grace_s: int) -> None:
        self.commands.append(["stop", container.name, str(grace_s)])
        self._change(container, state="exited", health=None)

    def start_container(self, container: Container) -> None:
        self.commands.append(["start", container.name])
        self._change(container, state="running", health="healthy")

    def _change(self, container: Container, **changes: Any) -> None:
        self.held = [replace(one, **changes) if one.id == container.id else one for one in self.held]

    def network_ids(self, stack: str) -> tuple[str, ...]:  # noqa: ARG002
        return self.networks

    def remove_networks(self, ids: Sequence[str]) -> None:
        self.networks = tuple(one for one in self.networks if one not in ids)

    def image_ids(self) -> dict[str, str]:
        return {one: f"sha256:{one}" for one in self.images}

    def gateway(self, network: str) -> str | None:  # noqa: ARG002
        return "172.17.0.1"

    def disk_root(self) -> str:
        return "/var/lib/docker"

    def missing_images(self, ids: Sequence[str]) -> list[str]:
        return [one for one in ids if one not in self.images]


class MemoryService:
    """Stores traces as the service would. `busy`: so many 503 first; `lost`: ids acknowledged and dropped.

    `spooled`: so many traces are answered 202 first, and are there once a run was counted.
    """

    def __init__(self, busy: int = 0, lost: frozenset[str] = frozenset(), spooled: int = 0) -> None:
        self.spooled = spooled
        self.spool: list[tuple[dict[str, Any], str]] = []
        self.traces: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, str] = {}
        self.busy = busy
        self.lost = lost
        self.requests: list[httpx.Request] = []

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.busy:
            self.busy -= 1
            return httpx.Response(503, headers={"Retry-After": "0"})
        return self._routed(request)

    def _routed(self, request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path.split("/")[1:]:
            case "POST", ["api", "decisions"]:
                return self._post(request)
            case "GET", ["api", "insights"]:
                return self._list(request.url.params["userId"], int(request.url.params.get("cursor", 0)))
            case "GET", ["api", "insights", decision_id]:
                found = self.traces.get(decision_id)
                return httpx.Response(200, json=found) if found else httpx.Response(404, json={})
            case "GET", ["api", "runs", run_id]:
                stored = len(self._of(run_id))
                while self.spool:
                    self._store(*self.spool.pop())
                return httpx.Response(200, json={"runId": run_id, "stored": stored})
            case "DELETE", ["api", "runs", run_id]:
                gone = self._of(run_id)
                for decision_id in gone:
                    del self.traces[decision_id], self.runs[decision_id]
                return httpx.Response(200, json={"runId": run_id, "deleted": len(gone)})
        return httpx.Response(404, json={"title": "no such route"})

    def _post(self, request: httpx.Request) -> httpx.Response:
        run_id = request.headers["X-Amas-Run-Id"]
        if request.headers["Content-Type"] == "application/json":
            status, state = self._store(json.loads(request.content), run_id)
            return httpx.Response(status, json={"state": state})
        results = []
        for number, line in enumerate(request.content.splitlines(), start=1):
            status, state = self._store(json.loads(line), run_id)
            results.append({"line": number, "status": status, "state": state})
        return httpx.Response(200, json={"results": results})

    def _store(self, trace: dict[str, Any], run_id: str) -> tuple[int, str]:
        decision_id = trace["decisionId"]
        if decision_id in self.lost:
            return 201, "stored"
        if self.spooled:
            self.spooled -= 1
            self.spool.append((trace, run_id))
            return 202, "spooled"
        known = self.traces.setdefault(decision_id, trace)
        if decision_id not in self.runs:
            self.runs[decision_id] = run_id
            return 201, "stored"
        return (200, "duplicate") if known == trace else (409, "conflict")

    def _list(self, user_id: str, at: int) -> httpx.Response:
        mine = [trace for trace in self.traces.values() if trace["userId"] == user_id]
        after = at + 10 if at + 10 < len(mine) else None
        return httpx.Response(200, json={"items": mine[at : at + 10], "nextCursor": after})

    def _of(self, run_id: str) -> list[str]:
        return [decision_id for decision_id, owner in self.runs.items() if owner == run_id]
