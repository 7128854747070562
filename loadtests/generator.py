"""How much of what it may use the generator used, and in which step of a rising load."""

import os
from collections.abc import Sequence
from pathlib import Path

from loadtests.live import Sample, pairs

# Above, answers wait for the generator as well, and nobody can say how long.
MOST_CPU_SHARE = 0.8
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
Pair = tuple[Sample, Sample]


def used_s(pid: int) -> float:
    """CPU seconds of a process so far; raises OSError when it has gone."""
    return cpu_s(Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace"))


def cpu_s(stat: str) -> float:
    """User's and system's, of a line of /proc/PID/stat; the program's name in it may hold anything."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def shares(samples: Sequence[Sample], cpus: float) -> list[tuple[float, float]]:
    """Second by second: when, and of 1."""
    return [(after.elapsed_s, _share([(before, after)], cpus)) for before, after in pairs(samples)]


def shares_by_step(samples: Sequence[Sample], cpus: float) -> dict[float, float]:
    """Of 1; a sample in which a step first shows is of the one before as well, and counts only if alone."""
    found = pairs(samples)
    steps = [one.step for one in samples if one.step is not None]
    return {step: _share(_within(found, step), cpus) for step in dict.fromkeys(steps)}


def _within(found: Sequence[Pair], step: float) -> list[Pair]:
    seen = [one for one in found if one[1].step == step]
    return [one for one in seen if one[0].step == step] or seen


def _share(found: Sequence[Pair], cpus: float) -> float:
    length_s = sum(after.elapsed_s - before.elapsed_s for before, after in found)
    return sum(after.cpu_s - before.cpu_s for before, after in found) / (length_s * cpus) if length_s else 0.0
