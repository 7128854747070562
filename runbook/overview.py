"""What `amas status` tells besides the parts: releases, switches, burst, schedule, drift.

Pure but for `look`. Each is asked for by itself: a service that is away must not hide what was changed.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from runbook import drift, places, switches
from runbook.api import Api
from runbook.drift import Difference
from runbook.engine import BURST_LABEL, Engine
from runbook.errors import AmasError
from runbook.releases import record
from runbook.releases.record import Entry, Release
from runbook.schedule.command import look as schedule_of
from runbook.schedule.standing import Standing
from runbook.smoke.run import keys_of
from runbook.stack import Setting, Stack
from runbook.status import image_tags
from runbook.switches import Switch

SHOWN_DIFFERENCES = 20
T = TypeVar("T")


@dataclass(frozen=True)
class Overview:
    """`drift` is None where it was not asked for; `unknown` says why a part of it could not be told."""

    release: Release | None
    entries: list[Entry]
    pending: list[str]
    burst: list[str]
    switches: list[Switch] | None
    schedule: list[Standing] | None
    drift: list[Difference] | None
    unknown: dict[str, str] = field(default_factory=dict)
    url: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "release": self.release and self.release.as_json(),
            "releases": [asdict(one) for one in self.entries],
            "pending": self.pending,
            "burst": self.burst,
            "switches": [asdict(one) for one in self.switches or [] if one.on],
            "schedule": None if self.schedule is None else [one.as_json() for one in self.schedule],
            "drift": None if self.drift is None else [asdict(one) for one in self.drift],
            "unknown": self.unknown,
        }


def look(stack: Stack, engine: Engine, now: datetime, *, with_drift: bool) -> Overview:
    """The drift is looked for meanwhile, since it takes longest."""
    unknown: dict[str, str] = {}
    if not with_drift:
        return _at_once(stack, engine, now, unknown)
    with ThreadPoolExecutor(1) as pool:
        differences = pool.submit(_told, "drift", lambda: drift.look(stack, engine), unknown)
        return replace(_at_once(stack, engine, now, unknown), drift=differences.result())


def _at_once(stack: Stack, engine: Engine, now: datetime, unknown: dict[str, str]) -> Overview:
    config, outputs = _told("configuration", stack.config, unknown), _told("outputs", stack.outputs, unknown)
    site = None if outputs is None else _told("address", lambda: stack.site(outputs), unknown)
    thrown, schedule = None, None
    if config is not None and site is not None:
        with Api(site, keys_of(config)) as api:
            thrown = _told("switches", lambda: switches.switches_of(api), unknown)
            schedule = _told("schedule", lambda: schedule_of(api, now), unknown)
    release = _told("releases", lambda: record.current(stack.name), unknown)
    waiting = [] if config is None or outputs is None else pending(outputs, config, places.image_lock())
    entries, extra, url = record.journal(stack.name), burst(engine, stack.name), site.url if site else None
    return Overview(release, entries, waiting, extra, thrown, schedule, None, unknown, url)


def _told(name: str, ask: Callable[[], T], unknown: dict[str, str]) -> T | None:
    try:
        return ask()
    except (AmasError, OSError) as reason:
        unknown[name] = str(reason)
        return None


def burst(engine: Engine, stack: str) -> list[str]:
    return [one.name for one in engine.inspected(stack) if BURST_LABEL in one.labels]


def pending(outputs: Mapping[str, object], config: Mapping[str, Setting], lock: Path) -> list[str]:
    """Settings and images that the stack does not run with yet: the next `up` puts them in force."""
    from infra.keys import KEYS, as_text  # noqa: PLC0415 - host only: absent from the runbook image

    released, tags = outputs.get("settings"), outputs.get("images")
    if not isinstance(released, dict) or not isinstance(tags, dict):
        return []
    set_now = {
        key.name: config[key.name].value if key.name in config else as_text(key.default) for key in KEYS
    }
    built = {tag.removeprefix("amas/").partition(":")[0]: tag for tag in image_tags(lock).values()}
    return [
        *sorted(name for name, value in set_now.items() if released.get(name) != value),
        *(f"image {name}" for name in sorted(tags) if name in built and tags[name] != built[name]),
    ]


def lines(found: Overview) -> list[str]:
    told = _release_lines(found)
    if found.pending:
        told.append(f"pending   {', '.join(found.pending)}: in force after the next `amas up`")
    told.append(f"burst     {len(found.burst)}")
    if found.switches is not None:
        told += switches.status_lines([one for one in found.switches if one.on]) or ["switches  none thrown"]
    if found.schedule is not None:
        told.append(_schedule_line(found.schedule))
    if found.drift is not None:
        told += _drift_lines(found.drift)
    return [*told, *(f"unknown   {name}: {reason}" for name, reason in found.unknown.items())]


def _release_lines(found: Overview) -> list[str]:
    if found.release is None:
        return ["release   none is written down; the next `amas up` does it"]
    last = [one for one in found.entries if one.number == found.release.number][-1]
    known = f"{found.release.version}, {found.release.commit or 'no commit'}"
    told = [f"release   {found.release.number} ({known}), by {last.how} at {last.at}"]
    back = record.last_good(found.entries)
    if back is not None:
        told.append(f"          before it {back}: amas rollback")
    if last.how == record.ROLLBACK:
        told.append("          rolled back: the next `amas up` goes forward to this checkout")
    return told


def _schedule_line(found: Sequence[Standing]) -> str:
    wrong = [one.job for one in found if not one.is_well]
    state = f"{', '.join(wrong)} failed or late: amas schedule" if wrong else "all well"
    return f"schedule  {len(found)} jobs, {state}"


def _drift_lines(found: Sequence[Difference]) -> list[str]:
    if not found:
        return ["drift     none: all is as released"]
    shown = [f"drift     {one.line()}" for one in found[:SHOWN_DIFFERENCES]]
    more = len(found) - len(shown)
    rest = [f"          and {more} more: amas status --json"] if more > 0 else []
    return [*shown, *rest, "          back to what was released: pulumi up --refresh"]
