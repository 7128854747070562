"""What a rising load found, with each thing that may give way."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests import report
from loadtests.live import Sample
from loadtests.rising import Rise, busy_share, rise
from loadtests.summary import Step
from tests.unit.loadtests.testing_facts import ENDED, RESULT, outcome, planned

PLAN = planned("breakpoint")
STEP_S = PLAN.scenarios[0].duration_s
GOOD = tuple(Step(100.0 * number, 3000 * number, 20, 40, 0.0, 0) for number in (1, 2, 3))


def risen(*steps: Step, samples: Sequence[Sample] = ()) -> Rise:
    return rise(PLAN, replace(RESULT, steps=steps), samples)


def busy(*shares: float) -> list[Sample]:
    """One share of the processors for each step; a sample a second."""
    samples, busy_s = [], 0.0
    for second in range(int(STEP_S * len(shares))):
        samples.append(Sample(second, 0, 0.0, 0.0, 0.0, 0, 0, busy_s))
        busy_s += shares[int(second / STEP_S)]
    return samples


def test_where_all_is_kept_nothing_gave_way() -> None:
    assert str(risen(*GOOD)) == "300/s, nothing gave way"


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD[1], p95_ms=900),
        replace(GOOD[1], p99_ms=1200),
        replace(GOOD[1], error_share=0.02),
        replace(GOOD[1], dropped=1),
        replace(GOOD[1], requests=2100),
    ],
    ids=["P95", "P99", "errors", "dropped", "cut short"],
)
def test_the_highest_good_rate_is_the_last_before_a_limit_broke(bad: Step) -> None:
    found = risen(GOOD[0], bad, GOOD[2])
    assert found.rate == 100
    assert found.gave_way
    assert found.gave_way.startswith(f"at 200/s: P95 {bad.p95_ms:.0f} ms")


def test_a_generator_without_processor_left_gave_way_itself() -> None:
    found = risen(*GOOD, samples=busy(0.3, 0.5, 0.9))
    assert str(found) == "200/s; at 300/s: the load generator, 90% of its processors busy"
    assert risen(*GOOD, samples=busy(0.3, 0.5, 0.7)).gave_way is None


def test_a_step_that_was_not_looked_at_has_no_share() -> None:
    assert busy_share(PLAN.scenarios[2], busy(0.3, 0.5)) is None


def test_a_generator_that_starved_at_first_says_nothing_good(tmp_path: Path) -> None:
    ended = replace(ENDED, samples=busy(0.95))
    one = outcome(tmp_path, profile="breakpoint", result=replace(RESULT, steps=GOOD[:1]), ended=ended)
    assert one.verdict.reasons == [
        "highest good rate: at 100/s: the load generator, 95% of its processors busy; wanted at least 100/s"
    ]


def test_the_summary_says_what_gave_way(tmp_path: Path) -> None:
    steps = (GOOD[0], replace(GOOD[1], p95_ms=900))
    text = report.text(outcome(tmp_path, profile="breakpoint", result=replace(RESULT, steps=steps)))
    assert "Highest good rate  100/s\nGave way   at 200/s: P95 900 ms" in text
