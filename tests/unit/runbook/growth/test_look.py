from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.growth.command import Seen, growth_lines, holds, until
from runbook.growth.disk import Day, judge
from runbook.growth.look import Disk, Table, by_day, disk_of, retention_days
from runbook.stack import Setting
from runbook.testing import MemoryEngine, container

DAY = datetime(2026, 3, 1, tzinfo=UTC)
TODAY = date(2026, 3, 8)


def chunk(size_bytes: int) -> dict[str, Any]:
    return {"range_start": DAY, "size_bytes": size_bytes, "about_rows": 5}


def table(name: str, size_bytes: int) -> Table:
    return Table(name, 1, size_bytes, 0, 0)


def test_a_day_takes_its_part_of_the_keys() -> None:
    sizes = [table("decision_insights", 1000), table("decision_keys", 250), table("alert_history", 9000)]
    assert by_day([chunk(1000)], sizes) == [Day(date(2026, 3, 1), 1250, 5)]


def test_an_empty_database_has_no_days() -> None:
    assert by_day([], [table("decision_insights", 0)]) == []


def test_the_disk_is_the_one_the_data_volume_lies_on() -> None:
    engine = MemoryEngine(held=[container("db")], answer=(0, "1B-blocks Avail\n1000 400\n"))
    assert disk_of(engine, "local") == Disk(1000, 400)
    assert engine.commands[0][-1] == "/var/lib/amas/db"


@pytest.mark.parametrize("answer", [(1, "df: no such file"), (0, "what?")])
def test_a_disk_that_cannot_be_read_fails(answer: tuple[int, str]) -> None:
    with pytest.raises(CheckFailed, match="df /var/lib/amas/db"):
        disk_of(MemoryEngine(held=[container("db")], answer=answer), "local")


def test_without_a_database_there_is_no_disk() -> None:
    with pytest.raises(EnvironmentMissing):
        disk_of(MemoryEngine(), "local")


def test_the_retention_is_configured_or_its_default(configured: dict[str, Setting]) -> None:
    assert retention_days("local", {}) == 90
    configured["insightsRetentionDays"] = Setting("30", secret=False)
    assert retention_days("local", {}) == 30


def test_inside_the_network_it_comes_by_the_environment(tmp_path: Any) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://u@db/danci")
    inside = {"AMAS_DATABASE_URL_FILE": str(file)}
    assert retention_days("local", inside) == 90
    assert retention_days("local", {**inside, "AMAS_RETENTION_DAYS": "7"}) == 7


def seen(free_bytes: int) -> Seen:
    days = [Day(TODAY - timedelta(days=one), 1_000_000) for one in range(1, 8)]
    return Seen(Disk(10**9, free_bytes), 90, days)


@pytest.mark.parametrize(("free_bytes", "held"), [(10_500_000, False), (10**9, True)])
def test_a_disk_that_is_soon_full_fails_and_names_what_to_do(free_bytes: int, held: bool) -> None:
    looked = seen(free_bytes)
    found = judge(looked.days, TODAY, free_bytes, 90)
    assert holds(found, 30) is held
    assert ("next      amas retention simulate" in growth_lines(found, looked)) is not held


def test_nothing_is_foretold_from_no_day() -> None:
    assert until(judge([], TODAY, 10**9, 90)).startswith("not known")
