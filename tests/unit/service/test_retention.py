"""What is older than the retention goes, once a day, in steps; what is younger never does."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.errors import StoreUnavailable
from service.insights import retention
from service.insights.retention import Chunk, Retention, is_due, oldest_age, plan

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
TODAY = datetime(2026, 11, 23, tzinfo=UTC)


def day(ago: int) -> Chunk:
    return Chunk(TODAY - ago * DAY, TODAY - (ago - 1) * DAY)


def test_a_day_goes_when_all_of_it_is_too_old() -> None:
    wanted = plan(NOW, [day(n) for n in (0, 89, 90, 91, 92)], 90)
    assert wanted.cutoff == NOW - 90 * DAY
    assert wanted.drop_before == [day(92).end, day(91).end]
    assert wanted.keys_before == day(90).start
    assert wanted.oldest_age == NOW - day(92).end


def test_without_chunks_the_keys_go_by_the_cutoff() -> None:
    wanted = plan(NOW, [], 90)
    assert (wanted.drop_before, wanted.keys_before, wanted.oldest_age) == ([], wanted.cutoff, timedelta())


@given(some.sets(some.integers(-1, 400)), some.integers(1, 365))
def test_nothing_young_is_dropped_and_no_key_before_its_row(ages: set[int], days: int) -> None:
    chunks = [day(age) for age in ages]
    wanted = plan(NOW, chunks, days)
    dropped = [one for one in chunks if one.end in wanted.drop_before]
    kept = [one for one in chunks if one not in dropped]
    assert all(one.end <= NOW - days * DAY for one in dropped)
    assert all(one.end > NOW - days * DAY for one in kept)
    assert all(wanted.keys_before <= one.start or one.start > wanted.cutoff for one in kept)
    assert wanted.drop_before == sorted(wanted.drop_before)


def test_a_run_is_due_once_a_day() -> None:
    assert is_due(NOW, None)
    assert is_due(NOW, NOW - DAY)
    assert not is_due(NOW, NOW - DAY + timedelta(seconds=1))


def test_the_oldest_age_is_that_of_the_end_of_its_day() -> None:
    assert oldest_age(NOW, [day(0), day(91)]) == NOW - day(91).end
    assert oldest_age(NOW, [day(0)]) == timedelta()
    assert oldest_age(NOW, []) == timedelta()


@dataclass
class Database:
    chunks: list[Chunk]
    last: datetime | None = None
    keys: int = 0
    away: bool = False
    # Another session holds the lock.
    busy: bool = False
    asked: list[tuple[str, object]] = field(default_factory=list)

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        if self.away:
            raise StoreUnavailable("gone")
        self.asked.append((query, parameters.get("cutoff")))
        match query:
            case "chunks":
                return [tuple(one) for one in self.chunks]
            case "last_retention":
                return [(self.last,)]
            case "drop_old_chunks":
                old = [one for one in self.chunks if one.end <= parameters["cutoff"]]  # type: ignore[operator]
                gone = [] if self.busy else old
                self.chunks = [one for one in self.chunks if one not in gone]
                return [(str(one),) for one in gone]
            case "prune_keys":
                pruned = min(self.keys, retention.PRUNE_ROWS)
                self.keys -= pruned
                return [(pruned,)]
            case "prune_letters":
                return [(0,)]
            case "record_retention":
                self.last = NOW
        return []


@dataclass
class Told:
    ages: list[float] = field(default_factory=list)
    successes: list[float | None] = field(default_factory=list)
    failures: int = 0

    def retained(self, last_success: float | None, oldest_chunk_age_s: float) -> None:
        self.successes.append(last_success)
        self.ages.append(oldest_chunk_age_s)

    def retention_failed(self) -> None:
        self.failures += 1


def keeper(database: Database, told: Told, *, leads: bool = True) -> Retention:
    return Retention(database, told, lambda: NOW, asyncio.sleep, 90, lambda: leads)


async def test_a_run_drops_day_by_day_prunes_in_pieces_and_is_recorded() -> None:
    database = Database([day(n) for n in range(93)], keys=retention.PRUNE_ROWS * 2 + 1)
    told = Told()
    assert await keeper(database, told).look()
    assert [cutoff for query, cutoff in database.asked if query == "drop_old_chunks"] == [
        day(92).end,
        day(91).end,
    ]
    assert len([query for query, _ in database.asked if query == "prune_keys"]) == 3
    assert database.last == NOW
    assert told.ages == [(NOW - day(90).end).total_seconds()]
    assert told.successes == [NOW.timestamp()]
    assert not await keeper(database, told).look()


async def test_who_does_not_lead_only_tells_how_it_stands() -> None:
    database, told = Database([day(100)]), Told()
    assert not await keeper(database, told, leads=False).look()
    assert database.chunks == [day(100)]
    assert told.ages == [(NOW - day(100).end).total_seconds()]
    assert told.successes == [None]


async def test_while_another_session_drops_no_key_goes_and_nothing_is_recorded() -> None:
    database, told = Database([day(100)], keys=7, busy=True), Told()
    assert not await keeper(database, told).look()
    assert (database.chunks, database.keys, database.last) == ([day(100)], 7, None)
    assert (told.successes, told.failures) == ([None], 0)
    database.busy = False
    assert await keeper(database, told).look()
    assert (database.chunks, database.keys, database.last) == ([], 0, NOW)


async def test_a_failure_is_told_and_tried_again_soon() -> None:
    database, told = Database([day(100)], away=True), Told()
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        database.away = False
        if len(pauses) == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await Retention(database, told, lambda: NOW, sleep, 90).run()
    assert (told.failures, database.chunks) == (1, [])
    assert max(pauses) <= 600
