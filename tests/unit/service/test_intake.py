"""The intake parses, counts and queues; what the queue does not take goes to the spool."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from service.insights import testing, trace
from service.insights.decision import Decision, Outcome, Receipt, Refusal
from service.insights.intake import WRITES_DISABLED, Intake, reason
from service.insights.queue import WriteQueue
from service.insights.spooler import Spooler
from service.insights.testing_spool import MemorySpool

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ONE = testing.decision("order:1", occurredAt=testing.recently())


@dataclass
class Counts:
    refusals: list[str] = field(default_factory=list)

    def refused(self, reason: str) -> None:
        self.refusals.append(reason)

    def spooled(self, count: int) -> None: ...

    def spool_failed(self) -> None: ...


@dataclass
class Bench:
    queue: WriteQueue = field(default_factory=lambda: WriteQueue(1, lambda: 0.0))
    spool: MemorySpool = field(default_factory=MemorySpool)
    counts: Counts = field(default_factory=Counts)
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        spooler = Spooler(self.spool, self.counts, lambda: 0.0, lambda: NOW, 10)
        self.intake = Intake(self.queue, spooler, self.counts, lambda: NOW, timedelta(days=90))

    def offer(self, raw: bytes = b"raw") -> Awaitable[Receipt]:
        return self.intake.offer(ONE, raw)


def of_age(age: timedelta) -> bytes:
    return testing.raw_trace("order:1", occurredAt=(NOW - age).isoformat())


async def test_a_trace_is_parsed_with_the_run_it_belongs_to() -> None:
    bench = Bench()
    parsed = bench.intake.parse(of_age(timedelta()), "smoke-1")
    assert isinstance(parsed, Decision)
    assert (parsed.decision_id, parsed.run_id, parsed.occurred_at) == ("order:1", "smoke-1", NOW)
    assert bench.counts.refusals == []


@pytest.mark.parametrize(
    ("age", "taken"),
    [(timedelta(days=89), True), (timedelta(days=91), False), (timedelta(hours=-1), False)],
    ids=["kept", "past retention", "ahead"],
)
async def test_a_trace_is_judged_by_the_clock_and_the_retention(age: timedelta, *, taken: bool) -> None:
    bench = Bench()
    assert isinstance(bench.intake.parse(of_age(age), None), Decision) is taken
    assert bench.counts.refusals == ([] if taken else ["invalid"])


async def test_a_trace_that_is_too_big_is_counted_apart_from_an_invalid_one() -> None:
    bench = Bench()
    for raw in (b" " * (trace.MOST_BYTES + 1), b"no JSON"):
        assert isinstance(bench.intake.parse(raw, None), Refusal)
    assert bench.counts.refusals == ["too_big", "invalid"]


async def test_what_is_offered_waits_in_the_queue_as_it_came() -> None:
    bench = Bench()
    receipt = bench.offer()
    (lead,) = await bench.queue.take(10)
    assert (lead.entry.decision, lead.entry.raw) == (ONE, b"raw")
    bench.queue.settle([lead.entry], Receipt(Outcome.STORED))
    assert (await receipt).outcome is Outcome.STORED
    assert bench.spool.stream.entries == {}


@pytest.mark.parametrize("why", ["full", "closed"])
async def test_what_the_queue_does_not_take_is_spooled_as_it_came(why: str) -> None:
    bench = refusing(why)
    assert (await bench.offer(b"late")).outcome is Outcome.SPOOLED
    (entry,) = bench.spool.stream.entries.values()
    assert (entry.spooled.decision_id, entry.spooled.raw) == ("order:1", b"late")
    assert bench.counts.refusals == []


@pytest.mark.parametrize(
    ("why", "counted", "said"),
    [
        ("full", "queue_full", "1 decisions wait to be written, and the spool takes nothing"),
        ("closed", "store_away", "the database is away, and the spool takes nothing"),
    ],
)
async def test_what_neither_takes_is_refused_for_the_reason_of_the_queue(
    why: str, counted: str, said: str
) -> None:
    bench = refusing(why)
    bench.spool.stream.away = True
    assert await bench.offer() == Receipt(Outcome.UNAVAILABLE, said)
    assert bench.counts.refusals == [counted]


def refusing(why: str) -> Bench:
    bench = Bench()
    if why == "full":
        bench.offer()
    else:
        bench.queue.close("the database is away")
    return bench


async def test_while_writes_are_switched_off_nothing_is_taken_anywhere() -> None:
    bench = Bench()
    off = Intake(
        bench.queue, bench.intake.spooler, bench.counts, lambda: NOW, timedelta(days=90), lambda: True
    )
    assert await off.offer(ONE, b"raw") == Receipt(Outcome.UNAVAILABLE, WRITES_DISABLED)
    assert bench.counts.refusals == ["writes_disabled"]
    assert (bench.queue.rows, bench.spool.stream.entries) == (0, {})


@pytest.mark.parametrize(
    ("receipt", "sentence"),
    [
        (
            Receipt(Outcome.CONFLICT, "is stored with other content"),
            "decisionId order:1 is stored with other content",
        ),
        (
            Receipt(Outcome.POISON, "bad text"),
            "the database refuses this trace (bad text); it is kept apart",
        ),
        (
            Receipt(Outcome.UNAVAILABLE, "the spool is full"),
            "the spool is full; nothing was acknowledged, send it again",
        ),
    ],
)
def test_what_was_not_stored_is_told_in_one_sentence(receipt: Receipt, sentence: str) -> None:
    assert reason("order:1", receipt) == sentence
