"""What a backup is compared by, taken at a named moment of the live database. Pure but for the file.

The moment is a restore point in the WAL with all writers standing still: a restore that stops there has to
show the very same figures.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runbook.backup import records
from runbook.errors import CheckFailed
from runbook.portable.manifest import Table, differences_of_tables

FORMAT = 1


@dataclass(frozen=True)
class Newest:
    """The newest insights, as readers get them: how many, and a digest of their content."""

    rows: int
    digest: str | None


@dataclass(frozen=True)
class Content:
    """A database at one moment."""

    server_version: str
    extensions: Mapping[str, str]
    max_connections: int
    size_bytes: int
    schema_hash: str
    tables: Mapping[str, Table]
    newest: Newest

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


@dataclass(frozen=True)
class Manifest:
    """`mark`: the restore point's name; `lsn` where it stands in the WAL, `at` the database's own clock."""

    mark: str
    lsn: str
    at: str
    content: Content


def differences(expected: Content, found: Content) -> list[str]:
    """A reason for each thing that is not as the manifest says; none when all is."""
    return [
        *_versions(expected, found),
        *differences_of_tables(expected.tables, found.tables),
        *_schema(expected, found),
        *_insights(expected, found),
    ]


def _versions(expected: Content, found: Content) -> list[str]:
    lines = []
    if found.server_version != expected.server_version:
        lines.append(f"PostgreSQL is {found.server_version}, the manifest says {expected.server_version}")
    for name, version in sorted(expected.extensions.items()):
        if found.extensions.get(name) != version:
            lines.append(
                f"extension {name} is {found.extensions.get(name, 'missing')}, the manifest says {version}"
            )
    return lines


def _schema(expected: Content, found: Content) -> list[str]:
    same = found.schema_hash == expected.schema_hash
    return (
        [] if same else ["the schema is another: columns, indexes, constraints, views, functions or grants"]
    )


def _insights(expected: Content, found: Content) -> list[str]:
    if found.newest == expected.newest:
        return []
    return [f"the newest {expected.newest.rows} insights read otherwise than they did on the live database"]


# The file.


def written(manifest: Manifest, path: Path) -> None:
    records.write(path, {"format": FORMAT, **asdict(manifest)})


def read(path: Path) -> Manifest:
    """CheckFailed for a file that is missing or no manifest of this format."""
    try:
        return manifest_of(json.loads(path.read_text(encoding="utf-8")))
    except OSError as reason:
        raise CheckFailed(
            f"the manifest {path.name} of that backup cannot be read: {reason.strerror}", "amas backup now"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as reason:
        raise CheckFailed(
            f"the manifest {path.name} is damaged: {type(reason).__name__} {reason}", "amas backup now --full"
        ) from None


def manifest_of(told: Mapping[str, Any]) -> Manifest:
    if told["format"] != FORMAT:
        raise ValueError(f"format {told['format']}, and this release reads {FORMAT}")
    content = told["content"]
    tables = {name: Table(**table) for name, table in content["tables"].items()}
    newest = Newest(**content["newest"])
    return Manifest(
        told["mark"], told["lsn"], told["at"], Content(**{**content, "tables": tables, "newest": newest})
    )
