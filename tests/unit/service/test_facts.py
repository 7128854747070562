"""What the collector learns of the database: ages as of now, and by how much the retention is exceeded."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from service.insights.facts import Facts
from service.insights.testing_spool import MemorySpool

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Database:
    def __init__(self, *row: object) -> None:
        self.row = row

    async def rows(self, query: str, _: Mapping[str, object]) -> list[tuple[object, ...]]:
        assert query == "insight_facts"
        return [self.row]


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


@pytest.mark.parametrize(
    ("kept_days", "age_days", "overdue_days"),
    [(90, 91.5, 1.5), (90, 89.5, 0.0), (30, 31.5, 1.5), (365, 91.5, 0.0)],
)
async def test_a_chunk_is_overdue_by_what_it_exceeds_the_retention_that_is_set(
    kept_days: int, age_days: float, overdue_days: float
) -> None:
    database = Database(0, None, None, ago(days=age_days))
    found = await Facts(MemorySpool(), database, lambda: NOW, timedelta(days=kept_days)).of_database()
    assert found["chunk.oldest_age_days"] == (age_days, 1)
    assert found["chunk.overdue_days"] == (overdue_days, 1)


async def test_ages_are_of_now_and_what_never_was_is_missing() -> None:
    database = Database(3, ago(minutes=5), ago(hours=2), None)
    found = await Facts(MemorySpool(), database, lambda: NOW, timedelta(days=90)).of_database()
    assert found["dead_letters.count"] == (3.0, 1)
    assert found["dead_letters.age_s"] == (300.0, 1)
    assert found["retention.age_s"] == (7200.0, 1)
    assert found["chunk.overdue_days"] == (0.0, 1)
    never = await Facts(
        MemorySpool(), Database(0, None, None, None), lambda: NOW, timedelta(days=90)
    ).of_database()
    assert "retention.age_s" not in never
