"""One order a connection, over a Unix socket in a volume that the autoscaler alone shares."""

import json
import socketserver
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook.agent.act import Agent
from runbook.agent.order import MOST_BYTES, Look, Order, Refused, read
from runbook.errors import CheckFailed

# For the owner, which is the agent, and the group, which is the autoscaler's.
_MODE = 0o660
READ_WITHIN_S = 5.0
TOLD = ("ok", "name", "refused", "failed")
Answer = dict[str, Any]


def answered(agent: Agent, line: bytes, tell: Callable[[Answer], None]) -> Answer:
    """What goes back; every order but a look is told."""
    order: Order | None = None
    try:
        order = read(line)
        answer: Answer = {"ok": True, **agent.carry_out(order)}
    except Refused as reason:
        answer = {"ok": False, "refused": str(reason)}
    except CheckFailed as reason:
        answer = {"ok": False, "failed": reason.message}
    if not isinstance(order, Look) or not answer["ok"]:
        known: Answer = {name: answer[name] for name in TOLD if name in answer}
        tell({"order": type(order).__name__ if order else "unknown", **known})
    return answer


class Listener(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Threads, so that a look and the health check are answered while a replica drains."""

    daemon_threads = True

    def __init__(self, path: Path, agent: Agent) -> None:
        self.agent = agent
        path.unlink(missing_ok=True)  # of a container that was killed
        super().__init__(str(path), _Connection)
        path.chmod(_MODE)


class _Connection(socketserver.StreamRequestHandler):
    timeout = READ_WITHIN_S

    def handle(self) -> None:
        assert isinstance(self.server, Listener)  # noqa: S101 - what it is made by
        try:
            line = self.rfile.readline(MOST_BYTES + 2)
        except TimeoutError:
            return
        if not line.endswith(b"\n") and len(line) <= MOST_BYTES:
            return
        answer = answered(self.server.agent, line.rstrip(b"\n"), told)
        self.wfile.write(json.dumps(answer).encode() + b"\n")


def told(facts: Answer) -> None:
    """One JSON line, as every part of the stack writes."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": "info" if facts["ok"] else "warning",
        "component": "agent",
        **facts,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
