"""What the pulumi engine reports while it works, reduced to what a person wants to see."""

import json
import re
from dataclasses import dataclass
from typing import Any

UNCHANGED = frozenset({"same", "read", "refresh"})
WORDS = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "create-replacement": "created",
    "delete-replaced": "deleted",
    "discard": "forgotten",
}
COLOUR_MARKS = re.compile(r"<\{%[^%]*%\}>")


@dataclass(frozen=True)
class Changed:
    """One resource was brought to its new state."""

    word: str
    name: str
    kind: str


@dataclass(frozen=True)
class Diagnosed:
    """The engine, the program or a provider said something that matters."""

    severity: str
    name: str
    message: str


@dataclass(frozen=True)
class Summed:
    """The end of the operation: how many resources saw each kind of change."""

    changes: dict[str, int]

    @property
    def changed(self) -> int:
        return sum(count for op, count in self.changes.items() if op not in UNCHANGED)


Event = Changed | Diagnosed | Summed


def read_event(line: str) -> Event | None:
    """One line of the event log; None for what nobody needs to see, and for a line that is not an event."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if "resOutputsEvent" in event:
        return _changed(event["resOutputsEvent"]["metadata"])
    if "diagnosticEvent" in event:
        return _diagnosed(event["diagnosticEvent"])
    if "summaryEvent" in event:
        return Summed(event["summaryEvent"].get("resourceChanges") or {})
    return None


def _changed(step: dict[str, Any]) -> Changed | None:
    """Components and providers are not things of their own: only what the engine really made counts."""
    word = WORDS.get(step["op"])
    custom = (step.get("new") or step.get("old") or {}).get("custom", False)
    if word is None or not custom or step["type"].startswith("pulumi:"):
        return None
    return Changed(word, resource_name(step["urn"]), step["type"].rsplit(":", 1)[-1])


def _diagnosed(diagnostic: dict[str, str]) -> Diagnosed | None:
    message = COLOUR_MARKS.sub("", diagnostic.get("message", "")).strip()
    if diagnostic.get("severity") not in {"warning", "error"} or not message:
        return None
    return Diagnosed(diagnostic["severity"], resource_name(diagnostic.get("urn", "")), message)


def resource_name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]
