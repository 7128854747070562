"""Brings the schema up to date: numbered files, each in one transaction, recorded with its checksum."""

import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from service import db
from service.errors import ServiceError

MIGRATIONS = db.SQL_DIR / "migrations"
WAIT_S = 60.0

Say = Callable[[str], None]


class MigrationRefused(ServiceError):
    """The files and the database disagree about the past."""


@dataclass(frozen=True)
class Migration:
    """One file; the checksum is of its bytes."""

    number: int
    name: str
    text: str
    checksum: str


def main() -> int:
    """`python -m service.migrate`, with DATABASE_URL (or DATABASE_URL_FILE) of the owner."""
    say = _speaker(time.monotonic())
    try:
        url = _url(os.environ)
        applied = migrate(url, files(MIGRATIONS), say)
    except (ServiceError, OSError, ValueError) as error:
        say(f"failed: {error}")
        return 1
    say(f"schema is up to date, {applied} applied now")
    return 0


def migrate(url: str, wanted: list[Migration], say: Say, wait_s: float = WAIT_S) -> int:
    """How many were applied now. Only one migrates at a time; the others wait and find nothing to do."""
    with db.owner_session(url, wait_s, say) as owner:
        say("waiting for the migration lock")
        owner.lock()
        recorded = owner.recorded()
        check(wanted, recorded)
        pending = [one for one in wanted if one.number not in recorded]
        for one in pending:
            say(f"applying {one.name}")
            owner.apply(one.text, one.number, one.name, one.checksum)
        return len(pending)


def files(folder: Path) -> list[Migration]:
    """In order of their numbers, which start at 1 and leave no gap."""
    found = [_migration(path) for path in sorted(folder.glob("*.sql"))]
    for expected, one in enumerate(found, 1):
        if one.number != expected:
            raise MigrationRefused(f"{one.name} has number {one.number:04}, expected {expected:04}")
    return found


def _migration(path: Path) -> Migration:
    match = re.fullmatch(r"(\d{4})_\w+\.sql", path.name)
    if match is None:
        raise MigrationRefused(f"{path.name} is not named NNNN_words.sql")
    content = path.read_bytes()
    return Migration(int(match[1]), path.name, content.decode(), hashlib.sha256(content).hexdigest())


def check(wanted: list[Migration], recorded: Mapping[int, tuple[str, str]]) -> None:
    """Raises MigrationRefused when a migration was edited after it was applied.

    One that is unknown here is newer, of a release that was rolled back: a migration only adds what the
    release before it can do without.
    """
    known = {one.number: one for one in wanted}
    for number, (name, checksum) in sorted(recorded.items()):
        if number in known and known[number].checksum != checksum:
            raise MigrationRefused(
                f"{name} was edited after it was applied: restore it and add a new migration instead"
            )


def _url(environ: Mapping[str, str]) -> str:
    path = environ.get("DATABASE_URL_FILE")
    url = Path(path).read_text(encoding="utf-8").strip() if path else environ.get("DATABASE_URL", "")
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("DATABASE_URL must be a postgresql:// address of the owner role")
    return url


def _speaker(start: float) -> Say:
    def say(line: str) -> None:
        print(f"migrate {time.monotonic() - start:5.1f} s: {line}", flush=True)  # noqa: T201  # its output

    return say


if __name__ == "__main__":
    sys.exit(main())
