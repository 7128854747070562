"""What the WAL receiver has to know of a restore: the new timeline begins where its server does.

The receiver goes on from its newest file. After a restore that one may belong to a history the server no
longer has; and where it began anew at the server's present position, a piece between would be missing.
"""

import shutil
from pathlib import Path

from runbook.backup.place import Place
from runbook.backup.wal import HISTORY, PARTIAL, SEGMENT
from runbook.errors import CheckFailed


def all_histories(place: Place, into: Path) -> None:
    """Every timeline there ever was: without them a second restore would take a number that is taken."""
    for folder in (place.wals, place.streaming):
        for file in folder.glob("*.history"):
            if HISTORY.fullmatch(file.name) and not (into / file.name).exists():
                shutil.copyfile(file, into / file.name)


def hand_over(place: Place, pg_wal: Path, timeline: int, stamp: str) -> str:
    """The new timeline's first segment is what the receiver goes on from; returns its name.

    What it was writing is put aside, not deleted: after a restore to a time it is all that is left of
    what came after.
    """
    first = min((one.name for one in pg_wal.iterdir() if _belongs_to(one.name, timeline)), default=None)
    if first is None:
        raise CheckFailed(f"{pg_wal} has no segment of timeline {timeline}")
    aside = place.home / "state" / "before-restores" / stamp
    aside.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in place.streaming.glob(f"*{PARTIAL}"):
        file.replace(aside / file.name)
    unfinished = place.home / "state" / f".{first}"
    shutil.copyfile(pg_wal / first, unfinished)
    unfinished.replace(place.streaming / f"{first}{PARTIAL}")
    return first


def _belongs_to(name: str, timeline: int) -> bool:
    return bool(SEGMENT.fullmatch(name)) and int(name[:8], 16) == timeline
