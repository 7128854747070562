"""The durable spool beside the database: a Redis stream whose server answers after its fsync.

Entries leave it only after the database's COMMIT. It has no length of its own: a Redis that is nearly
full takes no further entry, and so the sender hears it; trimming would drop what was acknowledged.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from service.errors import StoreUnavailable
from service.insights import trace
from service.insights.decision import Decision, Refusal
from service.insights.queue import BATCH_BYTES
from service.redisdb import Redis, RedisError, translated

STREAM = "amas:spool"
# The ids that wait and how to ask for one; kept beside the stream, since a stream has no index.
WAITING = "amas:spool:ids"
GROUP = "drain"
VERSION = b"1"
# Whoever holds an entry for so long is gone: longer than three statements may take.
CLAIM_AFTER = timedelta(seconds=30)
# What one claim brings at most: it is one statement of the database then.
CLAIM_BYTES = BATCH_BYTES
# Entries of one answer, so that it is not cut: what is lost on its way counts as a delivery.
ANSWER_ENTRIES = 64
# From so much of the server's memory on nothing is added: what steers the replicas needs room there too.
FULL_PERCENT = 90.0
# How old the fill may be that an entry is added by.
FILL_S = 1.0
_START = b"0-0"
_AT_ONCE_MS = 24 * 3600 * 1000
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


class Spooled(msgspec.Struct, frozen=True):
    """A trace as it came. A row is a function of these bytes and the run, so they are enough."""

    decision_id: str
    raw: bytes
    run_id: str | None
    received_at: datetime


class Claimed(msgspec.Struct, frozen=True):
    """An entry that this replica has to bring into the database, or to give back."""

    entry_id: str
    # How often it was handed out, this time included.
    deliveries: int
    # None when the entry is in a form that is not known here: of a later version, or broken.
    spooled: Spooled | None
    # Of whatever form: the id it is filed under, and its bytes.
    decision_id: str
    raw: bytes


class State(msgspec.Struct, frozen=True):
    """What the spool tells of itself."""

    length: int
    # When the oldest entry was added; None when there is none.
    oldest: datetime | None
    # Percent of the memory that the server may use; None without a bound.
    fill_percent: float | None


class Spool(Protocol):
    """Every method raises StoreUnavailable. The in-memory twin is in testing_spool.py."""

    # Entries there are, as far as is known here: as of the drain's last look.
    known_length: int

    async def add(self, entries: Sequence[Spooled]) -> None:
        """Durable on return, all of them. After an error nobody knows, which ids make safe.

        Refused from FULL_PERCENT of the memory on.
        """

    async def claim(self, most: int) -> list[Claimed]:
        """Entries nobody else holds, those of a replica that is gone first; CLAIM_BYTES of them at most."""

    async def finish(self, claimed: Sequence[Claimed]) -> None:
        """They are in the database or in the dead letters. May be told twice."""

    async def give_back(self, claimed: Sequence[Claimed], *, tried: bool) -> None:
        """Anybody may claim them now; without `tried` this delivery does not count."""

    async def holds(self, decision_id: str) -> bool:
        """Whether a trace of that id waits."""

    async def count(self) -> int:
        """Entries there are; `known_length` is that from now on."""

    async def state(self) -> State:
        """For the metrics and the alerts."""


def decision_of(spooled: Spooled) -> Decision | Refusal:
    """The row it becomes, however long it waited: its age was judged when it was received."""
    age = spooled.received_at - _BEGINNING
    return trace.parse(spooled.raw, spooled.received_at, age, spooled.run_id)


class RedisSpool:
    """One stream for all replicas, a consumer for each."""

    def __init__(
        self,
        redis: Redis,
        consumer: str,
        claim_after: timedelta = CLAIM_AFTER,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis: Any = redis
        self._consumer = consumer
        self._claim_after_ms = round(claim_after.total_seconds() * 1000)
        self._clock = clock
        self._grouped = False
        self._at_once = ANSWER_ENTRIES
        self._fill_percent: float | None = None
        self._filled_at = float("-inf")
        self.known_length = 0

    async def add(self, entries: Sequence[Spooled]) -> None:
        """One transaction, so one fsync, whose end the answer waits for."""
        with translated():
            await self._demand_room()
            if not self._grouped:
                # Before there are entries: a full server would make no group, and never be drained.
                await self._make_group()
            async with self._redis.pipeline(transaction=True) as pipe:
                for one in entries:
                    pipe.xadd(STREAM, _fields(one))
                pipe.hset(WAITING, mapping={one.decision_id: b"1" for one in entries})
                await pipe.execute()
        self.known_length += len(entries)

    async def _demand_room(self) -> None:
        """Asks no more than once in FILL_S, and each time while there was no room."""
        full = self._fill_percent is not None and self._fill_percent >= FULL_PERCENT
        if full or self._clock() - self._filled_at >= FILL_S:
            self._note_fill(await self._redis.info("memory"))
        if self._fill_percent is not None and self._fill_percent >= FULL_PERCENT:
            raise StoreUnavailable(
                f"the spool is full: {self._fill_percent:.0f} % of its server's maxmemory is used"
            )

    def _note_fill(self, memory: dict[str, int]) -> None:
        most = memory.get("maxmemory", 0)
        self._fill_percent = 100 * memory["used_memory"] / most if most else None
        self._filled_at = self._clock()

    async def claim(self, most: int) -> list[Claimed]:
        claimed: list[Claimed] = []
        start: bytes | None = _START
        try:
            while step := self._step(most, claimed):
                with translated():
                    came, start = await self._claim_made(step, start)
                claimed += came
                if len(came) < step:
                    break
        except StoreUnavailable:
            self._at_once = max(1, self._at_once // 2)
            if not claimed:
                raise
        except asyncio.CancelledError:
            await self.give_back(claimed, tried=False)
            raise
        else:
            self._at_once = min(ANSWER_ENTRIES, self._at_once * 2)
        return claimed

    def _step(self, most: int, claimed: Sequence[Claimed]) -> int:
        """Entries to ask for next: as many as fit even if each is as large as may be."""
        room_bytes = CLAIM_BYTES - sum(len(one.raw) for one in claimed)
        return max(0, min(self._at_once, most - len(claimed), room_bytes // trace.MOST_BYTES))

    async def _claim_made(self, most: int, start: bytes | None) -> tuple[list[Claimed], bytes | None]:
        """Of the group, which is made once more if it is gone."""
        try:
            return await self._claim(most, start)
        except RedisError as error:
            if "NOGROUP" not in str(error):
                raise
        await self._make_group()
        return await self._claim(most, start)

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except RedisError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._grouped = True

    async def _claim(self, most: int, start: bytes | None) -> tuple[list[Claimed], bytes | None]:
        """And where to look on for those of the gone; None when all have been looked at."""
        left, start = await self._of_the_gone(most, start)
        if len(left) == most:
            return left, start
        fresh = await self._redis.xreadgroup(GROUP, self._consumer, {STREAM: ">"}, most - len(left))
        return [*left, *(_claimed(entry, 1) for entry in _entries(fresh))], start

    async def _of_the_gone(self, most: int, start: bytes | None) -> tuple[list[Claimed], bytes | None]:
        entries: list[Any] = []
        while start is not None and not entries:
            # It looks at ten for each it may claim: those may all be held.
            start, found, *_ = await self._redis.xautoclaim(
                *(STREAM, GROUP, self._consumer, self._claim_after_ms, start), count=most
            )
            entries = [entry for entry in found if entry[1]]
            start = None if start == _START else start
        return await self._counted(entries, most), start

    async def _counted(self, entries: list[Any], most: int) -> list[Claimed]:
        """With how often each was delivered."""
        if not entries:
            return []
        first, last = entries[0][0], entries[-1][0]
        rows = await self._redis.xpending_range(STREAM, GROUP, first, last, most, self._consumer)
        times = {row["message_id"]: row["times_delivered"] for row in rows}
        return [_claimed(entry, times.get(entry[0], 1)) for entry in entries]

    async def finish(self, claimed: Sequence[Claimed]) -> None:
        if not claimed:
            return
        ids = [one.entry_id for one in claimed]
        with translated():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.xack(STREAM, GROUP, *ids)
                pipe.xdel(STREAM, *ids)
                pipe.hdel(WAITING, *(one.decision_id for one in claimed))
                await pipe.execute()
        self.known_length = max(0, self.known_length - len(ids))

    async def give_back(self, claimed: Sequence[Claimed], *, tried: bool) -> None:
        counts: dict[int, list[str]] = defaultdict(list)
        for one in claimed:
            counts[one.deliveries if tried else one.deliveries - 1].append(one.entry_id)
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for count, ids in counts.items():
                    pipe.xclaim(
                        *(STREAM, GROUP, self._consumer, 0, ids),
                        idle=_AT_ONCE_MS,
                        retrycount=count,
                        justid=True,
                    )
                await pipe.execute()

    async def holds(self, decision_id: str) -> bool:
        with translated():
            return bool(await self._redis.hexists(WAITING, decision_id))

    async def count(self) -> int:
        with translated():
            self.known_length = int(await self._redis.xlen(STREAM))
        return self.known_length

    async def state(self) -> State:
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xlen(STREAM)
                pipe.xrange(STREAM, count=1)
                pipe.info("memory")
                length, first, memory = await pipe.execute()
        self._note_fill(memory)
        return State(length, _added_at(first[0][0]) if first else None, self._fill_percent)

    async def leave(self) -> None:
        """Forget this consumer if it holds nothing: a new process takes a new name."""
        try:
            async with asyncio.timeout(1):
                if not await self._redis.xpending_range(STREAM, GROUP, "-", "+", 1, self._consumer):
                    await self._redis.xgroup_delconsumer(STREAM, GROUP, self._consumer)
        except (RedisError, OSError, TimeoutError):
            pass

    async def close(self) -> None:
        await self.leave()
        await self._redis.aclose()


def _fields(one: Spooled) -> dict[bytes, bytes]:
    """Names are short and always the same: a stream keeps names that repeat only once."""
    return {
        b"v": VERSION,
        b"id": one.decision_id.encode(),
        b"at": one.received_at.isoformat().encode(),
        b"run": (one.run_id or "").encode(),
        b"raw": one.raw,
    }


def _entries(answer: Any) -> list[tuple[bytes, Any]]:
    """XREADGROUP's entries, in either of the forms that the client gives them."""
    if not answer:
        return []
    streams = answer.values() if isinstance(answer, dict) else [entries for _, entries in answer]
    (entries,) = streams
    if entries and isinstance(entries[0], list) and entries[0] and isinstance(entries[0][0], tuple):
        (entries,) = entries
    return list(entries)


def _claimed(entry: tuple[bytes, dict[bytes, bytes]], deliveries: int) -> Claimed:
    entry_id, fields = entry
    decision_id = fields.get(b"id", b"").decode("utf-8", "replace")
    raw = fields.get(b"raw") or repr(fields).encode()
    return Claimed(entry_id.decode(), deliveries, _spooled(fields), decision_id, raw)


def _spooled(fields: dict[bytes, bytes]) -> Spooled | None:
    if fields.get(b"v") != VERSION:
        return None
    try:
        received_at = datetime.fromisoformat(fields[b"at"].decode())
        return Spooled(fields[b"id"].decode(), fields[b"raw"], fields[b"run"].decode() or None, received_at)
    except (KeyError, ValueError):
        return None


def _added_at(entry_id: bytes) -> datetime:
    return datetime.fromtimestamp(int(entry_id.partition(b"-")[0]) / 1000, UTC)


def age_s(state: State, now: datetime) -> float:
    """How long the oldest entry has waited."""
    return max(0.0, (now - state.oldest).total_seconds()) if state.oldest else 0.0
