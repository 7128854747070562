"""`amas db size` and `amas db growth`: look, judge, show."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from runbook import engine, sql_session, terminal
from runbook.errors import CheckFailed
from runbook.growth import look
from runbook.growth.disk import Day, Growth, judge
from runbook.options import AsJson, StackName
from runbook.terminal import size

SHOWN_DAYS = 14
ENOUGH_DAYS = 30
BAR = 20


@dataclass(frozen=True)
class Seen:
    """Everything that the judgement stands on."""

    disk: look.Disk
    retention_days: int
    days: list[Day]


def show_size(stack: StackName, as_json: AsJson = False) -> None:
    """What the database takes, by table. Runs on the host and inside the network.

    Section 8.1 of the runbook. A hypertable counts with all its chunks; rows are as ANALYZE last saw them.
    """
    with sql_session.of(stack) as session:
        (database,) = session.rows("database_size")
        tables = look.tables(session)
    if as_json:
        terminal.show_json({**database, "tables": [asdict(one) for one in tables]})
        return
    rows = [
        [one.name, size(one.size_bytes), size(one.index_bytes), f"{one.about_rows:,}", str(one.chunks or "")]
        for one in tables
    ]
    terminal.show_table(["table", "all", "indexes", "rows ~", "chunks"], rows)
    terminal.show_lines(["", f"{database['name']}  {size(database['size_bytes'])}"])


def show_growth(
    stack: StackName,
    least_days: Annotated[
        int, typer.Option(min=0, metavar="DAYS", help="Fails when the disk is full in fewer.")
    ] = ENOUGH_DAYS,
    as_json: AsJson = False,
) -> None:
    """How fast the decisions grow, and when the disk is full. Runs on the host and inside the network.

    Section 8.1 of the runbook. Exits with 1 when the disk holds for fewer than 30 days.
    """
    seen = observe(stack)
    today = datetime.now(UTC).date()
    found = judge(seen.days, today, seen.disk.free_bytes, seen.retention_days)
    if as_json:
        terminal.show_json(
            {
                **asdict(found),
                **asdict(seen.disk),
                "retention_days": seen.retention_days,
                "ok": holds(found, least_days),
            }
        )
    else:
        terminal.show_table(["day", "size", "rows ~", ""], day_rows(seen.days[-SHOWN_DAYS:]))
        terminal.show_lines(growth_lines(found, seen))
    if not holds(found, least_days):
        raise typer.Exit(CheckFailed.exit_code)


def observe(stack: str) -> Seen:
    inside = sql_session.inside_network(os.environ) is not None
    with sql_session.of(stack) as session:
        days = look.days(session)
    disk = look.disk_here() if inside else look.disk_of(engine.connect(), stack)
    return Seen(disk, look.retention_days(stack), days)


def holds(found: Growth, least_days: int) -> bool:
    return found.days_to_full is None or found.days_to_full >= least_days


def day_rows(days: Sequence[Day]) -> list[list[str]]:
    most = max((one.size_bytes for one in days), default=0)
    return [
        [f"{one.day:%Y-%m-%d}", size(one.size_bytes), f"{one.rows:,}", bar(one.size_bytes, most)]
        for one in days
    ]


def bar(value: float, most: float) -> str:
    return "#" * round(BAR * value / most) if most else ""


def growth_lines(found: Growth, seen: Seen) -> list[str]:
    disk, trend = seen.disk, signed(found.trend_bytes_a_day)
    lines = [
        "",
        f"disk      {size(disk.free_bytes)} of {size(disk.size_bytes)} free",
        f"growth    {size(round(found.bytes_a_day))} a day, over {found.days} whole days",
        f"trend     each day {trend} than the one before",
        f"retention {seen.retention_days} days" + settles(found),
        f"full      {until(found)}",
    ]
    if found.days_to_full is not None:
        lines.append("next      amas retention simulate")
    return lines


def settles(found: Growth) -> str:
    return f"; settles at {size(round(found.steady_bytes))}" if found.steady_bytes else ""


def signed(trend_bytes: float) -> str:
    return f"{size(round(abs(trend_bytes)))} {'less' if trend_bytes < 0 else 'more'}"


def until(found: Growth) -> str:
    if not found.days:
        return "not known: no whole day has been stored yet"
    if found.days_to_full is None:
        return "not within ten years, if days go on like these"
    return f"in {found.days_to_full} days, if days go on like these"
