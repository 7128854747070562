"""The in-memory spool, and the contract that it and the real one are both held to."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from service.errors import StoreUnavailable
from service.insights import trace
from service.insights.decision import Decision
from service.insights.spool import CLAIM_BYTES, FULL_PERCENT, Claimed, Spool, Spooled, State, decision_of
from service.insights.testing import raw_trace, recently


@dataclass
class Entry:
    """A trace in the stream, and who holds it."""

    spooled: Spooled
    added_at: datetime
    held_by: str | None = None
    deliveries: int = 0


@dataclass
class MemoryStream:
    """What the consumers of one spool share."""

    entries: dict[int, Entry] = field(default_factory=dict)
    made: int = 0
    # None: there is room for everything.
    most: int | None = None
    away: bool = False


@dataclass
class MemorySpool:
    """One consumer. Those of a consumer in `gone` may be claimed by others."""

    stream: MemoryStream = field(default_factory=MemoryStream)
    consumer: str = "one"
    gone: set[str] = field(default_factory=set)
    known_length: int = 0

    async def add(self, entries: Sequence[Spooled]) -> None:
        self._answers()
        if self.stream.most is not None and not self._has_room(len(entries)):
            raise StoreUnavailable("OOM command not allowed when used memory > 'maxmemory'.")
        for one in entries:
            self.stream.made += 1
            self.stream.entries[self.stream.made] = Entry(one, datetime.now(UTC))
        self.known_length += len(entries)

    def _has_room(self, entries: int) -> bool:
        held, most = len(self.stream.entries), self.stream.most or 0
        return held < most * FULL_PERCENT / 100 and held + entries <= most

    async def claim(self, most: int) -> list[Claimed]:
        self._answers()
        held = [item for item in self.stream.entries.items() if item[1].held_by in self.gone]
        fresh = [item for item in self.stream.entries.items() if item[1].held_by is None]
        claimed: list[Claimed] = []
        for number, entry in [*held, *fresh][:most]:
            if sum(len(one.raw) for one in claimed) > CLAIM_BYTES - trace.MOST_BYTES:
                break
            entry.held_by = self.consumer
            entry.deliveries += 1
            one = entry.spooled
            claimed.append(Claimed(str(number), entry.deliveries, one, one.decision_id, one.raw))
        return claimed

    async def finish(self, claimed: Sequence[Claimed]) -> None:
        self._answers()
        for one in claimed:
            self.stream.entries.pop(int(one.entry_id), None)
        self.known_length = len(self.stream.entries)

    async def give_back(self, claimed: Sequence[Claimed], *, tried: bool) -> None:
        self._answers()
        for one in claimed:
            entry = self.stream.entries.get(int(one.entry_id))
            if entry is not None:
                entry.held_by = None
                entry.deliveries = one.deliveries if tried else one.deliveries - 1

    async def holds(self, decision_id: str) -> bool:
        self._answers()
        return any(one.spooled.decision_id == decision_id for one in self.stream.entries.values())

    async def count(self) -> int:
        self._answers()
        self.known_length = len(self.stream.entries)
        return self.known_length

    async def state(self) -> State:
        self._answers()
        added = [one.added_at for one in self.stream.entries.values()]
        most = self.stream.most
        return State(len(added), min(added, default=None), 100 * len(added) / most if most else None)

    def _answers(self) -> None:
        if self.stream.away:
            raise StoreUnavailable("gone")


# Two consumers of one spool. The second may claim what the first holds once `gone` was called.
Pair = tuple[Spool, Spool]


def spooled(decision_id: str, run_id: str | None = None, **fields: object) -> Spooled:
    raw = raw_trace(decision_id, **({"occurredAt": recently()} | fields))
    return Spooled(decision_id, raw, run_id, datetime.now(UTC))


def _equal(came: object, wanted: object) -> None:
    if came != wanted:
        raise AssertionError(f"{came!r} instead of {wanted!r}")


async def what_is_added_is_claimed_once_in_order_and_as_it_was(pair: Pair) -> None:
    one, two = pair
    entries = [spooled("order:1"), spooled("order:2", "smoke-1"), spooled("order:3", note="\u00fc")]
    await one.add(entries)
    _equal(await two.count(), 3)
    claimed = await one.claim(2)
    _equal([each.spooled for each in claimed], entries[:2])
    _equal([each.deliveries for each in claimed], [1, 1])
    _equal([each.spooled for each in await two.claim(10)], entries[2:])
    _equal(await one.claim(10), [])


async def what_is_finished_is_gone_however_often_it_is_told(pair: Pair) -> None:
    one, two = pair
    await one.add([spooled("order:1"), spooled("order:2")])
    first = await one.claim(1)
    await one.finish(first)
    await one.finish(first)
    await one.finish([])
    _equal((await one.count(), await two.count()), (1, 1))
    _equal([each.decision_id for each in await two.claim(10)], ["order:2"])


async def what_is_given_back_is_claimed_by_anybody_and_counts_only_when_tried(pair: Pair) -> None:
    one, two = pair
    await one.add([spooled("order:1"), spooled("order:2")])
    await one.give_back(await one.claim(10), tried=False)
    claimed = await two.claim(10)
    _equal([(each.decision_id, each.deliveries) for each in claimed], [("order:1", 1), ("order:2", 1)])
    await two.give_back(claimed[:1], tried=True)
    _equal([(each.decision_id, each.deliveries) for each in await one.claim(10)], [("order:1", 2)])


async def a_claim_is_never_too_large_and_leaves_the_rest_to_the_next(pair: Pair) -> None:
    one, two = pair
    entries = [spooled(f"order:{n}", note="x" * 60_000) for n in range(100)]
    for start in range(0, 100, 20):
        await one.add(entries[start : start + 20])
    first = await one.claim(100)
    if not 60 <= len(first) <= CLAIM_BYTES / 60_000:
        raise AssertionError(len(first))
    rest = await two.claim(100)
    _equal([each.spooled for each in [*first, *rest]], entries)
    _equal({each.deliveries for each in [*first, *rest]}, {1})
    await one.finish(first)
    await two.finish(rest)


async def what_is_small_is_claimed_in_one_go(pair: Pair) -> None:
    one, two = pair
    await one.add([spooled(f"order:{n}") for n in range(600)])
    _equal(len(await one.claim(500)), 500)
    await one.give_back(await two.claim(500), tried=False)
    _equal(len(await one.claim(500)), 100)


async def an_id_is_held_until_it_is_finished(pair: Pair) -> None:
    one, two = pair
    _equal(await two.holds("order:1"), False)
    await one.add([spooled("order:1")])
    _equal(await two.holds("order:1"), True)
    claimed = await one.claim(1)
    _equal(await two.holds("order:1"), True)
    await one.finish(claimed)
    _equal(await two.holds("order:1"), False)


async def the_state_tells_length_and_oldest(pair: Pair) -> None:
    one, _ = pair
    _equal((await one.state()).length, 0)
    _equal((await one.state()).oldest, None)
    await one.add([spooled("order:1")])
    await one.add([spooled("order:2")])
    state = await one.state()
    _equal(state.length, 2)
    if state.oldest is None or abs(datetime.now(UTC) - state.oldest) > timedelta(minutes=1):
        raise AssertionError(state)


async def the_row_is_the_same_after_any_time_in_the_spool(pair: Pair) -> None:
    one, _ = pair
    entry = spooled("order:1", "smoke-1", occurredAt="2020-01-01T00:00:00Z")
    await one.add([entry])
    (claimed,) = await one.claim(1)
    if claimed.spooled is None:
        raise AssertionError(claimed)
    decision = decision_of(claimed.spooled)
    if not isinstance(decision, Decision):
        raise AssertionError(decision)  # noqa: TRY004  # the value is wrong, not its type
    _equal((decision.run_id, decision.created_at), ("smoke-1", datetime(2020, 1, 1, tzinfo=UTC)))


CONTRACT: tuple[Callable[[Pair], Awaitable[None]], ...] = (
    what_is_added_is_claimed_once_in_order_and_as_it_was,
    what_is_finished_is_gone_however_often_it_is_told,
    what_is_given_back_is_claimed_by_anybody_and_counts_only_when_tried,
    a_claim_is_never_too_large_and_leaves_the_rest_to_the_next,
    what_is_small_is_claimed_in_one_go,
    an_id_is_held_until_it_is_finished,
    the_state_tells_length_and_oldest,
    the_row_is_the_same_after_any_time_in_the_spool,
)
