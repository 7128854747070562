"""Makes a generation out of a backup, inside a one-shot container: recovered, proven, a server of its own.

It stops first where the backup's manifest was taken and must show the very same figures; only then it goes on
to what was asked for. Nothing that serves is touched.
"""

import time
from dataclasses import dataclass
from datetime import datetime

from runbook.backup import manifest as manifests
from runbook.backup.barman import Barman
from runbook.backup.catalog import Detail
from runbook.backup.manifest import Content, Manifest
from runbook.backup.mark import measured
from runbook.backup.place import Place
from runbook.backup.recover import Recovered, Target, recover
from runbook.backup.scratch import Scratch
from runbook.errors import CheckFailed
from runbook.restore.generations import Volume
from runbook.restore.receiver import all_histories
from runbook.terminal import Progress, size

LIMIT_S = 4 * 3600.0
DECISIONS = "public.decision_insights"
WAL_ENDS = "the WAL ends before"


@dataclass(frozen=True)
class Built:
    """What the new generation holds. `partial`: the segment that only the receiver had."""

    backupId: str  # noqa: N815 - as the other facts of backups are named
    timeline: int
    rows: int
    decisions: int
    newest: str | None
    partial: str | None
    compared: bool


@dataclass(frozen=True)
class Order:
    """What is to be made; `to` None means all there is."""

    generation: str
    backup_id: str
    to: datetime | None = None


def build(barman: Barman, place: Place, volume: Volume, order: Order, progress: Progress) -> Built:
    with volume.held():
        volume.sweep()
        backup = barman.detail(order.backup_id)
        manifest = manifests.read(place.manifests / f"{backup.id}.json")
        with progress.step("copy the data and the WAL"):
            recovered = _recovered(barman, place, volume, order, backup, progress)
        server = Scratch(
            volume.folder_of(order.generation), place, manifest.content.max_connections, time.monotonic
        )
        try:
            compared = _compared(server, manifest, order, progress)
            with progress.step("replay to the target"):
                _finish(server, Target(time=order.to), progress)
            with progress.step("count"):
                return _built(server, recovered, manifest, compared=compared)
        finally:
            server.stop()


def _recovered(
    barman: Barman, place: Place, volume: Volume, order: Order, backup: Detail, progress: Progress
) -> Recovered:
    folder = volume.folder_of(order.generation)
    folder.mkdir(mode=0o700)
    data = folder / "data"

    def tell() -> None:
        held = sum(one.stat().st_size for one in data.rglob("*") if one.is_file())
        progress.say(f"{size(held)} of about {size(backup.cluster_bytes)}")

    recovered = recover(barman, place, backup, data, Target(), tell)
    all_histories(place, data / "pg_wal")
    progress.say(f"{recovered.segments} WAL segments, up to {recovered.partial or recovered.newest_segment}")
    return recovered


def _compared(server: Scratch, manifest: Manifest, order: Order, progress: Progress) -> bool:
    """False where the target lies before the manifest: then there is nothing to compare with."""
    if order.to is not None and order.to < datetime.fromisoformat(manifest.at):
        progress.say("the target is before the backup's manifest: only its versions can be compared")
        return False
    with progress.step("compare with the backup's manifest"):
        server.replay_to(Target(mark=manifest.mark, pause=True), LIMIT_S)
        lines = manifests.differences(manifest.content, _content(server))
        if lines:
            raise CheckFailed("\n".join(["the restored database is not what was backed up", *lines]))
        progress.say(f"{manifest.content.rows:,} rows, as counted on {manifest.at}")
    return True


def _finish(server: Scratch, target: Target, progress: Progress) -> None:
    """A target after the last commit is the end: recovery itself would call that a failure."""
    try:
        server.become(target, LIMIT_S)
    except CheckFailed as reason:
        if target.time is None or WAL_ENDS not in reason.message:
            raise
        progress.say("nothing was committed after the target: all there is")
        server.become(Target(), LIMIT_S)


def _built(server: Scratch, recovered: Recovered, manifest: Manifest, *, compared: bool) -> Built:
    content = _content(server)
    _refuse_other_versions(manifest.content, content)
    with server.session() as session:
        (state,) = session.rows("restored_state")
    newest = content.tables.get(DECISIONS)
    return Built(
        recovered.backup_id,
        state["timeline"],
        content.rows,
        newest.rows if newest else 0,
        newest.newest if newest else None,
        recovered.partial,
        compared,
    )


def _refuse_other_versions(expected: Content, found: Content) -> None:
    wrong = [
        f"extension {name} is {found.extensions.get(name, 'missing')}, the backup had {version}"
        for name, version in expected.extensions.items()
        if found.extensions.get(name) != version
    ]
    if wrong:
        raise CheckFailed("\n".join(wrong))


def _content(server: Scratch) -> Content:
    with server.session() as session:
        return measured(session)
