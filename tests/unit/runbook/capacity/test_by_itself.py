"""What may come by itself, within the budget of connections."""

from datetime import date
from typing import Any, cast

import pytest

from runbook.capacity.command import Seen, by_itself_lines, most_replicas_of
from runbook.pool.judge import Budget


def seen(budget: Budget, most_by_itself: int | None, places: int = 8) -> Seen:
    return Seen(date(2026, 1, 1), [], [], None, cast("Any", None), budget, places, most_by_itself)


@pytest.mark.parametrize(
    ("budget", "places", "most", "needed"),
    [(Budget(200, 2, 20), 8, 6, 170), (Budget(100, 2, 20), 8, 2, 90), (Budget(400, 2, 20), 16, 14, 330)],
    ids=["places", "connections", "wide"],
)
def test_the_budget_holds_with_all_that_may_come_and_a_roll(
    budget: Budget, places: int, most: int, needed: int
) -> None:
    assert most_replicas_of(budget, places) == most
    assert budget.needed_with(most) == needed <= budget.most
    (line,) = by_itself_lines(seen(budget, most, places))
    assert line.startswith(f"by itself   up to {most} replicas, of {places} places; ")
    assert line.endswith(f"{needed} of {budget.most} connections then, with a roll on top")


def test_it_says_when_none_comes_by_itself() -> None:
    assert by_itself_lines(seen(Budget(200, 2, 20), None)) == [
        "by itself   no replica comes: amas:autoscale is false"
    ]
