"""Backups and proofs as people read them."""

from collections.abc import Mapping
from typing import Any

from runbook.backup.catalog import Backup
from runbook.terminal import seconds, size

COLUMNS = ("backup", "kind", "status", "ended", "size", "WAL")


def as_json(one: Backup) -> dict[str, Any]:
    return {
        "backupId": one.id,
        "kind": one.kind,
        "status": one.status,
        "endTime": one.end_at.isoformat() if one.end_at else None,
        "sizeBytes": one.size_bytes,
        "walBytes": one.wal_bytes,
    }


def cells(one: Backup) -> list[str]:
    ended = f"{one.end_at:%F %T}Z" if one.end_at else "-"
    return [one.id, one.kind, one.status, ended, size(one.size_bytes), size(one.wal_bytes)]


def whole_line(backup_id: str, copies: int) -> str:
    upon = f", and so {'is the one' if copies == 2 else f'are the {copies - 1}'} it builds upon"
    return f"{backup_id} is whole{upon if copies > 1 else ''}"


def proof_lines(facts: Mapping[str, Any]) -> list[str]:
    lines = [
        f"proven    {facts['backupId']}  {facts['rows']:,} rows in {facts['tables']} tables",
        f"RTO       {seconds(facts['rtoS'])} for {size(facts['restoredBytes'])}",
    ]
    if facts["pitrRows"] is None:
        return lines
    return [
        *lines,
        f"newest    {facts['pitrRows']:,} rows at the moment before the proof",
        f"RPO       {facts['rpoS']:.3f} s from a commit to its copy",
    ]
