"""What is stored of a run: counted by the API, read back trace by trace, purged."""

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from runbook.errors import CheckFailed
from runbook.traffic.check import SPOOLED, Found, Looked, compare
from runbook.traffic.drive import Drive, Progress
from runbook.traffic.line import Outcome
from runbook.traffic.manifest import Entry, Totals, entries
from runbook.traffic.meaning import decoded, hash_of
from runbook.traffic.patience import Patience, at_a_time
from runbook.traffic.wire import Reply, Wire

PURGE_TRIES = 30
DRAIN_TRIES = 30


async def look(drive: Drive, manifest: Path, due: Totals, sample: int | None) -> Looked:
    """Counts the rows, lists every user's traces, and reads one by one what no list showed as it is due.

    A sample is read one by one besides, all with None: by another route, and through the cache.
    """
    looked = Looked(rows=await _rows_once_drained(drive))
    unseen = {entry.content_hash for entry in _stored(manifest)}
    looked.listed = await _seen_in_lists(drive, due, unseen)
    share = 1.0 if sample is None else min(1.0, sample / max(1, due.stored))
    wanted = len(unseen) + int(share * due.stored)
    await _read_one_by_one(drive, _chosen(drive, manifest, unseen, share), wanted, unseen, looked)
    return looked


async def _rows_once_drained(drive: Drive) -> int:
    """A spool may hold some of the acknowledged rows for a while; those that never come are told missing."""
    rows = await rows_of_run(drive.wire, drive.pace.patience)
    for attempt in range(DRAIN_TRIES if drive.sent.statuses[SPOOLED] else 0):
        if rows >= drive.sent.acknowledged:
            break
        await drive.pace.patience.pause(attempt, None)
        rows = await rows_of_run(drive.wire, drive.pace.patience)
    return rows


def _stored(manifest: Path) -> Iterator[Entry]:
    return (entry for entry in entries(manifest) if entry.expected.outcome is Outcome.STORED)


def _chosen(drive: Drive, manifest: Path, unseen: set[str], share: float) -> Iterator[Entry]:
    """Only what was acknowledged: of the rest nothing is promised."""
    rng = random.Random(share)  # noqa: S311 - a sample, not a secret
    return (
        entry
        for entry in _stored(manifest)
        if drive.acknowledged[entry.number] and (rng.random() < share or entry.content_hash in unseen)
    )


async def _seen_in_lists(drive: Drive, due: Totals, unseen: set[str]) -> int:
    """Takes from `unseen` what the lists hold as it is due, and counts it: a hash stands for the id too."""
    whole, started = len(unseen), drive.pace.clock()

    async def read(user_id: str) -> None:
        async for traces in _pages(drive, user_id):
            unseen.difference_update([_hash_of(trace) for trace in traces])
            seen = whole - len(unseen)
            drive.on_progress(Progress(seen, whole, drive.pace.clock() - started))

    await at_a_time(drive.pace.connections, iter(due.users), read)
    return whole - len(unseen)


async def _pages(drive: Drive, user_id: str) -> AsyncIterator[list[object]]:
    """Until the last one, or the first that is no page: what it did not show is read one by one."""
    cursor: str | None = None
    while True:
        reply = await _answer(drive, "/api/insights", partial(drive.wire.page, user_id, cursor))
        page = _decoded(reply)
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            return
        yield page["items"]
        cursor = page.get("nextCursor")
        if not cursor:
            return


async def _read_one_by_one(
    drive: Drive, chosen: Iterator[Entry], wanted: int, unseen: set[str], looked: Looked
) -> None:
    started = drive.pace.clock()

    async def read(entry: Entry) -> None:
        path = f"/api/insights/{entry.decision_id}"
        reply = await _answer(drive, path, partial(drive.wire.insight, entry.decision_id))
        found = Found(reply.status, _hash_of(_decoded(reply)), listed=entry.content_hash not in unseen)
        looked.deviations.add(compare(entry, found))
        looked.read_back += 1
        drive.on_progress(Progress(looked.read_back, wanted, drive.pace.clock() - started))

    await at_a_time(drive.pace.connections, chosen, read)


async def _answer(drive: Drive, path: str, ask: Callable[[], Awaitable[Reply]]) -> Reply:
    """Raises CheckFailed when there is none after all patience: the others would not fare better."""
    reply = await drive.pace.patience.ask(ask)
    if reply.come_back_later:
        raise _refused(f"GET {path}", reply)
    return reply


def _decoded(reply: Reply) -> Any:
    """None when it is no answer, or none in JSON."""
    try:
        return decoded(reply.body) if reply.status == 200 else None
    except ValueError:
        return None


def _hash_of(trace: Any) -> str:
    """Empty when it is no trace."""
    try:
        return hash_of(trace)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


async def rows_of_run(wire: Wire, patience: Patience) -> int:
    reply = await patience.ask(wire.count_run)
    body = reply.json()
    if reply.status == 200 and isinstance(body, dict) and isinstance(body.get("stored"), int):
        return int(body["stored"])
    raise _refused(f"GET /api/runs/{wire.run_id}", reply)


async def purge(wire: Wire, patience: Patience) -> int:
    """The rows that are left. A purge that outlasts the load balancer's patience goes on behind it."""
    for attempt in range(PURGE_TRIES):
        reply = await wire.purge_run()
        if 400 <= reply.status < 500 and not reply.come_back_later:
            raise _refused(f"DELETE /api/runs/{wire.run_id}", reply)
        left = await rows_of_run(wire, patience)
        if not left:
            return 0
        await patience.pause(attempt, None)
    return left


def _refused(request: str, reply: Reply) -> CheckFailed:
    try:
        detail = json.loads(reply.body).get("detail")
    except (ValueError, AttributeError):
        detail = reply.body[:160].decode(errors="replace")
    came = f"{reply.status} {detail}" if reply.status else f"no answer: {detail}"
    return CheckFailed(f"{request}: {came}", "amas status")
