"""The in-memory store, and the contract that it and the real one are both held to."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from service.errors import StoreRefused
from service.insights import trace
from service.insights.decision import Decision, Outcome, Receipt, Refusal, against
from service.insights.store import Letter, Store, letter_of

POISON = "\x07poison"


@dataclass
class MemoryStore:
    """Keeps rows in a dict; `failures` are raised by the next writes, one each."""

    rows: dict[str, Decision] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    async def write(self, batch: Sequence[Decision]) -> list[Receipt]:
        self._fail()
        self.batches.append(len(batch))
        if any(one.user_id == POISON for one in batch):
            raise StoreRefused("22P05", "unsupported Unicode escape sequence")
        return [self._write(one) for one in batch]

    def _write(self, decision: Decision) -> Receipt:
        known = self.rows.get(decision.decision_id)
        if known is None:
            self.rows[decision.decision_id] = decision
            return Receipt(Outcome.STORED)
        return against(decision, *known.identity)

    async def bury(self, letter: Letter) -> None:
        self._fail()
        if all(letter.letter_hash != known.letter_hash for known in self.letters):
            self.letters.append(letter)

    async def ping(self) -> None:
        self._fail()

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


@dataclass
class MemoryCache:
    """Entries with the TTL they were put with; nothing ever expires."""

    entries: dict[str, tuple[bytes, float]] = field(default_factory=dict)
    away: bool = False

    async def get(self, key: str) -> bytes | None:
        return None if self.away or key not in self.entries else self.entries[key][0]

    async def get_many(self, keys: list[str]) -> list[bytes | None]:
        return [await self.get(key) for key in keys]

    async def stands(self, key: str) -> bool | None:
        return None if self.away else key in self.entries

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        if not self.away:
            self.entries[key] = (value, ttl_s)

    async def add(self, key: str, value: bytes, ttl_s: float) -> None:
        if key not in self.entries:
            await self.put(key, value, ttl_s)

    async def drop(self, keys: list[str]) -> bool:
        for key in keys if not self.away else ():
            self.entries.pop(key, None)
        return not self.away

    async def drop_prefix(self, prefix: str) -> bool:
        return await self.drop([key for key in self.entries if key.startswith(prefix)])


def recently() -> str:
    """A time inside every retention."""
    return datetime.now(UTC).isoformat()


def uuid7(when: datetime, random: Callable[[], uuid.UUID] = uuid.uuid4) -> str:
    """A UUIDv7 of the given time."""
    milliseconds = (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    tail = random().hex
    stamp = f"{milliseconds:012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{tail[:3]}-a{tail[3:6]}-{tail[6:18]}"


def raw_trace(decision_id: str, **fields: object) -> bytes:
    """A trace that is complete but for what `fields` changes."""
    full: dict[str, object] = {
        "decisionId": decision_id,
        "userId": "user-1",
        "action": "raise_difficulty",
        "durationMs": 12.5,
        "stateSnapshot": {"mood": 0.5, "level": 3},
        "difficultyFactors": {"length": 1.25},
        "triggers": ["slow_answer"],
    }
    return msgspec.json.encode(full | fields)


def decision(decision_id: str, **fields: object) -> Decision:
    """The parsed form of raw_trace."""
    parsed = trace.parse(raw_trace(decision_id, **fields), datetime.now(UTC), timedelta(days=90))
    if isinstance(parsed, Refusal):
        raise AssertionError(parsed.sentence())  # noqa: TRY004  # the value is wrong, not its type
    return parsed


def _timed(**fields: object) -> Decision:
    return decision(uuid7(datetime.now(UTC)), **fields)


def _keyed(**fields: object) -> Decision:
    return decision(f"order:{uuid.uuid4()}", **({"occurredAt": recently()} | fields))


def _expect(receipts: list[Receipt], wanted: list[Outcome]) -> None:
    came = [receipt.outcome for receipt in receipts]
    if came != wanted:
        raise AssertionError(f"{came} instead of {wanted}")


async def stores_then_knows_duplicates(store: Store) -> None:
    batch = [_timed(), _keyed()]
    _expect(await store.write(batch), [Outcome.STORED] * 2)
    _expect(await store.write(batch), [Outcome.DUPLICATE] * 2)


async def other_content_is_a_conflict(store: Store) -> None:
    first = _timed()
    keyed = _keyed()
    await store.write([first, keyed])
    moved = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    others = [decision(first.decision_id, action="other"), decision(keyed.decision_id, occurredAt=moved)]
    _expect(await store.write(others), [Outcome.CONFLICT] * 2)


async def another_run_is_a_conflict(store: Store) -> None:
    """Else a purge of the run would take what was acknowledged outside of it, or the other way round."""
    for made in (_timed, _keyed):
        plain, of_run = made(), msgspec.structs.replace(made(), run_id="smoke-1")
        for first, second, whose in (
            (plain, msgspec.structs.replace(plain, run_id="smoke-1"), "outside of any load or smoke run"),
            (of_run, msgspec.structs.replace(of_run, run_id=None), "belongs to a load or smoke run"),
            (of_run, msgspec.structs.replace(of_run, run_id="smoke-2"), "belongs to another load or smoke"),
        ):
            await store.write([first])
            _expect(await store.write([first]), [Outcome.DUPLICATE])
            (receipt,) = await store.write([second])
            _expect([receipt], [Outcome.CONFLICT])
            if whose not in receipt.reason:
                raise AssertionError(receipt.reason)


async def mixed_batch_keeps_its_order(store: Store) -> None:
    old, changed = _keyed(), _timed()
    await store.write([old, changed])
    batch = [_timed(), old, decision(changed.decision_id, durationMs=1), _keyed()]
    expected = [Outcome.STORED, Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.STORED]
    _expect(await store.write(batch), expected)


async def burying_twice_keeps_one_letter(store: Store) -> None:
    letter = letter_of(_timed(), b"{raw}", "22P05", "unsupported Unicode escape sequence")
    await store.bury(letter)
    await store.bury(letter)


CONTRACT: tuple[Callable[[Store], Awaitable[None]], ...] = (
    stores_then_knows_duplicates,
    other_content_is_a_conflict,
    another_run_is_a_conflict,
    mixed_batch_keeps_its_order,
    burying_twice_keeps_one_letter,
)
