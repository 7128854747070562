import json
from typing import Any

import pytest

from runbook.api import Answer
from runbook.checks import passed
from runbook.present import Missing
from runbook.review import judge


def row(**changes: Any) -> dict[str, Any]:
    usual = {
        "id": "latency_p95",
        "name": "P95 latency",
        "value": 42.5,
        "unit": "ms",
        "operator": "<",
        "target": 200,
        "alertThreshold": 250,
        "window": "5m",
        "state": "met",
        "budgetLeft": 0.93,
        "samples": 1000,
    }
    return usual | changes


def objectives(*rows: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps({"at": "2026-01-01T00:00:00Z", "rows": rows}))


def values(**found: float) -> Answer:
    shown = {name: {"value": value, "samples": 9} for name, value in found.items()}
    return Answer(200, json.dumps({"values": shown}))


WELL = values(**{"queue.size": 0, "decision.latency.p99": 20})


def test_the_watched_figures_come_before_the_objectives() -> None:
    found = judge(WELL, objectives(row()))
    assert [one.name for one in found] == ["queue depth", "decision write P99", "P95 latency"]
    assert passed(found)


def test_an_objective_tells_value_target_and_what_is_left_of_its_budget() -> None:
    *_, one = judge(WELL, objectives(row()))
    assert (one.value, one.target, one.reason) == ("42.5 ms", "< 200 ms over 5m", "93% of the budget left")


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        (
            {"state": "at_risk", "value": 230, "budgetLeft": 0.0},
            "failed",
            "off its target; alerts at > 250 ms; 0% of the budget left",
        ),
        (
            {"state": "breached", "value": 300, "budgetLeft": None},
            "failed",
            "beyond its alert limit > 250 ms",
        ),
        (
            {"state": "no_data", "value": None, "budgetLeft": None},
            "unknown",
            "nothing to judge in its window",
        ),
    ],
)
def test_each_state_of_an_objective_has_its_line(changes: dict[str, Any], state: str, reason: str) -> None:
    found = judge(WELL, objectives(row(**changes)))
    assert (found[-1].state, found[-1].reason) == (state, reason)
    assert passed(found) is (state != "failed")


def test_a_floor_is_missed_from_below() -> None:
    changes = {"operator": ">", "target": 80, "alertThreshold": 60, "unit": "percent", "state": "breached"}
    assert judge(WELL, objectives(row(**changes)))[-1].reason.startswith("beyond its alert limit < 60 %")


@pytest.mark.parametrize("answer", [Missing("refused"), Answer(401, "{}"), Answer(200, '{"rows": [{}]}')])
def test_objectives_that_cannot_be_read_fail(answer: Answer | Missing) -> None:
    assert judge(WELL, answer)[-1].state == "failed"
