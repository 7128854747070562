"""`amas backup prove`: a restore that is started, asked and compared with what the live database said.

Two moments are looked at in one recovery: that of the backup's manifest, and one just before the proof, which
only the newest WAL knows. Nothing is written to the live database but the name of that moment.
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook.backup import manifest as manifests
from runbook.backup import mark, offsite, proof, records, restic
from runbook.backup.alone import alone, ended_by_signals, within
from runbook.backup.barman import Barman
from runbook.backup.catalog import Detail, chosen
from runbook.backup.manifest import Manifest
from runbook.backup.place import Place
from runbook.backup.proof import Proof
from runbook.backup.recover import Target, recover
from runbook.backup.scratch import Scratch
from runbook.backup.verify import verify
from runbook.errors import AmasError, CheckFailed
from runbook.terminal import Progress, size

LIMIT_S = 3600.0


@dataclass(frozen=True)
class Run:
    """One proof: what is restored from where, into which folder."""

    barman: Barman
    place: Place
    folder: Path
    limit_s: float
    progress: Progress
    began: datetime
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Newest:
    """A moment of now on the live database, and how long its WAL took to get here."""

    manifest: Manifest
    rpo_s: float


def prove(
    barman: Barman, place: Place, backup_id: str | None, limit_s: float, progress: Progress
) -> dict[str, Any]:
    """The facts of the proof, which are recorded whether it holds or not; raises what made it fail."""
    return _recorded(place, place.last_proof, backup_id, limit_s, progress, barman, _local)


def prove_offsite(
    barman: Barman, place: Place, backup_id: str | None, limit_s: float, progress: Progress
) -> dict[str, Any]:
    """The same of the copy off site, brought back first; its newest minutes are not there."""
    return _recorded(place, place.last_offsite_proof, backup_id, limit_s, progress, barman, _from_offsite)


def _recorded(  # noqa: PLR0913, PLR0917 - what both kinds share
    place: Place,
    record: Path,
    backup_id: str | None,
    limit_s: float,
    progress: Progress,
    barman: Barman,
    proven: Callable[[Run, str | None], Proof],
) -> dict[str, Any]:
    began = datetime.now(UTC)
    try:
        with alone(place) as folder, ended_by_signals(), within(limit_s):
            # What incremental backups are put together in goes with the folder.
            barman = barman.with_settings(folder / "barman.conf", {"local_staging_path": folder / "staging"})
            facts = proven(Run(barman, place, folder, limit_s, progress, began), backup_id).as_json()
    except AmasError as error:
        if error.exit_code == CheckFailed.exit_code:
            records.write(record, proof.failure(error, backup_id, began))
        raise
    records.write(record, facts)
    return facts


def _local(run: Run, backup_id: str | None) -> Proof:
    backup = _chosen(run.barman, backup_id)
    manifest = _checked(run, backup)
    with run.progress.step("name this moment on the live database"):
        newest = _newest(backup)
    return _restored(run, backup, manifest, newest, run.clock())


def _from_offsite(run: Run, backup_id: str | None) -> Proof:
    """Local backups do not count: the copy has to know by itself what is in it."""
    started, repository, into = run.clock(), restic.of(run.place), run.folder / "offsite"
    with run.progress.step("bring the copy's catalog back"):
        barman, place = offsite.catalog_of(repository, run.barman, into)
        backup = _chosen(barman, backup_id)
    with run.progress.step(f"bring {backup.id} back"):
        offsite.bring_back(repository, barman, backup, into)
    away = replace(run, barman=barman, place=place)
    return _restored(away, backup, _checked(away, backup), None, started)


def _chosen(barman: Barman, backup_id: str | None) -> Detail:
    return barman.detail(chosen(barman.backups(), backup_id, None).id)


def _checked(run: Run, backup: Detail) -> Manifest:
    """All that can be known before anything is restored."""
    manifest = manifests.read(run.place.manifests / f"{backup.id}.json")
    proof.refuse_empty(manifest)
    with run.progress.step(f"verify the files of {backup.id}"):
        copies = verify(run.barman, run.place, backup)
        proof.refuse_full_disk(
            shutil.disk_usage(run.folder).free, backup.cluster_bytes, _wal_bytes(run.place)
        )
        run.progress.say(f"{copies} {'copy' if copies == 1 else 'copies, one upon the other'}")
    return manifest


def _newest(backup: Detail) -> Newest:
    if not mark.reachable(mark.live):
        raise CheckFailed(
            f"the newest minutes cannot be proven: the live database does not answer, and backup {backup.id}"
            " was not restored",
            "amas status",
        )
    manifest = mark.taken(mark.live, mark.mark_of(datetime.now(UTC)))
    with mark.live() as session:
        return Newest(manifest, mark.received_after_s(session, manifest.lsn))


def _restored(run: Run, backup: Detail, manifest: Manifest, newest: Newest | None, started: float) -> Proof:
    last = newest.manifest if newest else manifest
    connections = max(one.content.max_connections for one in (manifest, last))
    scratch = Scratch(run.folder, run.place, connections, run.clock)
    target = Target(mark=manifest.mark, pause=True)
    with run.progress.step("restore"):
        recover(run.barman, run.place, backup, scratch.data, target, lambda: _tell_size(run, scratch.data))
        restored_bytes = _bytes_below(scratch.data)
    taken_s = run.clock() - started
    try:
        with run.progress.step("start, and compare with the manifest"):
            taken_s += _replayed(run, scratch, manifest, f"backup {backup.id}")
        if newest:
            with run.progress.step("go on to the moment named, and compare with the live database"):
                taken_s += _replayed(run, scratch, newest.manifest, f"backup {backup.id} with the newest WAL")
        with run.progress.step("make it a server of its own, and read insights"):
            taken_s += _serves(run, scratch, last)
    finally:
        scratch.stop()
    return Proof(
        backup_id=backup.id,
        checked_at=run.began.isoformat(timespec="seconds"),
        rows=manifest.content.rows,
        tables=len(manifest.content.tables),
        pitr_rows=newest.manifest.content.rows if newest else None,
        rto_s=taken_s,
        rpo_s=newest.rpo_s if newest else None,
        took_s=(datetime.now(UTC) - run.began).total_seconds(),
        restored_bytes=restored_bytes,
    )


def _replayed(run: Run, scratch: Scratch, expected: Manifest, what: str) -> float:
    """Seconds until it could be read; what is compared then does not count as restoring."""
    started = run.clock()
    scratch.replay_to(Target(mark=expected.mark, pause=True), run.limit_s)
    taken_s = run.clock() - started
    with scratch.session(run.limit_s) as session:
        # The rows first: where they are gone, whatever else is asked ends in an error that says less.
        tables = mark.tables_of(session)
        proof.refuse_other_rows(what, expected.content, tables)
        proof.refuse_differences(what, expected.content, mark.measured(session, tables))
    return taken_s


def _serves(run: Run, scratch: Scratch, expected: Manifest) -> float:
    started = run.clock()
    scratch.promote(run.limit_s)
    with scratch.session(run.limit_s) as session:
        (read,) = session.rows("backup_newest_insights")
    if read["rows"] != expected.content.newest.rows:
        raise CheckFailed(
            f"the restored server reads {read['rows']} insights, the live one {expected.content.newest.rows}",
            "amas backup now --full",
        )
    return run.clock() - started


def _wal_bytes(place: Place) -> int:
    """What is copied beside the data; archived segments are smaller than they will be."""
    held = sum(1 for _ in place.wals.glob("*/*")) + sum(1 for _ in place.streaming.iterdir())
    return held * (16 << 20)


def _bytes_below(folder: Path) -> int:
    return sum(one.lstat().st_size for one in folder.rglob("*") if one.is_file())


def _tell_size(run: Run, folder: Path) -> None:
    run.progress.say(f"{size(_bytes_below(folder))} so far")
