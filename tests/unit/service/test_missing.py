"""A missing id is remembered for a moment, and never past its commit."""

from datetime import UTC, datetime, timedelta

from service.insights import missing, testing
from service.insights.decision import Decision
from service.insights.missing import FRESH, MOST_S, Missing

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Bench:
    def __init__(self) -> None:
        self.clock = 0.0
        self.missing = Missing(lambda: self.clock, lambda: NOW, lambda: 0.5)

    def look(self, decision_id: str, made_at: datetime | None = None) -> None:
        with self.missing.looking(decision_id) as look:
            self.missing.remember(decision_id, made_at, look)


def stored(decision_id: str) -> list[Decision]:
    return [testing.decision(decision_id, occurredAt=testing.recently())]


def test_it_is_known_for_a_moment() -> None:
    bench = Bench()
    assert not bench.missing.knows("order:1")
    bench.look("order:1")
    assert bench.missing.knows("order:1")
    bench.clock = MOST_S * 0.74
    assert bench.missing.knows("order:1")
    bench.clock = MOST_S * 0.75
    assert not bench.missing.knows("order:1")


def test_a_commit_ends_it_at_once() -> None:
    bench = Bench()
    bench.look("order:1")
    bench.missing.committed(stored("order:1"))
    assert not bench.missing.knows("order:1")


def test_a_look_that_a_commit_overtook_is_not_remembered() -> None:
    bench = Bench()
    with bench.missing.looking("order:1") as first, bench.missing.looking("order:1") as second:
        bench.missing.committed(stored("order:1"))
        bench.missing.remember("order:1", None, first)
        bench.missing.remember("order:1", None, second)
    assert not bench.missing.knows("order:1")
    bench.look("order:1")
    assert bench.missing.knows("order:1")


def test_an_id_made_just_now_is_not_remembered() -> None:
    """It may be on its way through another replica, whose commits are not heard of here."""
    bench = Bench()
    bench.look("fresh", NOW - FRESH + timedelta(seconds=1))
    assert not bench.missing.knows("fresh")
    bench.look("old", NOW - FRESH)
    assert bench.missing.knows("old")


def test_it_never_holds_more_than_its_bound() -> None:
    bench = Bench()
    missing.MOST_IDS, most = 3, missing.MOST_IDS
    try:
        for number in range(5):
            bench.look(f"order:{number}")
    finally:
        missing.MOST_IDS = most
    assert [bench.missing.knows(f"order:{number}") for number in range(5)] == [False, False, True, True, True]
