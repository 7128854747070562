"""Switches that stop a part of the service on every replica within a second, without a restart."""

import asyncio
import logging
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from service.errors import Problem, StoreUnavailable
from service.redisdb import Redis, translated

KEY = "amas:switches"
EVERY_S = 1.0
INSIGHT_WRITES = "disable-insight-writes"
METRICS_COLLECTION = "disable-metrics-collection"
NOTIFICATIONS = "disable-notifications"
NAMES = (INSIGHT_WRITES, METRICS_COLLECTION, NOTIFICATIONS)
CONFIG_KEYS = {
    INSIGHT_WRITES: "amas:disableInsightWrites",
    METRICS_COLLECTION: "amas:disableMetricsCollection",
}
CONFIGURED = "configuration"

logger = logging.getLogger("Switches")


class State(msgspec.Struct, frozen=True):
    """How a switch stands, and who put it so; also its form in the board."""

    on: bool = False
    reason: str = ""
    since: datetime | None = None
    by: str | None = None


OFF = State()


class Board(Protocol):
    """Where the switches of the cluster are kept; raises StoreUnavailable."""

    async def read(self) -> Mapping[str, bytes]: ...

    async def write(self, name: str, state: bytes) -> None: ...


class RedisBoard:
    """One hash of the queue Redis, which keeps it over its restarts."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self) -> Mapping[str, bytes]:
        with translated():
            found = await self._redis.hgetall(KEY)
        # Always bytes: the client is not told to decode.
        return {bytes(name).decode("utf-8", "replace"): bytes(state) for name, state in found.items()}  # type: ignore[arg-type]

    async def write(self, name: str, state: bytes) -> None:
        with translated():
            await self._redis.hset(KEY, name, state)


class Switches:
    """The last known state; those that the configuration holds on stay on whatever the board says."""

    def __init__(self, board: Board, configured: Collection[str] = ()) -> None:
        self._board = board
        self._configured = frozenset(configured)
        self._known = dict.fromkeys(NAMES, OFF)
        self._on = {name: name in self._configured for name in NAMES}
        self._writes = 0
        self._away = False

    def is_on(self, name: str) -> bool:
        """Cheap enough to be asked for every request."""
        return self._on[name]

    def state(self, name: str) -> State:
        if name not in self._configured:
            return self._known[name]
        return State(on=True, reason=f"{CONFIG_KEYS[name]} is true", by=CONFIGURED)

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception:
                logger.exception("a look at the switches failed; the next one comes")
            await asyncio.sleep(EVERY_S)

    async def refresh(self) -> None:
        """With the board away all stays as it was last known."""
        writes = self._writes
        try:
            found = await self._board.read()
        except StoreUnavailable as error:
            if not self._away:
                logger.warning("the switches stay as they are", extra={"why": str(error)})
            self._away = True
            return
        self._away = False
        # What was read before a write of ours is older than what we know.
        if writes == self._writes:
            for name in NAMES:
                self._take(name, _decoded(name, found.get(name), self._known[name]))

    async def throw(self, name: str, *, on: bool, reason: str, by: str, now: datetime) -> State:
        """Returns when the board has it; raises Problem 409 for what the configuration holds on, or 503."""
        if name in self._configured:
            if on:
                return self.state(name)
            raise _held_by_configuration(name)
        known = self._known[name]
        state = State(on, reason, known.since if on == known.on else now, by)
        try:
            await self._board.write(name, msgspec.json.encode(state))
        except StoreUnavailable:
            raise _board_away(name) from None
        self._writes += 1
        self._take(name, state)
        return state

    def _take(self, name: str, state: State) -> None:
        if state.on != self._known[name].on:
            facts = {"switch": name, "on": state.on, "by": state.by, "reason": state.reason}
            logger.warning("a switch was thrown", extra=facts)
        self._known[name] = state
        self._on[name] = state.on or name in self._configured


def _decoded(name: str, raw: bytes | None, known: State) -> State:
    if raw is None:
        return OFF
    try:
        return msgspec.json.decode(raw, type=State)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        logger.error("a switch's entry cannot be read; it stays as it is", extra={"switch": name})  # noqa: TRY400
        return known


def _held_by_configuration(name: str) -> Problem:
    key = CONFIG_KEYS[name]
    return Problem(
        409,
        "Held by the configuration",
        f"{name} is on because {key} is true; next: pulumi config set {key} false, then pulumi up",
        "on",
    )


def _board_away(name: str) -> Problem:
    return Problem(
        503,
        "Store away",
        f"the queue Redis did not confirm {name}; GET /api/switches tells how it stands, then try again",
        headers={"Retry-After": "2"},
    )
