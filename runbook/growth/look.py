"""What is to be judged: sizes from the database, the disk from its container, the retention as configured."""

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

from runbook import reach, sql_session
from runbook.engine import Engine, require_part
from runbook.errors import CheckFailed
from runbook.growth.disk import Day
from runbook.sql_session import Row, Statements

DECISIONS = "decision_insights"
KEYS = "decision_keys"
DATA = "/var/lib/amas/db"
DEFAULT_RETENTION_DAYS = 90


@dataclass(frozen=True)
class Table:
    """One table, or one hypertable with its chunks."""

    name: str
    chunks: int
    size_bytes: int
    index_bytes: int
    about_rows: int


@dataclass(frozen=True)
class Disk:
    """The file system the data volume lies on."""

    size_bytes: int
    free_bytes: int


def tables(session: Statements) -> list[Table]:
    rows = session.rows("table_sizes")
    return [
        Table(
            str(row["name"]),
            int(row["chunks"] or 0),
            int(row["size_bytes"]),
            int(row["index_bytes"]),
            int(row["about_rows"]),
        )
        for row in rows
    ]


def days(session: Statements) -> list[Day]:
    """Each with its part of the key table, which is pruned beside the chunks."""
    chunks = [row for row in session.rows("chunk_sizes") if row["hypertable"] == DECISIONS]
    return by_day(chunks, tables(session))


def by_day(chunks: Iterable[Row], sizes: Sequence[Table]) -> list[Day]:
    taken = {one.name: one.size_bytes for one in sizes}
    decisions = taken.get(DECISIONS, 0)
    share = 1 + taken.get(KEYS, 0) / decisions if decisions else 1.0
    return [
        Day(
            row["range_start"].astimezone(UTC).date(),
            round(int(row["size_bytes"]) * share),
            int(row["about_rows"]),
        )
        for row in chunks
    ]


def disk_of(engine: Engine, stack: str) -> Disk:
    """As the database's container sees its data volume."""
    exit_code, told = engine.run_inside(
        require_part(engine, stack, "db"), ["df", "--block-size=1", "--output=size,avail", DATA]
    )
    numbers = told.split()[-2:]
    if exit_code != 0 or not all(one.isdecimal() for one in numbers):
        raise CheckFailed(f"df {DATA} in the database's container: {told.strip()}", "amas status")
    return Disk(int(numbers[0]), int(numbers[1]))


def disk_here() -> Disk:
    """Inside the network: volumes and the containers' own roots lie on one disk of the host."""
    usage = shutil.disk_usage("/")
    return Disk(usage.total, usage.free)


def retention_days(stack: str, environ: Mapping[str, str] = os.environ) -> int:
    """From the configuration on the host, from AMAS_RETENTION_DAYS inside the network."""
    if sql_session.inside_network(environ) is None:
        return reach.integer(stack, "insightsRetentionDays")
    return int(environ.get("AMAS_RETENTION_DAYS", DEFAULT_RETENTION_DAYS))
