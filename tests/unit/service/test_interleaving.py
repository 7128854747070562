"""Whatever comes in whatever order, and whoever fails in between: one row for each id, and no 2xx lost."""

import asyncio
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as some

from service.errors import StoreUnavailable
from service.insights import testing
from service.insights.decision import Decision, Outcome, Receipt
from service.insights.drain import Drain, Manners
from service.insights.intake import Intake
from service.insights.queue import WriteQueue
from service.insights.spooler import Spooler
from service.insights.testing import MemoryStore
from service.insights.testing_spool import MemorySpool, MemoryStream
from service.insights.writer import Timing, Writer

AT = testing.recently()


class Ignore:
    def wrote(self, outcome: object, waited_s: object) -> None: ...
    def buried(self) -> None: ...
    def retried(self) -> None: ...
    def spooled(self, count: int) -> None: ...
    def spool_failed(self) -> None: ...
    def refused(self, reason: str) -> None: ...
    def drained(self, count: int) -> None: ...
    def drain_buried(self, cause: str) -> None: ...
    def drain_failed(self) -> None: ...


@dataclass
class Uncertain(MemoryStore):
    """A store whose commits may be lost on the way: stored or not, nobody hears of it."""

    lost_after_commit: int = 0

    async def write(self, batch: object) -> list[Receipt]:
        receipts = await super().write(batch)  # type: ignore[arg-type]
        if self.lost_after_commit:
            self.lost_after_commit -= 1
            raise StoreUnavailable("the connection broke after the commit")
        return receipts


@dataclass
class World:
    """One replica's way in and two drains, on a clock that moves whenever somebody sleeps."""

    store: Uncertain = field(default_factory=Uncertain)
    stream: MemoryStream = field(default_factory=MemoryStream)
    now: float = 0.0
    told: list[tuple[Decision, asyncio.Future[Receipt]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        count, timing = Ignore(), Timing(lambda: self.now, lambda: 0.5, self._sleep)
        spools = [MemorySpool(self.stream, name, {"one", "two"} - {name}) for name in ("one", "two")]
        self.queue = WriteQueue(6, lambda: self.now)
        spooler = Spooler(spools[0], count, lambda: self.now, lambda: datetime.now(UTC), 100)
        self.writer = Writer(self.queue, self.store, spooler.spill, count, timing, 4)
        self.intake = Intake(self.queue, spooler, count, lambda: datetime.now(UTC), timedelta(days=90))
        manners = Manners(3, lambda: True, lambda: 0)
        self.drains = [Drain(spool, self.store, count, timing, manners) for spool in spools]

    async def _sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)

    async def post(self, number: int, content: int) -> None:
        raw = testing.raw_trace(f"order:{number}", occurredAt=AT, content=content)
        parsed = self.intake.parse(raw, None)
        if not isinstance(parsed, Decision):
            raise AssertionError(parsed)  # noqa: TRY004
        self.told.append((parsed, asyncio.ensure_future(self.intake.offer(parsed, raw))))

    async def act(self, name: str, size: int) -> None:  # noqa: C901  # a table of actions
        match name:
            case "store away":
                self.store.failures = [StoreUnavailable("gone")] * (size * 3)
            case "store back":
                self.store.failures.clear()
            case "answer lost":
                self.store.lost_after_commit = size
            case "spool away":
                self.stream.away = True
            case "spool back":
                self.stream.away = False
            case "spool full":
                self.stream.most = len(self.stream.entries)
            case "spool empties":
                self.stream.most = None
            case "drain":
                with suppress(StoreUnavailable):
                    await self.drains[size % 2].once()
            case "time":
                self.now += size
                for _ in range(size * 5):
                    await asyncio.sleep(0)

    async def settle(self) -> None:
        self.store.failures.clear()
        self.store.lost_after_commit = 0
        self.stream.away, self.stream.most = False, None
        await asyncio.gather(*(told for _, told in self.told))
        while self.stream.entries:
            for one in self.drains:
                await one.once()


ACTIONS = ("store away", "store back", "answer lost", "spool away", "spool back", "spool full",
           "spool empties", "drain", "time")  # fmt: skip
POSTS = some.tuples(some.just("post"), some.integers(0, 3), some.integers(0, 2))
OTHERS = some.tuples(some.sampled_from(ACTIONS), some.integers(1, 4), some.just(0))


@settings(deadline=None)
@given(some.lists(POSTS | POSTS | OTHERS, max_size=60))
def test_any_interleaving_ends_with_one_row_for_each_id_and_every_2xx_kept(
    steps: list[tuple[str, int, int]],
) -> None:
    async def played() -> World:
        world = World()
        running = asyncio.create_task(world.writer.run())
        try:
            async with asyncio.timeout(20):
                for name, one, two in steps:
                    if name == "post":
                        await world.post(one, two)
                    else:
                        await world.act(name, one)
                await world.settle()
        finally:
            running.cancel()
        return world

    world = asyncio.run(played())
    rows = world.store.rows
    kept = {(letter.decision_id, letter.letter_hash) for letter in world.store.letters}
    acknowledged = defaultdict(set)
    for decision, told in world.told:
        outcome = told.result().outcome
        stored = rows.get(decision.decision_id)
        if outcome in (Outcome.STORED, Outcome.DUPLICATE):
            assert stored is not None
            assert stored.identity == decision.identity
        elif outcome is Outcome.SPOOLED:
            same = stored is not None and stored.identity == decision.identity
            assert same or (decision.decision_id, decision.content_hash) in kept
        elif outcome is Outcome.CONFLICT:
            assert stored is not None
            assert stored.identity != decision.identity
        acknowledged[decision.decision_id].add(outcome)
    assert set(rows) <= {decision.decision_id for decision, _ in world.told}
    for letter in world.store.letters:
        assert letter.decision_id in rows
