"""Whether what lies on the backup volume is what was backed up: file by file, segment by segment."""

import subprocess
from collections.abc import Sequence

from runbook.backup.barman import Barman
from runbook.backup.catalog import Detail
from runbook.backup.place import Place
from runbook.backup.recover import refuse_holes
from runbook.errors import CheckFailed

SAID_LINES = 3


def verify(barman: Barman, place: Place, backup: Detail) -> int:
    """Every file against its checksum of the way in, back to the full backup; returns how many copies."""
    chain = barman.chain(backup)
    for one in chain:
        _files(place, one)
    refuse_holes(place, backup)
    return len(chain)


def _files(place: Place, backup: Detail) -> None:
    # WAL is archived apart from the copy and looked at by itself.
    command = ["pg_verifybackup", "--no-parse-wal", "--quiet", "--exit-on-error", str(place.base(backup.id))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise tampered(backup.id, done.stderr.splitlines())


def tampered(backup_id: str, said: Sequence[str]) -> CheckFailed:
    reason = "; ".join(line.removeprefix("pg_verifybackup: ").strip() for line in said[:SAID_LINES])
    return CheckFailed(
        f"backup {backup_id} is not what was backed up: {reason or 'pg_verifybackup says no'}",
        "amas backup now --full",
    )
