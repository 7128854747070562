"""One load test from its order to its verdict."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from loadtests import aftermath, baseline, guard, k6, live, results, summary, watch
from loadtests.aftermath import Clock
from loadtests.catalog import Catalog, Rules, Target, catalog
from loadtests.guard import PRODUCTION, Situation
from loadtests.plan import Order, Plan, plan
from loadtests.summary import Result
from loadtests.tell import Teller
from loadtests.verdict import Found, Verdict, judge
from loadtests.watch import Alert, Watch
from runbook.api import Answer
from runbook.errors import AmasError, UsageError

SCHEMA = 1


class Service(aftermath.Runs, Protocol):
    """The part of runbook.api.Api that is used here."""

    def clear_insights(self) -> Answer: ...


class Progress(Protocol):
    """The part of runbook.terminal.Progress that is used here."""

    def step(self, name: str) -> AbstractContextManager[None]: ...

    def say(self, message: str) -> None: ...


@dataclass(frozen=True)
class Place:
    """Where a run is made from."""

    service: Service
    keys: k6.Keys
    k6: str
    results: Path
    progress: Progress
    teller: Teller
    url: str
    clock: Clock = field(default_factory=Clock)
    catalog: Catalog | None = None


@dataclass(frozen=True)
class Wishes:
    """Besides the order: what a person may set aside or keep."""

    override: str | None = None
    keep: bool = False


@dataclass(frozen=True)
class Outcome:
    """A run, told."""

    plan: Plan
    folder: Path
    k6_version: str
    ended: k6.Ended
    result: Result | None
    found: Found
    verdict: Verdict
    fingerprint: Mapping[str, str]
    waived: Sequence[str]
    told: Sequence[Mapping[str, str]]

    def facts(self) -> dict[str, Any]:
        """As kept in summary.json."""
        ended = asdict(self.ended)
        ended["meaning"] = self.ended.meaning
        return {
            "schema": SCHEMA,
            "verdict": self.verdict.word,
            "reasons": self.verdict.reasons,
            "plan": self.plan.facts(),
            "result": asdict(self.result) if self.result else None,
            "checks": [asdict(one) for one in self.verdict.checks],
            "objectives": [dict(one) for one in self.found.objectives],
            "service": {
                "stored": self.found.stored,
                "drained_s": self.found.drained_s,
                "alertsFired": [asdict(one) for one in self.found.fired],
                "mostQueued": self.found.most_queued,
                "mostSpooled": self.found.most_spooled,
            },
            "generator": {"k6": self.k6_version, **ended},
            "fingerprint": dict(self.fingerprint),
            "waived": list(self.waived),
            "told": [dict(one) for one in self.told],
        }


@dataclass(frozen=True)
class _Ready:
    """A plan that may be run, and what was so before."""

    plan: Plan
    command: k6.Command
    version: str
    folder: k6.Folder
    waived: Sequence[str]
    replicas: int


def load_test(order: Order, place: Place, now: datetime, wishes: Wishes) -> Outcome:
    """Plan, guard, prepare, send, count, judge, purge, tell; the run's rows go whatever comes of it."""
    target = (place.catalog or catalog()).target(_host(order.url))
    with k6.ended_as_by_hand(), results.alone(target.name, _port(order.url)):
        ready = prepared(order, place, target, now, wishes)
        place.teller.tell(f"load test {ready.plan.run_id} begins: {_sentence(ready.plan)}")
        try:
            outcome = _sent_and_judged(ready, place, keep=wishes.keep)
        except BaseException as error:
            place.teller.tell(
                f"load test {ready.plan.run_id} ended without a verdict: {type(error).__name__}"
            )
            raise
        place.teller.tell(f"load test {ready.plan.run_id} {outcome.verdict.word}")
        return replace(outcome, told=place.teller.told)


def kind(order: Order, place: Place) -> str:
    """What the service says it is; only what is a target is asked."""
    (place.catalog or catalog()).target(_host(order.url))
    return str(watch.asked(place.service, watch.MONITORING).get("environment"))


def planned(order: Order, place: Place, now: datetime) -> tuple[Plan, Target, Rules, int]:
    """The service is asked what it is, and how many of it there are."""
    known = place.catalog or catalog()
    target = known.target(_host(order.url))
    told = watch.asked(place.service, watch.MONITORING)
    kind = str(told.get("environment"))
    made = plan(order, known, target, kind, now, secrets.token_hex(3))
    return made, target, known.rules(kind), serving(told)


def serving(told: Mapping[str, Any]) -> int:
    """Replicas that reported in their last turn; those that a roll took away are listed for a while."""
    fresh_s = 1.5 * told["collector"]["intervalMs"] / 1000
    return sum(1 for one in told["replicas"] if one["ageSeconds"] <= fresh_s)


def looked_up(order: Order, place: Place, now: datetime) -> tuple[Plan, list[str]]:
    """The plan, and why it would be refused; nothing is sent, and nothing kept."""
    known = place.catalog or catalog()
    try:
        target = known.target(_host(order.url))
        with results.alone(target.name, _port(order.url)):
            ready = prepared(order, place, target, now, Wishes())
    except UsageError as refused:
        return planned(order, place, now)[0], refused.message.splitlines()[1:] or [refused.message]
    _forget(ready.folder)
    return ready.plan, []


def prepared(order: Order, place: Place, target: Target, now: datetime, wishes: Wishes) -> _Ready:
    made, target, rules, replicas = planned(order, place, now)
    folder = k6.Folder(results.begun(place.results, made))
    try:
        k6.write_options(made, folder)
        command = k6.command(place.k6, made, folder, place.keys)
        version, needed = command.version(), command.inspect()
        situation = Situation(
            now=now,
            environment=made.kind,
            needed=needed,
            active_alerts=[one.metric for one in watch.active(place.service)],
            passed_users=results.passed_users(place.results, made, now),
        )
        waived = guard.refuse(made, target, rules, situation, wishes.override)
    except AmasError:
        _forget(folder)
        raise
    return _Ready(made, command, version, folder, waived, replicas)


def _sent_and_judged(ready: _Ready, place: Place, *, keep: bool) -> Outcome:
    before = watch.active(place.service)
    begun = watch.asked(place.service, watch.OBJECTIVES)
    _clear_cache(ready.plan, place)
    left: int | None = None
    unpurged: str | None = None
    try:
        ended, observer = _sent(ready, place, before)
        result = summary.read(ready.folder.summary, ready.plan)
        with place.progress.step("count what is stored"):
            found = _looked_at(ready.plan, place, observer, begun, result)
    finally:
        if not keep:
            left, unpurged = _purged(ready.plan, place)
    found = replace(found, left=left, unpurged=unpurged)
    thrown = k6.script_errors(ready.folder.log)
    return Outcome(
        plan=ready.plan,
        folder=ready.folder.path,
        k6_version=ready.version,
        ended=ended,
        result=result,
        found=found,
        verdict=judge(ready.plan, ended, result, thrown, found),
        fingerprint=baseline.fingerprint(ready.plan, ready.version, ready.replicas),
        waived=ready.waived,
        told=(),
    )


def _sent(ready: _Ready, place: Place, before: Sequence[Alert]) -> tuple[k6.Ended, Watch]:
    name = f"{_sentence(ready.plan)}, {ready.plan.duration_s:.0f} s"
    with place.progress.step(name), Watch(place.service, before) as observer:
        ended = k6.run(
            ready.command,
            ready.plan,
            ready.folder,
            _said(ready.plan, place.progress),
            lambda: _reason_to_stop(ready.plan, observer),
        )
    return ended, observer


def _reason_to_stop(plan: Plan, observer: Watch) -> str | None:
    """Section 9.2: real users are there too, so the first alert ends it. Elsewhere it is counted."""
    if plan.kind != PRODUCTION:
        return None
    if observer.fired:
        return f"an alert fired: {observer.fired[0]}"
    return "whether an alert fires is no longer answered" if observer.is_blind else None


def _said(plan: Plan, progress: Progress) -> Callable[[list[live.Sample]], None]:
    """Every five seconds of a short run, more rarely in a long one."""
    every_s = max(5.0, plan.duration_s / 60)
    said_s = 0.0

    def say(samples: list[live.Sample]) -> None:
        nonlocal said_s
        if samples[-1].elapsed_s - said_s >= every_s:
            said_s = samples[-1].elapsed_s
            progress.say(live.line(plan, samples))

    return say


def _clear_cache(plan: Plan, place: Place) -> None:
    """Section 9.1. Counters need no reset: each figure is of this run alone. Production keeps its cache."""
    if plan.kind != PRODUCTION:
        with place.progress.step("clear the cache"):
            answer = place.service.clear_insights()
            if answer.status != 204:
                raise AmasError(f"the cache was not cleared: {answer.status} {answer.text[:200]}")


def _looked_at(
    plan: Plan, place: Place, observer: Watch, begun: Mapping[str, Any], result: Result | None
) -> Found:
    service = place.service
    stored, drained_s = None, None
    try:
        stored, drained_s = aftermath.drained(
            service, plan.run_id, result.accepted if result else 0, place.clock
        )
        known = {one.id for one in observer.before}
        late = [one for one in watch.fired_since(service, str(begun["at"])) if one.id not in known]
        fired = {one.id: one for one in [*observer.fired, *late]}
        rows = watch.asked(service, watch.OBJECTIVES)["rows"]
    except AmasError as error:
        return Found(stored, drained_s, observer.fired, unanswered=error.message)
    return Found(
        stored=stored,
        drained_s=drained_s,
        fired=tuple(fired.values()),
        objectives_before=begun["rows"],
        objectives=rows,
        most_queued=observer.most_queued,
        most_spooled=observer.most_spooled,
    )


def _purged(plan: Plan, place: Place) -> tuple[int | None, str | None]:
    """The rows that are left, or why nobody knows: what was measured is not lost for that."""
    with place.progress.step("purge the run"):
        try:
            return aftermath.purge(place.service, plan.run_id, place.clock), None
        except AmasError as error:
            return None, error.message


def _sentence(plan: Plan) -> str:
    load = f"{plan.users} users, closed model" if plan.users else f"up to {plan.most_rate:g}/s"
    return f"{plan.test} {plan.profile} ({load}) on {plan.url}"


def _forget(folder: k6.Folder) -> None:
    """Nothing was sent, so nothing is kept."""
    for file in folder.path.iterdir():
        file.unlink()
    folder.path.rmdir()


def _host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r}: must be http:// or https:// with a host", "amas loadtest run --help")
    if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError("the address must be scheme, host and port only, such as http://127.0.0.1:3000")
    return parts.hostname


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)
