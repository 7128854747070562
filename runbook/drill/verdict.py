"""What a drill showed, and whether it is enough. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from runbook.drill.fault import Fault

ACKNOWLEDGED = frozenset({200, 201, 202})
# Fewer show nothing.
LEAST_POSTS = 50
MOST_NAMED = 5


@dataclass(frozen=True)
class Observed:
    """Times in seconds after the fault, or after it was mended; None where it did not come in time.

    `answers` is the status of each post by its id, 0 where there was none; `stored` are ids of rows.
    """

    began: datetime
    answers: Mapping[str, int]
    stored: Sequence[str]
    told_after_s: float | None
    recovered_after_s: float | None
    ended_after_s: float | None
    delivered: bool | None = None

    @property
    def acknowledged(self) -> frozenset[str]:
        return acknowledged(self.answers)


@dataclass(frozen=True)
class Check:
    """One thing that has to hold."""

    name: str
    ok: bool
    found: str
    target: str


@dataclass(frozen=True)
class Drilled:
    """One fault, judged."""

    fault: Fault
    observed: Observed
    checks: Sequence[Check]

    @property
    def passed(self) -> bool:
        return all(check.ok for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        seen = self.observed
        return {
            "fault": self.fault.name,
            "what": self.fault.what,
            "alert": self.fault.alert,
            "began": seen.began.isoformat(timespec="seconds"),
            "passed": self.passed,
            "posts": len(seen.answers),
            "byStatus": {
                str(status): count for status, count in sorted(Counter(seen.answers.values()).items())
            },
            "acknowledged": len(seen.acknowledged),
            "lost": len(seen.acknowledged - set(seen.stored)),
            "toldAfterS": _rounded(seen.told_after_s),
            "recoveredAfterS": _rounded(seen.recovered_after_s),
            "alertEndedAfterS": _rounded(seen.ended_after_s),
            "checks": [asdict(check) for check in self.checks],
        }


def acknowledged(answers: Mapping[str, int]) -> frozenset[str]:
    return frozenset(name for name, status in answers.items() if status in ACKNOWLEDGED)


def judge(fault: Fault, seen: Observed) -> Drilled:
    checks = [
        _enough(seen),
        _nothing_lost(seen),
        _once(seen),
        _in_time("the alert is told", seen.told_after_s, fault.told_within_s),
        _in_time("all is well again", seen.recovered_after_s, fault.recovered_within_s),
        _few_failed(fault, seen),
    ]
    if seen.delivered is not None:
        checks.append(Check("every notification arrives", seen.delivered, _word(seen.delivered), "yes"))
    return Drilled(fault, seen, checks)


def _enough(seen: Observed) -> Check:
    count = len(seen.acknowledged)
    return Check("there was traffic", count >= LEAST_POSTS, f"{count} acknowledged", f">= {LEAST_POSTS}")


def _nothing_lost(seen: Observed) -> Check:
    lost = sorted(seen.acknowledged - set(seen.stored))
    named = f": {', '.join(lost[:MOST_NAMED])}" if lost else ""
    return Check("no acknowledged trace is lost", not lost, f"{len(lost)} lost{named}", "0")


def _once(seen: Observed) -> Check:
    twice = len(seen.stored) - len(set(seen.stored))
    return Check("none is stored twice", twice == 0, str(twice), "0")


def _in_time(name: str, after_s: float | None, within_s: float) -> Check:
    found = "not in time" if after_s is None else f"after {after_s:.0f} s"
    return Check(name, after_s is not None and after_s <= within_s, found, f"within {within_s:.0f} s")


def _few_failed(fault: Fault, seen: Observed) -> Check:
    failed, posts = len(seen.answers) - len(seen.acknowledged), max(1, len(seen.answers))
    ok = failed <= fault.may_fail_share * posts
    return Check("posts that were refused", ok, f"{failed} of {posts}", f"<= {fault.may_fail_share:.0%}")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _word(holds: bool) -> str:
    return "yes" if holds else "no"
