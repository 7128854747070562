from typing import Any

import pytest
import stamina

from runbook.api import Answer, Api, Keys
from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.smoke import run as smoke
from runbook.smoke import send
from runbook.smoke.send import outcomes_of_many
from runbook.smoke.traces import make_traces
from runbook.smoke.verdict import Expected, Found, Sent, differences, judge, passed
from runbook.stack import Setting
from runbook.testing import MemoryService

EXPECTED = Expected(traces=10, resent=2, conflicts=1, of_user=3)


@pytest.fixture(autouse=True)
def a_quick_run(monkeypatch: pytest.MonkeyPatch) -> None:
    stamina.set_testing(True, attempts=8)
    monkeypatch.setattr(smoke, "TRACES", 200)
    monkeypatch.setattr(smoke, "count_run", lambda _engine, _stack, _run: 200)
    monkeypatch.setattr("runbook.engine.connect", lambda: None)


def run_against(service: MemoryService) -> smoke.Outcome:
    with Api("http://service.test", Keys(), service.transport()) as api:
        return smoke.run(api, "local", seed=1)


def failed(outcome: smoke.Outcome) -> list[str]:
    return [line.name for line in outcome.lines if line.state == "failed"]


def test_a_service_that_keeps_everything_passes_and_is_left_clean() -> None:
    service = MemoryService()
    outcome = run_against(service)
    assert (outcome.ok, failed(outcome)) == (True, [])
    assert service.traces == {}
    assert outcome.verdict().startswith("smoke passed: 200 traces")


def test_a_busy_service_still_passes() -> None:
    assert run_against(MemoryService(busy=5)).ok


def test_traces_that_were_spooled_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "LOOK_EVERY_S", 0.0)
    outcome = run_against(MemoryService(spooled=50))
    assert (outcome.ok, failed(outcome)) == (True, [])


def test_one_acknowledged_trace_that_is_not_there_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    lost: set[str] = set()
    made = make_traces

    def remembered(*arguments: Any) -> list[dict[str, Any]]:
        traces = made(*arguments)
        lost.add(traces[10]["decisionId"])
        return traces

    monkeypatch.setattr(smoke, "make_traces", remembered)
    outcome = run_against(MemoryService(lost=lost))  # type: ignore[arg-type]
    assert not outcome.ok
    assert {"counted by the API", "read back equal", "purged"} <= set(failed(outcome))
    with pytest.raises(CheckFailed, match=r"counted by the API: 199 of 200"):
        smoke.refuse_failed(outcome)


def test_rows_are_purged_also_when_the_look_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    service = MemoryService()

    def broken(*_: object) -> None:
        raise CheckFailed("no psql")

    monkeypatch.setattr(smoke, "count_run", broken)
    with pytest.raises(CheckFailed, match="no psql"):
        run_against(service)
    assert service.traces == {}


def test_without_an_engine_the_sql_count_is_unknown_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise EnvironmentMissing("the Docker engine does not answer")

    monkeypatch.setattr("runbook.engine.connect", missing)
    outcome = run_against(MemoryService())
    line = next(line for line in outcome.lines if line.name == "counted by SQL")
    assert (line.state, line.detail) == ("unknown", "the Docker engine does not answer")


def test_a_missing_key_names_the_way_to_begin(configured: dict[str, Setting]) -> None:
    assert smoke.keys_of(configured).admin == "keyAdmin-value"
    del configured["keyAdmin"]
    with pytest.raises(EnvironmentMissing, match="`keyAdmin`"):
        smoke.keys_of(configured)


def test_every_difference_makes_its_own_line_fail() -> None:
    well = Found(by_api=10, by_sql=10, by_user=3, differing=(), sampled=2, purged=10, left=0)
    sent = Sent(stored={str(n) for n in range(10)}, duplicate=2, conflict=1)
    assert passed(judge(EXPECTED, sent, well))
    ill = Found(by_api=9, by_sql=9, by_user=2, differing=("a: action",), sampled=2, purged=9, left=1)
    lines = judge(EXPECTED, Sent(refused={"x": "503 busy"}), ill)
    assert {line.state for line in lines} == {"failed"}
    assert lines[0].detail == "0 of 10 (x: 503 busy)"


def test_a_time_may_come_back_in_another_spelling_but_not_as_another_moment() -> None:
    sent = {"occurredAt": "2026-01-01T00:00:00.120Z", "action": "repeat", "extra": None}
    read = {"occurredAt": "2026-01-01T00:00:00.12+00:00", "action": "pause", "createdAt": "…", "extra": None}
    assert differences(sent, read) == ["action"]
    assert differences(sent, {**sent, "occurredAt": "2026-01-01T00:00:01Z"}) == ["occurredAt"]


@pytest.mark.parametrize("text", ["", "[]", '{"results": []}', "<html>502</html>"])
def test_a_line_without_a_result_counts_as_refused(text: str) -> None:
    outcomes = outcomes_of_many([{"decisionId": "a"}], Answer(502, text))
    assert [(one[0], one[1]) for one in outcomes] == [("a", 0)]
