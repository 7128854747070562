"""The durable spool beside the database: a Redis stream whose server answers after its fsync.

Entries leave it only after the database's COMMIT. It has no length of its own: a full Redis refuses
the next entry (noeviction), and so the sender hears it; trimming would drop what was acknowledged.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec

from service.insights import trace
from service.insights.decision import Decision, Refusal
from service.redisdb import Redis, RedisError, translated

STREAM = "amas:spool"
# The ids that wait and how to ask for one; kept beside the stream, since a stream has no index.
WAITING = "amas:spool:ids"
GROUP = "drain"
VERSION = b"1"
# Whoever holds an entry for so long is gone: longer than three statements may take.
CLAIM_AFTER = timedelta(seconds=30)
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

    # Entries there are, as far as is known here: at most one poll of the drain old.
    known_length: int

    async def add(self, entries: Sequence[Spooled]) -> None:
        """Durable on return, all of them. After an error nobody knows, which ids make safe."""

    async def claim(self, most: int) -> list[Claimed]:
        """Entries nobody else holds, those of a replica that is gone first."""

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

    def __init__(self, redis: Redis, consumer: str, claim_after: timedelta = CLAIM_AFTER) -> None:
        self._redis: Any = redis
        self._consumer = consumer
        self._claim_after_ms = round(claim_after.total_seconds() * 1000)
        self._grouped = False
        self.known_length = 0

    async def add(self, entries: Sequence[Spooled]) -> None:
        """One transaction, so one fsync, whose end the answer waits for."""
        with translated():
            if not self._grouped:
                # Before there are entries: a full server would make no group, and never be drained.
                await self._make_group()
            async with self._redis.pipeline(transaction=True) as pipe:
                for one in entries:
                    pipe.xadd(STREAM, _fields(one))
                pipe.hset(WAITING, mapping={one.decision_id: b"1" for one in entries})
                await pipe.execute()
        self.known_length += len(entries)

    async def claim(self, most: int) -> list[Claimed]:
        with translated():
            try:
                return await self._claim(most)
            except RedisError as error:
                if "NOGROUP" not in str(error):
                    raise
            await self._make_group()
            return await self._claim(most)

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except RedisError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._grouped = True

    async def _claim(self, most: int) -> list[Claimed]:
        left = await self._of_the_gone(most)
        if len(left) == most:
            return left
        fresh = await self._redis.xreadgroup(GROUP, self._consumer, {STREAM: ">"}, most - len(left))
        return [*left, *(_claimed(entry, 1) for entry in _entries(fresh))]

    async def _of_the_gone(self, most: int) -> list[Claimed]:
        idle_ms = self._claim_after_ms
        answer = await self._redis.xautoclaim(STREAM, GROUP, self._consumer, idle_ms, "0-0", count=most)
        entries = [entry for entry in answer[1] if entry[1]]
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
        most = memory.get("maxmemory", 0)
        fill_percent = 100 * memory["used_memory"] / most if most else None
        return State(length, _added_at(first[0][0]) if first else None, fill_percent)

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
