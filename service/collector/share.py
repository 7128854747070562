"""Every replica shows its snapshots to all the others, so that any of them can answer for the cluster."""

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from service.collector.snapshot import Snapshot
from service.errors import StoreUnavailable
from service.redisdb import Redis, translated

REPLICAS = "amas:replicas"
SNAPSHOTS = "amas:snapshots:"
KEPT_S = 3600.0
# At short intervals the longest window is kept and not a whole hour.
MOST_KEPT = 1800
# A replica that was silent for so many intervals is dead.
SILENT_INTERVALS = 3

logger = logging.getLogger("Collector")


def replica_id() -> str:
    """A container's host name tells which one it is; the rest, that it is not the one before."""
    return f"{socket.gethostname()}-{secrets.token_hex(3)}"


class Board(Protocol):
    """Where the snapshots hang. Everything raises StoreUnavailable."""

    async def publish(self, replica: str, packed: list[bytes], at: float) -> dict[str, float]:
        """Tells that the replica lives, and hangs up what it packed, oldest first; answers as `replicas`."""

    async def replicas(self) -> dict[str, float]:
        """When each of the last hour was heard last."""

    async def newest(self, most: Mapping[str, int]) -> dict[str, list[bytes]]:
        """So many of each replica at most, newest first."""


class RedisBoard:
    """In the queue Redis: a list for each replica, and a sorted set of all by time."""

    def __init__(self, redis: Redis, interval_s: float) -> None:
        self._redis = redis
        self._most = most_kept(interval_s)

    async def publish(self, replica: str, packed: list[bytes], at: float) -> dict[str, float]:
        key = SNAPSHOTS + replica
        with translated():
            # No transaction: each of these is right without the others, and it would double the work.
            async with self._redis.pipeline(transaction=False) as pipe:
                if packed:
                    pipe.lpush(key, *packed)
                    pipe.ltrim(key, 0, self._most - 1)
                    pipe.expire(key, round(KEPT_S))
                pipe.zadd(REPLICAS, {replica: at})
                pipe.zrange(REPLICAS, 0, -1, withscores=True)
                heard = _heard((await pipe.execute())[-1])
            gone = [name for name, when in heard.items() if when <= at - KEPT_S]
            if gone:
                await self._redis.zrem(REPLICAS, *gone)
        return {name: when for name, when in heard.items() if name not in gone}

    async def replicas(self) -> dict[str, float]:
        with translated():
            return _heard(list(await self._redis.zrange(REPLICAS, 0, -1, withscores=True)))

    async def newest(self, most: Mapping[str, int]) -> dict[str, list[bytes]]:
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for replica, count in most.items():
                    pipe.lrange(SNAPSHOTS + replica, 0, count - 1)
                return dict(zip(most, await pipe.execute(), strict=True))


def _heard(found: list[Any]) -> dict[str, float]:
    return {name.decode(): float(score) for name, score in found}


class Shared:
    """Our own snapshots and those of all others, for an hour; only our own while the board is away."""

    def __init__(self, board: Board, replica: str, interval_s: float, now: Callable[[], float]) -> None:
        self._board = board
        self.replica = replica
        self._interval_s = interval_s
        self._now = now
        self._known: dict[str, dict[float, Snapshot]] = {replica: {}}
        self._heard: dict[str, float] = {}
        self._unpublished: list[bytes] = []
        self._pack = msgspec.msgpack.Encoder().encode
        self._unpack = msgspec.msgpack.Decoder(Snapshot).decode
        self._reading: asyncio.Future[None] | None = None
        self.shared = False

    async def exchange(self, snapshot: Snapshot | None) -> None:
        """Publish it, and what could not be published before; read what the others did.

        None: only tell that we live.
        """
        if snapshot is not None:
            self._known[self.replica][snapshot.at] = snapshot
            self._unpublished.append(self._pack(snapshot))
            del self._unpublished[: -most_kept(self._interval_s)]
        sent = list(self._unpublished)
        try:
            heard = await self._board.publish(self.replica, sent, self._now())
            del self._unpublished[: len(sent)]
            await self._read(heard)
        except StoreUnavailable as error:
            self._away(error)

    async def refresh(self) -> None:
        """Read what the others published since. Those who ask at the same time share one reading."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._refresh())
            self._reading.add_done_callback(self._has_read)
        await asyncio.shield(self._reading)

    def _has_read(self, _: object) -> None:
        self._reading = None

    async def _refresh(self) -> None:
        try:
            await self._read(await self._board.replicas())
        except StoreUnavailable as error:
            self._away(error)

    async def _read(self, heard: dict[str, float]) -> None:
        since = {one: max(self._known.get(one, ()), default=0.0) for one in heard if one != self.replica}
        wanted = {
            one: self._steps(heard[one] - newest) for one, newest in since.items() if heard[one] > newest
        }
        if wanted:
            for replica, packed in (await self._board.newest(wanted)).items():
                self._learn(replica, packed)
        self._heard, self.shared = heard, True
        self._forget()

    def snapshots(self) -> list[Snapshot]:
        """Of the cluster, else our own; each replica's in order."""
        replicas = self._known if self.shared else (self.replica,)
        return [one for replica in replicas for one in self._known[replica].values()]

    def live(self) -> dict[str, float]:
        """Seconds since each replica that lives was heard; ourselves we hear always, who left no longer."""
        now = self._now()
        ages = {one: max(0.0, now - at) for one, at in self._heard.items()} if self.shared else {}
        limit_s = SILENT_INTERVALS * self._interval_s
        heard = {one: age for one, age in ages.items() if age <= limit_s and not self._has_left(one)}
        return heard | {self.replica: 0.0}

    def _has_left(self, replica: str) -> bool:
        last = self.last(replica)
        return last is not None and last.left

    def last(self, replica: str) -> Snapshot | None:
        known = self._known.get(replica)
        return known[max(known)] if known else None

    def _steps(self, behind_s: float) -> int:
        return min(most_kept(self._interval_s), int(behind_s / self._interval_s) + 2)

    def _learn(self, replica: str, packed: list[bytes]) -> None:
        known = self._known.setdefault(replica, {})
        for one in reversed(packed):
            try:
                snapshot = self._unpack(one)
            except msgspec.DecodeError as error:
                logger.warning("a snapshot of another form was left out: %s", error)
            else:
                known[snapshot.at] = snapshot

    def _forget(self) -> None:
        oldest = self._now() - KEPT_S
        for replica, known in list(self._known.items()):
            for at in [at for at in known if at < oldest]:
                del known[at]
            if not known and replica != self.replica:
                del self._known[replica]

    def _away(self, error: StoreUnavailable) -> None:
        if self.shared:
            logger.warning("snapshots are not shared: %s", error)
        self.shared = False
        self._forget()


def most_kept(interval_s: float) -> int:
    return min(MOST_KEPT, int(KEPT_S / interval_s)) + 1
