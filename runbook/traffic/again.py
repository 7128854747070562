"""The same id once more: exactly, in another spelling, or with other content."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from runbook.traffic.bad import encoded
from runbook.traffic.meaning import canonical_id, instant, time_inside

Trace = dict[str, Any]

KEPT = 256


@dataclass(frozen=True, slots=True)
class Earlier:
    """A line that must be stored before this wave begins."""

    raw: bytes
    decision_id: str


class Memory:
    """A bounded sample of earlier lines. Each is given out once a wave: its ids are then unique in it."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._seen = 0
        self._fresh: list[Earlier] = []
        self._kept: list[Earlier] = []
        self._ready: list[Earlier] = []

    def keep(self, line: Earlier) -> None:
        """Of the lines of a wave an even sample stays."""
        self._seen += 1
        if len(self._fresh) < KEPT:
            self._fresh.append(line)
        elif (place := int(self._rng.random() * self._seen)) < KEPT:
            self._fresh[place] = line

    def next_wave(self) -> None:
        """What the last wave sent may be referred to from now on."""
        self._kept = self._rng.sample(both := self._kept + self._fresh, min(KEPT, len(both)))
        self._ready = list(self._kept)
        self._seen, self._fresh = 0, []

    def take(self) -> Earlier | None:
        return self._ready.pop() if self._ready else None


def _reordered(trace: Trace) -> bytes:
    return json.dumps(dict(reversed(trace.items())), ensure_ascii=False, separators=(" , ", "\t: ")).encode()


def _escaped(trace: Trace) -> bytes:
    text = json.dumps(trace)
    return text.replace('"action"', '"\\u0061ction"').encode()


def _capitals(trace: Trace) -> bytes:
    """Only UUIDs ignore case."""
    if canonical_id(trace["decisionId"].upper()) == trace["decisionId"]:
        trace["decisionId"] = trace["decisionId"].upper()
    return encoded(trace)


def _exponent(trace: Trace) -> bytes:
    return encoded(trace | {"durationMs": 0}).replace(
        b'"durationMs":0', b'"durationMs":%.17e' % trace["durationMs"], 1
    )


def _other_zone(trace: Trace) -> bytes:
    """Also where the time was left to the id."""
    when = instant(trace["occurredAt"]) if "occurredAt" in trace else time_inside(trace["decisionId"])
    if when is None:
        raise ValueError("a free id has a time beside it")
    return encoded(trace | {"occurredAt": (when + timedelta(hours=9)).isoformat()[:-6] + "+09:00"})


def _defaults(trace: Trace) -> bytes:
    return encoded({"triggers": [], "stateSnapshot": {}, "difficultyFactors": {}} | trace)


SPELLINGS: dict[str, Callable[[Trace], bytes]] = {
    "reordered": _reordered,
    "escaped": _escaped,
    "id-in-capitals": _capitals,
    "duration-with-exponent": _exponent,
    "time-in-another-zone": _other_zone,
    "defaults-written-out": _defaults,
}


def _later(trace: Trace) -> Trace:
    when = instant(trace["occurredAt"]) if "occurredAt" in trace else time_inside(trace["decisionId"])
    if when is None:
        raise ValueError("a free id has a time beside it")
    return {**trace, "occurredAt": (when - timedelta(microseconds=1)).isoformat()}


CHANGES: dict[str, Callable[[Trace], Trace]] = {
    "other-action": lambda trace: {**trace, "action": trace["action"] + "!"},
    "other-user": lambda trace: {**trace, "userId": trace["userId"] + "\u200b"},
    "other-duration": lambda trace: {**trace, "durationMs": trace["durationMs"] + 0.001},
    "other-time": _later,
    "other-state": lambda trace: {**trace, "stateSnapshot": {**trace["stateSnapshot"], "attention": -1}},
    "other-state-by-a-null": lambda trace: {**trace, "stateSnapshot": {**trace["stateSnapshot"], "x": None}},
    "other-factor": lambda trace: {
        **trace,
        "difficultyFactors": {**trace["difficultyFactors"], "frequency": 2},
    },
    "trigger-more": lambda trace: {**trace, "triggers": [*trace.get("triggers", []), "more"]},
    "unknown-field-more": lambda trace: {**trace, "more": False},
}


def respelled(kind: str, raw: bytes) -> bytes:
    """The same content in other bytes: a duplicate."""
    return SPELLINGS[kind](json.loads(raw))


def changed(kind: str, raw: bytes) -> bytes:
    """The same id with other content: a conflict."""
    return encoded(CHANGES[kind](json.loads(raw)))
