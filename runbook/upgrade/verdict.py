"""Whether a release holds what was asked of it: what was seen before it against what is seen after. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

# What a release can spoil within minutes. Throughput and hit rate follow the load, overhead the machine.
OBJECTIVES = {"error_rate": "error rate", "latency_p95": "P95 latency", "latency_p99": "P99 latency"}
# One look may fall into a moment that says nothing; a breach that lasts is one.
LOOKS_IN_A_ROW = 2


@dataclass(frozen=True)
class Look:
    """The stack at one moment. `answered` is None when it did, else why it did not."""

    breached: frozenset[str] = frozenset()
    critical: frozenset[str] = frozenset()
    ill: frozenset[str] = frozenset()
    restarts: Mapping[str, int] = field(default_factory=dict)
    answered: str | None = None


def problems(before: Look, after: Sequence[Look]) -> list[str]:
    """What is worse than before, in words; empty while nothing is."""
    if not after:
        return ["nothing was looked at"]
    return [
        *(f"the service did not answer: {one}" for one in _lasting(after, _unanswered)),
        *(
            f"{OBJECTIVES[one]} is beyond its objective"
            for one in sorted(_lasting(after, lambda look: look.breached) - before.breached)
        ),
        *(f"{one} fires" for one in sorted(_lasting(after, lambda look: look.critical) - before.critical)),
        *(f"{one} is not healthy" for one in sorted(_lasting(after, lambda look: look.ill) - before.ill)),
        *restarted(after),
    ]


def restarted(after: Sequence[Look]) -> list[str]:
    """Since the first look: a part that ends and comes back is seen healthy in between."""
    first, last = after[0].restarts, after[-1].restarts
    return [
        f"{name} ended and was started again {count - first.get(name, 0)} times"
        for name, count in sorted(last.items())
        if count > first.get(name, 0)
    ]


def breached(rows: Sequence[Mapping[str, object]]) -> frozenset[str]:
    """Of the service's own table of objectives, those that a release can spoil."""
    return frozenset(str(row["id"]) for row in rows if row["id"] in OBJECTIVES and row["state"] == "breached")


def _lasting(after: Sequence[Look], of: Callable[[Look], frozenset[str]]) -> frozenset[str]:
    """In each of the last looks."""
    last = [of(one) for one in after[-LOOKS_IN_A_ROW:]]
    return frozenset.intersection(*last) if len(last) == LOOKS_IN_A_ROW else frozenset()


def _unanswered(look: Look) -> frozenset[str]:
    return frozenset() if look.answered is None else frozenset({look.answered})
