"""`amas backup prove`: a restore that is started, asked and compared with what the live database said.

Two moments are looked at in one recovery: that of the backup's manifest, and one just before the proof, which
only the newest WAL knows. Nothing is written to the live database but the name of that moment.
"""

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from runbook.backup import manifest as manifests
from runbook.backup import mark, proof
from runbook.backup.barman import Barman
from runbook.backup.catalog import Detail, chosen
from runbook.backup.manifest import Manifest
from runbook.backup.place import Place
from runbook.backup.proof import Proof
from runbook.backup.recover import Target, recover
from runbook.backup.scratch import Scratch, alone
from runbook.backup.verify import verify
from runbook.errors import AmasError, CheckFailed
from runbook.terminal import Progress, size

LIMIT_S = 3600.0


def prove(
    barman: Barman, place: Place, backup_id: str | None, limit_s: float, progress: Progress
) -> dict[str, Any]:
    """The facts of the proof, which are recorded whether it holds or not; raises what made it fail."""
    began = datetime.now(UTC).isoformat(timespec="seconds")
    tried: str | None = backup_id
    try:
        with alone(place) as folder, ended_by_signals(), _within(limit_s):
            backup = barman.detail(chosen(barman.backups(), backup_id, None).id)
            tried = backup.id
            facts = _proven(barman, place, backup, folder, limit_s, progress, began).as_json()
    except AmasError as error:
        if error.exit_code == CheckFailed.exit_code:
            proof.record(place, proof.failure(error, tried, began))
        raise
    proof.record(place, facts)
    return facts


def _proven(  # noqa: PLR0913, PLR0917 - what one flow needs
    barman: Barman,
    place: Place,
    backup: Detail,
    folder: Path,
    limit_s: float,
    progress: Progress,
    began: str,
) -> Proof:
    clock = time.monotonic
    started = clock()
    manifest = manifests.read(place.manifests / f"{backup.id}.json")
    proof.refuse_empty(manifest)
    with progress.step(f"verify the files of {backup.id}"):
        copies = verify(barman, place, backup)
        proof.refuse_full_disk(shutil.disk_usage(folder).free, backup.cluster_bytes, _wal_bytes(place))
        progress.say(f"{copies} {'copy' if copies == 1 else 'copies, one upon the other'}")
    with progress.step("name this moment on the live database"):
        newest, rpo_s = _newest(manifest)
    restoring = clock()
    with progress.step("restore"):
        scratch = Scratch(
            folder, place, max(one.content.max_connections for one in (manifest, newest)), clock
        )
        target = Target(mark=manifest.mark, pause=True)
        recover(barman, place, backup, scratch.data, target, lambda: _tell_size(scratch.data, progress))
        restored_bytes = _bytes_below(scratch.data)
    restored_s = clock() - restoring
    try:
        with progress.step("start, and compare with the manifest"):
            replayed_s = _replayed(scratch, target, manifest, "the backup", limit_s, clock)
        with progress.step("go on to the moment named, and compare with the live database"):
            pitr_s = _replayed(
                scratch, Target(mark=newest.mark, pause=True), newest, "the newest", limit_s, clock
            )
        with progress.step("make it a server of its own, and read insights"):
            promoting = clock()
            _serves(scratch, newest, limit_s)
            promoted_s = clock() - promoting
    finally:
        scratch.stop()
    return Proof(
        backup_id=backup.id,
        checked_at=began,
        rows=manifest.content.rows,
        tables=len(manifest.content.tables),
        pitr_rows=newest.content.rows,
        rto_s=restored_s + replayed_s + pitr_s + promoted_s,
        rpo_s=rpo_s,
        took_s=clock() - started,
        restored_bytes=restored_bytes,
    )


def _newest(manifest: Manifest) -> tuple[Manifest, float]:
    if not mark.reachable(mark.live):
        raise CheckFailed(
            f"the newest minutes cannot be proven: the live database does not answer (backup {manifest.mark}"
            " was not looked at)",
            "amas status",
        )
    newest = mark.taken(mark.live, mark.mark_of(datetime.now(UTC)))
    with mark.live() as session:
        return newest, mark.received_after_s(session, newest.lsn)


def _replayed(
    scratch: Scratch,
    target: Target,
    expected: Manifest,
    what: str,
    limit_s: float,
    clock: Callable[[], float],
) -> float:
    """Seconds until it could be read; what is compared then does not count as restoring."""
    started = clock()
    scratch.replay_to(target, limit_s)
    took_s = clock() - started
    with scratch.session(limit_s) as session:
        proof.refuse_differences(what, expected.content, mark.measured(session))
    return took_s


def _serves(scratch: Scratch, expected: Manifest, limit_s: float) -> None:
    scratch.promote(limit_s)
    with scratch.session(limit_s) as session:
        (read,) = session.rows("backup_newest_insights")
    if read["rows"] != expected.content.newest.rows:
        raise CheckFailed(
            f"the restored server reads {read['rows']} insights, the live one {expected.content.newest.rows}",
            "amas backup now --full",
        )


def _wal_bytes(place: Place) -> int:
    """What is copied beside the data; archived segments are smaller than they will be."""
    held = sum(1 for _ in place.wals.glob("*/*")) + sum(1 for _ in place.streaming.iterdir())
    return held * (16 << 20)


def _bytes_below(folder: Path) -> int:
    return sum(one.lstat().st_size for one in folder.rglob("*") if one.is_file())


def _tell_size(folder: Path, progress: Progress) -> None:
    progress.say(f"{size(_bytes_below(folder))} so far")


class Ended(CheckFailed):
    """The proof was told to stop, or took too long."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """A proof that is stopped stops its server and sweeps its folder, as one that ends by itself."""

    def end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the form signals have
        raise Ended(f"the proof was ended by {signal.Signals(number).name}", "amas backup prove")

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _within(limit_s: float) -> Iterator[None]:
    """A server that hangs is ended with the proof."""

    def end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the form signals have
        raise Ended(f"the proof hung: it was not over within {limit_s:.0f} s", "amas logs backup")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
