"""What an export says of itself: versions, tables, rows. Two of these are compared after an import. Pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from runbook.errors import CheckFailed

FORMAT = 1
# What clients sent; the other tables fill by themselves, on an empty stack too.
DECISIONS = "public.decision_"


@dataclass(frozen=True)
class Table:
    """`newest`: the latest of its first timestamps that are never null; None where there are no rows."""

    rows: int
    newest: str | None = None
    is_hypertable: bool = False


@dataclass(frozen=True)
class Facts:
    """A database at one moment. `relations`: rows by where they lie, a chunk or the table itself."""

    server_version: int
    timescaledb: str
    migrations: tuple[str, ...]
    size_bytes: int
    tables: Mapping[str, Table]
    relations: Mapping[str, int]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())

    @property
    def decisions(self) -> int:
        return sum(table.rows for name, table in self.tables.items() if name.startswith(DECISIONS))


@dataclass(frozen=True)
class Manifest:
    """Of which stack's database, when, by which release."""

    made_at: str
    stack: str
    database: str
    facts: Facts

    def as_json(self) -> dict[str, Any]:
        facts = self.facts
        return {
            "format": FORMAT,
            "madeAt": self.made_at,
            "stack": self.stack,
            "database": self.database,
            "serverVersion": facts.server_version,
            "timescaledb": facts.timescaledb,
            "migrations": list(facts.migrations),
            "sizeBytes": facts.size_bytes,
            "tables": {
                name: {"rows": one.rows, "newest": one.newest, "hypertable": one.is_hypertable}
                for name, one in sorted(facts.tables.items())
            },
            "relations": dict(sorted(facts.relations.items())),
        }


def manifest_of(text: str | bytes) -> Manifest:
    """Raises CheckFailed for what is no manifest of this format."""
    try:
        told = json.loads(text)
        if told["format"] != FORMAT:
            raise CheckFailed(f"the manifest has format {told['format']}; this release reads {FORMAT}")
        tables = {
            name: Table(int(one["rows"]), one["newest"], bool(one["hypertable"]))
            for name, one in told["tables"].items()
        }
        facts = Facts(
            int(told["serverVersion"]),
            str(told["timescaledb"]),
            tuple(told["migrations"]),
            int(told["sizeBytes"]),
            tables,
            {name: int(rows) for name, rows in told["relations"].items()},
        )
        return Manifest(str(told["madeAt"]), str(told["stack"]), str(told["database"]), facts)
    except (ValueError, KeyError, TypeError, AttributeError) as reason:
        raise CheckFailed(f"the manifest cannot be read: {type(reason).__name__} {reason}") from None


def facts_of(lines: Iterable[str]) -> Facts:
    """From what `sql/facts.sql` and `sql/figures.sql` print: one object of all, then those of each table."""
    general, *figures = [json.loads(line) for line in lines]
    hypertables = set(general["hypertables"])
    totals = [one for one in figures if one["relation"] is None]
    return Facts(
        server_version=general["serverVersion"],
        timescaledb=general["timescaledb"],
        migrations=tuple(general["migrations"]),
        size_bytes=general["sizeBytes"],
        tables={
            one["table"]: Table(one["rows"], one["newest"], one["table"] in hypertables) for one in totals
        },
        relations={one["relation"]: one["rows"] for one in figures if one["relation"] is not None},
    )


def differences(expected: Facts, found: Facts) -> list[str]:
    """A line for each table that is not as the manifest says; none when every one is."""
    return differences_of_tables(expected.tables, found.tables)


def differences_of_tables(expected: Mapping[str, Table], found: Mapping[str, Table]) -> list[str]:
    return [
        line
        for name, table in sorted(expected.items())
        for line in _differences_of(name, table, found.get(name))
    ]


def _differences_of(name: str, expected: Table, found: Table | None) -> list[str]:
    if found is None:
        return [f"{name} is missing"]
    lines = []
    if found.rows != expected.rows:
        lines.append(f"{name} has {found.rows} rows, the manifest says {expected.rows}")
    if found.newest != expected.newest:
        lines.append(f"{name}: the newest row is of {found.newest}, the manifest says {expected.newest}")
    if found.is_hypertable != expected.is_hypertable:
        lines.append(f"{name} is {_kind(found)}, the manifest says {_kind(expected)}")
    return lines


def _kind(table: Table) -> str:
    return "a hypertable" if table.is_hypertable else "a plain table"
