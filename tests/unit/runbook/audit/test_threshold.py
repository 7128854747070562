from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.audit.command import proposal_lines
from runbook.audit.threshold import COLUMNS, ENOUGH, SHARES, Proposal, proposals, rounded


def rule(threshold: float, metric: str = "http.latency.p99", operator: str = ">") -> dict[str, Any]:
    return {"id": "one", "metric": metric, "operator": operator, "threshold": threshold}


def kept(metric: str, *percentiles: float, intervals: int = ENOUGH) -> dict[str, Any]:
    nothing: dict[str, Any] = dict.fromkeys(COLUMNS.values())
    return {"intervals": intervals, "days": 30.0, **nothing, COLUMNS[metric]: list(percentiles)}


def proposed(
    threshold: float, *percentiles: float, metric: str = "http.latency.p99", operator: str = ">"
) -> Proposal:
    (found,) = proposals([rule(threshold, metric, operator)], kept(metric, *percentiles))
    return found


def test_a_threshold_within_what_is_usual_would_be_noise() -> None:
    found = proposed(500, 10, 100, 400, 620, 900)
    assert (found.proposed, found.reason) == (930, "1 in 100 intervals is beyond it: it would be noise")
    assert found.seen == {1: 10, 50: 100, 95: 400, 99: 620, 100: 900}


def test_a_threshold_far_from_what_was_ever_seen_would_tell_late() -> None:
    found = proposed(5000, 10, 20, 30, 40, 60)
    assert (found.proposed, found.reason) == (60, "more than 10 times what was ever seen: it would tell late")


def test_a_threshold_that_fits_stays() -> None:
    assert proposed(500, 10, 100, 200, 300, 400).proposed is None


def test_a_floor_is_judged_from_below() -> None:
    found = proposed(60, 30, 70, 90, 99, 100, metric="cache.hit_rate", operator="<")
    assert found.proposed == 20
    assert proposed(60, 75, 80, 90, 99, 100, metric="cache.hit_rate", operator="<").proposed is None


def test_a_percentage_is_never_proposed_beyond_all() -> None:
    assert proposed(50, 0, 1, 2, 90, 99, metric="http.error_rate.5xx").proposed == 100


@pytest.mark.parametrize(
    "found",
    [
        proposals([rule(500)], kept("http.latency.p99", 1, 2, 3, 4, 5, intervals=ENOUGH - 1)),
        proposals([rule(500)], kept("queue.size", 1, 2, 3, 4, 5)),
    ],
)
def test_too_little_history_proposes_nothing_and_says_so(found: list[Proposal]) -> None:
    assert found[0].proposed is None
    assert f"{ENOUGH} are needed" in found[0].reason


def test_metrics_that_are_not_kept_are_left_out() -> None:
    assert proposals([rule(1, metric="db.up")], kept("queue.size", 1, 2, 3, 4, 5)) == []


@pytest.mark.parametrize(
    ("value", "shown"), [(0, 0), (0.01234, 0.012), (934, 930), (95.6, 96), (123456, 120000)]
)
def test_two_figures_are_enough(value: float, shown: float) -> None:
    assert rounded(value) == shown


@given(
    st.floats(0.001, 1e6),
    st.lists(st.floats(0.001, 1e6), min_size=len(SHARES), max_size=len(SHARES)).map(sorted),
    st.sampled_from([">", "<"]),
)
def test_what_is_proposed_would_not_fire_on_a_usual_interval(
    threshold: float, seen: list[float], operator: str
) -> None:
    found = proposed(threshold, *seen, operator=operator)
    if found.proposed is None:
        return
    if operator == ">":
        assert found.proposed > seen[-2]
    else:
        assert found.proposed < seen[0]


def test_the_lines_show_the_numbers_and_what_to_do() -> None:
    lines = proposal_lines([proposed(500, 10, 100, 400, 620, 900)], 30.0)
    assert "one: http.latency.p99 > 500" in lines
    assert "  seen P1 10, P50 100, P95 400, P99 620, P100 900" in lines
    assert lines[-1].startswith("next: put them into your rules file")
    assert proposal_lines([], 0.0)[-1] == "no threshold needs a change"
