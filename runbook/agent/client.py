"""The autoscaler's end of the agent's socket."""

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook.agent.order import Look, Order, written
from runbook.errors import CheckFailed

# A change waits for a replica to drain.
LOOK_WITHIN_S, CHANGE_WITHIN_S = 25.0, 120.0


class AgentFailed(CheckFailed):
    """The agent is away, refused, or failed; says which."""


@dataclass(frozen=True)
class AgentClient:
    """By the path of its socket."""

    path: Path

    def send(self, order: Order) -> dict[str, Any]:
        within_s = LOOK_WITHIN_S if isinstance(order, Look) else CHANGE_WITHIN_S
        try:
            with socket.socket(socket.AF_UNIX) as line, line.makefile("rb") as answer:
                line.settimeout(within_s)
                line.connect(str(self.path))
                line.sendall(written(order))
                said = answer.readline()
        except OSError as reason:
            raise AgentFailed(f"the agent does not answer: {reason.strerror or reason}") from None
        return _understood(said)


def _understood(said: bytes) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        raise AgentFailed("the agent broke off") from None
    if not answer.get("ok"):
        raise AgentFailed(str(answer.get("refused") or answer.get("failed") or "the agent said no"))
    return answer
