"""`amas smoke`: send, read back, count by SQL, purge, judge."""

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook import engine as engines
from runbook.api import Api, Keys
from runbook.database import count_run
from runbook.errors import AmasError, CheckFailed, EnvironmentMissing
from runbook.smoke.send import CONNECTIONS, send
from runbook.smoke.traces import Trace, in_requests, make_traces
from runbook.smoke.verdict import Expected, Found, Line, differences, judge, passed
from runbook.stack import Setting, Stack
from runbook.terminal import Progress

TRACES = 1_000
RESENT = 40
CONFLICTS = 3
SAMPLE_EVERY = 10


@dataclass(frozen=True)
class Outcome:
    """The verdict of one run, line by line."""

    run_id: str
    lines: list[Line]
    elapsed_s: float

    @property
    def ok(self) -> bool:
        return passed(self.lines)

    def verdict(self) -> str:
        word = "passed" if self.ok else "failed"
        return f"smoke {word}: {TRACES} traces sent, read back and counted in {self.elapsed_s:.1f} s"


def smoke(stack: Stack, progress: Progress) -> None:
    """The step of `amas up`."""
    outcome = measure(stack)
    progress.say(outcome.verdict())
    refuse_failed(outcome)


def measure(stack: Stack, seed: int = 1, url: str | None = None) -> Outcome:
    """The run's rows are purged whatever comes of it."""
    with Api(url or stack.site(), keys_of(stack.config())) as api:
        return run(api, stack.name, seed)


def refuse_failed(outcome: Outcome) -> None:
    failed = [f"{line.name}: {line.detail}" for line in outcome.lines if line.state == "failed"]
    if failed:
        raise CheckFailed("\n".join([outcome.verdict(), *failed]), "amas logs api --level error")


def run(api: Api, stack: str, seed: int) -> Outcome:
    started = time.monotonic()
    run_id = f"smoke-{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    traces = make_traces(seed, TRACES, run_id, datetime.now(UTC))
    again, conflicting = traces[:: TRACES // RESENT], [_changed(trace) for trace in traces[:CONFLICTS]]
    expected = Expected(
        len(traces), len(again), len(conflicting), sum(one["userId"] == traces[0]["userId"] for one in traces)
    )
    try:
        sent = send(api, run_id, in_requests(traces, seed), again, conflicting)
        found = _look(api, stack, run_id, traces)
    except BaseException:
        _purge_quietly(api, run_id)
        raise
    return Outcome(run_id, judge(expected, sent, found), time.monotonic() - started)


def _look(api: Api, stack: str, run_id: str, traces: Sequence[Trace]) -> Found:
    sample = traces[::SAMPLE_EVERY]
    by_sql, sql_reason = _by_sql(stack, run_id)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        differing = [
            line for lines in pool.map(lambda one: _compare(api, one, run_id), sample) for line in lines
        ]
    return Found(
        by_api=api.stored_of_run(run_id),
        by_sql=by_sql,
        by_user=len(api.insights_of(traces[0]["userId"])),
        differing=tuple(differing),
        sampled=len(sample),
        purged=api.purge_run(run_id),
        left=api.stored_of_run(run_id),
        sql_reason=sql_reason,
    )


def _compare(api: Api, trace: Trace, run_id: str) -> list[str]:
    """At most one line, so that a line is a trace that did not come back as it was sent."""
    answer = api.insight(trace["decisionId"], run_id)
    body = answer.json()
    if not isinstance(body, dict) or answer.status != 200:
        return [f"{trace['decisionId']}: {answer.status}"]
    fields = differences(trace, body)
    return [f"{trace['decisionId']}: {', '.join(fields)}"] if fields else []


def _by_sql(stack: str, run_id: str) -> tuple[int | None, str]:
    try:
        return count_run(engines.connect(), stack, run_id), ""
    except EnvironmentMissing as reason:
        return None, reason.message


def _changed(trace: Trace) -> Trace:
    return {**trace, "durationMs": trace["durationMs"] + 1}


def _purge_quietly(api: Api, run_id: str) -> None:
    """The first error is the one to tell; what is left of the run stays marked by its id."""
    try:
        api.purge_run(run_id)
    except AmasError:
        return


def keys_of(config: dict[str, Setting]) -> Keys:
    return Keys(
        ingest=_value(config, "keyIngest"),
        read=_value(config, "keyRead"),
        admin=_value(config, "keyAdmin"),
        metrics=_value(config, "keyMetrics"),
    )


def _value(config: dict[str, Setting], key: str) -> str:
    if key not in config:
        raise EnvironmentMissing(f"the stack's configuration has no `{key}`", "./scripts/up")
    return config[key].value
