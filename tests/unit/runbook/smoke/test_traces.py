import json
from datetime import UTC, datetime, timedelta

import pytest

from runbook.smoke.traces import Trace, in_requests, make_traces
from service.insights.decision import Decision
from service.insights.trace import parse

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def traces() -> list[Trace]:
    return make_traces(1, 1000, "smoke-1", NOW)


def sizes(traces: list[Trace]) -> list[int]:
    return sorted(len(json.dumps(trace, ensure_ascii=False).encode()) for trace in traces)


def test_the_same_seed_run_and_moment_make_the_same_traces(traces: list[Trace]) -> None:
    assert make_traces(1, 1000, "smoke-1", NOW) == traces


def test_another_run_shares_no_id(traces: list[Trace]) -> None:
    """Rows of a run that could not be purged never look like duplicates of the next one."""
    ids = {trace["decisionId"] for trace in traces}
    assert len(ids) == 1000
    assert not ids & {trace["decisionId"] for trace in make_traces(1, 1000, "smoke-2", NOW)}


def test_the_service_takes_every_one_of_them(traces: list[Trace]) -> None:
    read = [parse(json.dumps(trace).encode(), NOW, timedelta(days=90), "smoke-1") for trace in traces]
    assert [one for one in read if not isinstance(one, Decision)] == []


def test_they_are_as_varied_as_real_ones(traces: list[Trace]) -> None:
    ids = [trace["decisionId"] for trace in traces]
    assert sum(len(one) == 36 and one[14] == "7" for one in ids) == 500
    assert max(map(len, ids)) == 128
    assert sum("occurredAt" not in trace for trace in traces) > 100
    assert sum(not json.dumps(trace, ensure_ascii=False).isascii() for trace in traces) > 900
    assert sizes(traces)[0] < 500
    assert 10_000 < sizes(traces)[-1] <= 20_480
    assert sum("clientVersion" in trace for trace in traces) == 200


def test_requests_carry_every_trace_once_as_singles_and_batches(traces: list[Trace]) -> None:
    requests = in_requests(traces, seed=1)
    assert [trace for request in requests for trace in request.traces] == traces
    singles = sum(request.single for request in requests)
    assert 150 < singles < 350
    assert 10 < len(requests) - singles < 60
