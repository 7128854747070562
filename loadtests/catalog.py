"""What there is to run: tests, profiles, thresholds and targets, read from their files and checked."""

import functools
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from runbook.errors import UsageError

HERE = Path(__file__).resolve().parent
TESTS = ("ingest", "insights", "mixed", "alerts")
AGAIN = "amas loadtest list"
# Of the kind that the service itself says.
TOLD = "told"


@dataclass(frozen=True)
class Hold:
    """A steady or changing rate: reached from the one before within `duration_s`."""

    rate: float
    duration_s: float


@dataclass(frozen=True)
class Steps:
    """Rates one above the other, each held for as long."""

    first: float
    last: float
    by: float
    each_s: float

    def rates(self) -> list[float]:
        count = int((self.last - self.first) // self.by) + 1
        return [self.first + number * self.by for number in range(count)]


@dataclass(frozen=True)
class Profile:
    """A load; exactly one of `measure` (open model), `steps` (open) and `users` (closed model)."""

    name: str
    about: str
    warmup: tuple[Hold, ...] = ()
    measure: tuple[Hold, ...] = ()
    steps: Steps | None = None
    users: int | None = None
    think_s: float = 0.0
    duration_s: float = 0.0

    @property
    def model(self) -> str:
        return "closed" if self.users else "open"


@dataclass(frozen=True)
class Limits:
    """What must hold; shares are of 1. Without a `hit_share` the cache is not judged."""

    p95_ms: float
    p99_ms: float
    error_share: float
    broken_share: float
    hit_share: float | None = None


@dataclass(frozen=True)
class Target:
    """A place by name."""

    name: str
    kind: str
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Rules:
    """What may be sent to a kind of target. Without `profiles`: any."""

    most_rate: float
    most_users: int
    most_duration_s: float
    profiles: tuple[str, ...] = ()
    first_users: int | None = None
    window: tuple[time, time] | None = None
    timezone: ZoneInfo | None = None


@dataclass(frozen=True)
class Catalog:
    """All of it."""

    profiles: Mapping[str, Profile]
    thresholds: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    targets: Mapping[str, Target]
    kinds: Mapping[str, Rules]

    def profile(self, name: str) -> Profile:
        return self.profiles[_known("profile", name, self.profiles)]

    def limits(self, test: str, profile: str) -> Limits:
        """The profile's word goes before the test's."""
        _known("test", test, self.thresholds["tests"])
        merged = {**self.thresholds["tests"][test], **self.thresholds["profiles"].get(profile, {})}
        return Limits(**merged)  # type: ignore[arg-type]  # checked when read

    def target(self, host: str) -> Target:
        for one in self.targets.values():
            if host in one.hosts:
                return one
        allowed = ", ".join(host for one in self.targets.values() for host in one.hosts)
        raise UsageError(
            f"{host!r} is no target of load tests: allowed are {allowed} (loadtests/targets.toml)", AGAIN
        )

    def rules(self, kind: str) -> Rules:
        return self.kinds[_known("kind of target", kind, self.kinds)]


@functools.cache
def catalog(folder: Path = HERE) -> Catalog:
    profiles = json.loads((folder / "profiles.json").read_text(encoding="utf-8"))
    thresholds = json.loads((folder / "thresholds.json").read_text(encoding="utf-8"))
    targets = tomllib.loads((folder / "targets.toml").read_text(encoding="utf-8"))
    return Catalog(
        profiles={name: profile_of(name, one) for name, one in profiles.items()},
        thresholds=_checked(thresholds),
        targets={
            name: Target(name, one["kind"], tuple(one["hosts"])) for name, one in targets["targets"].items()
        },
        kinds={name: rules_of(one) for name, one in targets["kinds"].items()},
    )


def profile_of(name: str, one: Mapping[str, Any]) -> Profile:
    given = {**one}
    for holds in ("warmup", "measure"):
        given[holds] = tuple(Hold(float(rate), float(length)) for rate, length in one.get(holds, ()))
    if "steps" in one:
        given["steps"] = Steps(**one["steps"])
    profile = Profile(name, **given)
    if sum(map(bool, (profile.measure, profile.steps, profile.users))) != 1:
        raise UsageError(f"profile {name!r}: has to have one of measure, steps and users", AGAIN)
    return profile


def rules_of(one: Mapping[str, Any]) -> Rules:
    given = {**one}
    if "window" in one:
        begin, end = (time.fromisoformat(text) for text in one["window"])
        given["window"] = (begin, end)
    if "timezone" in one:
        given["timezone"] = ZoneInfo(one["timezone"])
    return Rules(**{**given, "profiles": tuple(one.get("profiles", ()))})


def _checked(thresholds: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> Any:
    known = {one.name for one in fields(Limits)}
    for group in thresholds.values():
        for name, limits in group.items():
            if unknown := limits.keys() - known:
                raise UsageError(f"thresholds of {name!r}: {sorted(unknown)} are none of {sorted(known)}")
    return thresholds


def _known(what: str, name: str, among: Mapping[str, object]) -> str:
    if name not in among:
        raise UsageError(f"{what} {name!r}: must be one of {', '.join(among)}", AGAIN)
    return name
