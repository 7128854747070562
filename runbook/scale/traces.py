"""Load as it may come, second by second: what the simulation is run over. Pure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

HOUR_S = 3600.0


@dataclass(frozen=True)
class Trace:
    """Requests a second over time; `leak_mb_per_h` of each replica; when nothing can be seen."""

    name: str
    what: str
    length_s: float
    load: Callable[[float], float]
    leak_mb_per_h: float = 0.0
    blind: tuple[float, float] = (0.0, 0.0)

    def is_blind(self, now: float) -> bool:
        return self.blind[0] <= now < self.blind[1]


def step(now: float) -> float:
    return 300.0 if now < HOUR_S else 2600.0 if now < 3 * HOUR_S else 300.0


def spike(now: float) -> float:
    """Ten times the load for two minutes, again and again: too short to be worth a replica."""
    return 3000.0 if now % 1800 < 120 else 300.0


def diurnal(now: float) -> float:
    """From midnight to midnight."""
    return 1600.0 - 1300.0 * math.cos(2 * math.pi * now / (24 * HOUR_S))


def flat(now: float) -> float:  # noqa: ARG001
    return 500.0


TRACES: Mapping[str, Trace] = {
    one.name: one
    for one in (
        Trace("step", "nine times the load for two hours", 6 * HOUR_S, step),
        Trace("spike", "two minutes of ten times the load, each half hour", 4 * HOUR_S, spike),
        Trace("diurnal", "a day, its noon ten times its night", 24 * HOUR_S, diurnal),
        Trace("leak", "every replica leaks 120 MB an hour", 12 * HOUR_S, flat, leak_mb_per_h=120.0),
        Trace(
            "outage",
            "the step, and nothing can be seen for an hour in its middle and at its end",
            6 * HOUR_S,
            step,
            blind=(2.5 * HOUR_S, 3.5 * HOUR_S),
        ),
    )
}
