"""Whoever leads keeps one row for each interval."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from service.collector.keep import RETENTION_EVERY_S, Keep
from service.collector.series import Interval
from service.db import QUERIES
from service.errors import StoreUnavailable
from tests.unit.service.snapshots import snapshot

pytestmark = pytest.mark.anyio
NOW = 9001.0


class Kept:
    def __init__(self) -> None:
        self.rows_kept: list[dict[str, Any]] = []
        self.dropped = 0
        self.away = False
        self.leads = True

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        if self.away:
            raise StoreUnavailable("gone")
        if query == "keep_intervals":
            self.rows_kept += json.loads(str(parameters["rows"]))
        else:
            self.dropped += 1
        return []

    def times(self) -> list[str]:
        return [row["at"][11:19] for row in self.rows_kept]


def keeping(kept: Kept) -> Keep:
    return Keep(kept, lambda: kept.leads, 30.0)


async def test_the_interval_that_has_ended_for_all_is_kept_once() -> None:
    kept = Kept()
    keep = keeping(kept)
    snapshots = [snapshot(30.0 * n, 0.01, replica=who) for n in range(298, 301) for who in "ab"]
    await keep.keep(snapshots, NOW)
    assert kept.times() == ["02:29:00", "02:29:30"]
    await keep.keep([*snapshots, snapshot(9030, 0.01)], NOW + 30)
    assert kept.times() == ["02:29:00", "02:29:30", "02:30:00"]
    assert [row["replicas"] for row in kept.rows_kept] == [2, 2, 2]


async def test_who_does_not_lead_keeps_nothing() -> None:
    kept = Kept()
    kept.leads = False
    await keeping(kept).keep([snapshot(8970, 0.01)], NOW)
    assert kept.rows_kept == []
    assert kept.dropped == 0


async def test_a_new_leader_writes_what_the_one_before_may_have_left() -> None:
    kept = Kept()
    await keeping(kept).keep([snapshot(30.0 * n, 0.01) for n in range(301)], NOW)
    assert kept.times()[0] == "02:25:00"
    assert len(kept.times()) == 10


async def test_while_the_database_is_away_nothing_is_lost_and_nothing_raised() -> None:
    kept = Kept()
    keep = keeping(kept)
    snapshots = [snapshot(30.0 * n, 0.01) for n in range(298, 311)]
    await keep.keep(snapshots, NOW)
    kept.away = True
    await keep.keep(snapshots, NOW + 150)
    kept.away = False
    await keep.keep(snapshots, NOW + 180)
    assert kept.times() == [f"02:{m}:{s}" for m in range(29, 33) for s in ("00", "30")]


async def test_old_rows_are_dropped_once_a_day() -> None:
    kept = Kept()
    keep = keeping(kept)
    await keep.keep([], NOW)
    await keep.keep([], NOW + 30)
    assert kept.dropped == 1
    await keep.keep([], NOW + RETENTION_EVERY_S)
    assert kept.dropped == 2


def test_every_column_that_is_kept_stands_in_the_statement() -> None:
    columns = {"at", "interval_s"} | set(Interval(30.0, 30.0, [snapshot(30.0)]).kept())
    inserted = QUERIES["keep_intervals"].partition("INSERT INTO metric_snapshots (")[2].partition(")")[0]
    assert {name.strip() for name in inserted.split(",")} == columns
