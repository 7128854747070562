"""What is stored of a run: counted by the API, read back trace by trace, purged."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from runbook.errors import CheckFailed
from runbook.traffic.check import Looked, compare
from runbook.traffic.drive import Drive, Progress
from runbook.traffic.line import Outcome
from runbook.traffic.manifest import Entry, Totals, entries
from runbook.traffic.meaning import content_hash
from runbook.traffic.patience import Patience, at_a_time
from runbook.traffic.wire import Reply, Wire

PURGE_TRIES = 30


async def look(drive: Drive, manifest: Path, due: Totals, sample: int | None) -> Looked:
    """Reads a sample back, or all: when asked (`sample` None), and when the count tells of missing rows."""
    wire, pace = drive.wire, drive.pace
    looked = Looked(rows=await rows_of_run(wire, pace.patience))
    share = 1.0 if sample is None or looked.rows != due.stored else min(1.0, sample / max(1, due.stored))
    started = pace.clock()

    async def read(entry: Entry) -> None:
        reply = await pace.patience.ask(lambda: wire.insight(entry.decision_id))
        acknowledged = bool(drive.acknowledged[entry.number])
        looked.deviations.add(compare(entry, reply.status, _hash_of(reply), acknowledged=acknowledged))
        looked.read_back += 1
        drive.on_progress(Progress(looked.read_back, int(due.stored * share), pace.clock() - started))

    await at_a_time(pace.connections, _chosen(manifest, share), read)
    return looked


def _chosen(manifest: Path, share: float) -> Iterator[Entry]:
    rng = random.Random(share)  # noqa: S311 - a sample, not a secret
    stored = (entry for entry in entries(manifest) if entry.expected.outcome is Outcome.STORED)
    return (entry for entry in stored if rng.random() < share)


def _hash_of(reply: Reply) -> str | None:
    if reply.status != 200:
        return None
    try:
        return content_hash(reply.body)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


async def rows_of_run(wire: Wire, patience: Patience) -> int:
    reply = await patience.ask(wire.count_run)
    body = reply.json()
    if reply.status == 200 and isinstance(body, dict) and isinstance(body.get("stored"), int):
        return int(body["stored"])
    raise _refused("GET", wire, reply)


async def purge(wire: Wire, patience: Patience) -> int:
    """The rows that are left. A purge that outlasts the load balancer's patience goes on behind it."""
    for attempt in range(PURGE_TRIES):
        reply = await wire.purge_run()
        if 400 <= reply.status < 500 and not reply.come_back_later:
            raise _refused("DELETE", wire, reply)
        left = await rows_of_run(wire, patience)
        if not left:
            return 0
        await patience.pause(attempt, None)
    return left


def _refused(method: str, wire: Wire, reply: Reply) -> CheckFailed:
    try:
        detail = json.loads(reply.body).get("detail")
    except (ValueError, AttributeError):
        detail = reply.body[:160].decode(errors="replace")
    came = f"{reply.status} {detail}" if reply.status else f"no answer: {detail}"
    return CheckFailed(f"{method} /api/runs/{wire.run_id}: {came}", "amas status")
