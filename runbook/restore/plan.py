"""What a restore will do, from what was found; refused here before anything is touched. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runbook.backup.catalog import Backup, chosen
from runbook.errors import CheckFailed, UsageError
from runbook.terminal import size

HEADROOM = 1.1  # the WAL is unpacked beside the copy, and the server writes some of its own


@dataclass(frozen=True)
class Wanted:
    """What the operator asked for: the newest state, or that of a moment; the backup to start from."""

    to: datetime | None = None
    backup_id: str | None = None


@dataclass(frozen=True)
class Found:
    """What lies in the volumes."""

    backups: Sequence[Backup]
    current: str | None
    generations: tuple[str, ...]
    next_generation: str
    free_bytes: int

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Found":
        return cls(
            backups=tuple(_backup(one) for one in told["backups"]),
            current=told["current"],
            generations=tuple(told["generations"]),
            next_generation=str(told["nextGeneration"]),
            free_bytes=int(told["freeBytes"]),
        )


@dataclass(frozen=True)
class Plan:
    """`kept`: the generation that served before, None on an empty volume."""

    stack: str
    backup: Backup
    to: datetime | None
    generation: str
    kept: str | None
    needs_bytes: int


def plan(stack: str, wanted: Wanted, found: Found, now: datetime) -> Plan:
    """Raises UsageError or CheckFailed with the reason."""
    if wanted.to is not None and wanted.to > now:
        raise UsageError(f"--to {wanted.to:%FT%TZ} is still to come; it is {now:%FT%TZ}")
    backup = chosen(found.backups, wanted.backup_id, wanted.to)
    needs_bytes = int((backup.size_bytes + backup.wal_bytes) * HEADROOM)
    if needs_bytes > found.free_bytes:
        raise CheckFailed(
            f"a second data directory needs about {size(needs_bytes)}, {size(found.free_bytes)} are free",
            f"amas backup restore --discard-old --stack {stack}" if len(found.generations) > 1 else None,
        )
    return Plan(stack, backup, wanted.to, found.next_generation, found.current, needs_bytes)


def moment(text: str) -> datetime:
    """RFC 3339 with its offset: a time without one would be somebody's guess."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(f"--to {text!r}: a time with its offset, such as 2026-01-02T03:04:05Z")
    return at.astimezone(UTC)


def announced(made: Plan) -> list[str]:
    """What an operator says yes to."""
    target = f"as it was at {made.to:%FT%TZ}" if made.to else "to the newest state that was received"
    kept = f"{made.kept} stays beside it" if made.kept else "there is none to keep: the volume is empty"
    lost = (
        f"EVERYTHING STORED AFTER {made.to:%FT%TZ} IS GONE FROM WHAT IS SERVED"
        if made.to
        else "with walDurability async, the last moments before the loss can be missing; with sync, none"
    )
    return [
        f"stack    {made.stack}",
        f"backup   {made.backup.id}, {made.backup.kind}, ended {made.backup.end_at or 'never':%FT%TZ}",
        f"target   {target}",
        f"lost     {lost}",
        f"data     {made.generation} is made, about {size(made.needs_bytes)}; {kept}",
        "         the database stops until it is proven; the service spools meanwhile",
    ]


def _backup(told: Mapping[str, Any]) -> Backup:
    end_at = told["end_at"]
    return Backup(**{**told, "end_at": datetime.fromisoformat(end_at) if end_at else None})
