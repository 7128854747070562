"""The drain brings every spooled trace to one end: a row, or a dead letter that says why."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from service.errors import StoreUnavailable
from service.insights import drain, testing
from service.insights.decision import Decision, Receipt
from service.insights.drain import MOST_DELIVERIES, Drain, Manners, batches, pause_s
from service.insights.spool import Claimed, Spooled
from service.insights.testing import POISON, MemoryStore
from service.insights.testing_spool import MemorySpool, MemoryStream, spooled
from service.insights.writer import Timing

pytestmark = pytest.mark.anyio

AT = testing.recently()


@dataclass
class Counts:
    brought: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    failures: int = 0

    def drained(self, count: int) -> None:
        self.brought += count

    def drain_buried(self, cause: str) -> None:
        self.causes[cause] += 1

    def drain_failed(self) -> None:
        self.failures += 1


@dataclass
class Bench:
    store: MemoryStore = field(default_factory=MemoryStore)
    spool: MemorySpool = field(default_factory=MemorySpool)
    counts: Counts = field(default_factory=Counts)
    may_write: bool = True
    batch_rows: int = 10
    slept: list[float] = field(default_factory=list)
    drain: Drain = field(init=False)

    def __post_init__(self) -> None:
        timing = Timing(lambda: 0.0, lambda: 0.5, self._sleep)
        manners = Manners(self.batch_rows, lambda: self.may_write, lambda: 0)
        self.drain = Drain(self.spool, self.store, self.counts, timing, manners)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)
        if not self.spool.stream.entries:
            self.drain.stop()

    async def run(self) -> None:
        async with asyncio.timeout(5):
            await self.drain.run()

    def deliver(self, times: int) -> None:
        for entry in self.spool.stream.entries.values():
            entry.deliveries = times


async def test_everything_is_brought_in_batches_and_leaves_the_spool() -> None:
    bench = Bench()
    await bench.spool.add([spooled(f"order:{n}") for n in range(25)])
    await bench.run()
    assert len(bench.store.rows) == 25
    assert bench.store.batches == [10, 10, 5]
    assert bench.spool.stream.entries == {}
    assert bench.counts.brought == 25


async def test_runs_are_kept() -> None:
    bench = Bench()
    await bench.spool.add([spooled("order:1", "smoke-1")])
    await bench.run()
    assert bench.store.rows["order:1"].run_id == "smoke-1"


async def test_what_was_stored_before_is_taken_for_done() -> None:
    bench = Bench()
    entry = spooled("order:1", occurredAt=AT)
    await bench.store.write([testing.decision("order:1", occurredAt=AT)])
    await bench.spool.add([entry, entry])
    await bench.run()
    assert (len(bench.store.rows), bench.store.letters, bench.counts.brought) == (1, [], 2)


async def test_other_content_of_an_id_becomes_a_dead_letter_with_its_reason() -> None:
    """Its sender was told 202: it must not vanish without a trace."""
    bench = Bench()
    await bench.spool.add([spooled("order:1", occurredAt=AT), spooled("order:1", occurredAt=AT, action="b")])
    await bench.run()
    (letter,) = bench.store.letters
    assert (letter.decision_id, letter.sqlstate) == ("order:1", "23505")
    assert letter.reason == "decisionId order:1 is stored with other content"
    assert b'"action":"b"' in letter.raw
    assert bench.counts.causes == {"conflict": 1}


async def test_the_same_content_of_two_runs_makes_a_letter_for_each() -> None:
    bench = Bench()
    await bench.spool.add([spooled("order:1", run, occurredAt=AT) for run in (None, "run-1", "run-2")])
    await bench.run()
    assert [letter.run_id for letter in bench.store.letters] == ["run-1", "run-2"]


async def test_what_the_database_refuses_is_buried_and_the_others_are_stored() -> None:
    bench = Bench()
    entries = [spooled(f"order:{n}") for n in range(7)]
    entries[3] = spooled("order:3", userId=POISON)
    await bench.spool.add(entries)
    await bench.run()
    assert len(bench.store.rows) == 6
    assert [(letter.decision_id, letter.sqlstate) for letter in bench.store.letters] == [("order:3", "22P05")]
    assert bench.counts.causes == {"poison": 1}


async def test_what_the_screen_refuses_today_is_buried() -> None:
    bench = Bench()
    entry = spooled("order:1")
    await bench.spool.add([type(entry)("order:1", b"no JSON", "run-1", entry.received_at)])
    await bench.run()
    (letter,) = bench.store.letters
    assert (letter.decision_id, letter.run_id, letter.sqlstate, letter.raw) == (
        "order:1", "run-1", "", b"no JSON",
    )  # fmt: skip
    assert "is not JSON" in letter.reason
    assert bench.counts.causes == {"unreadable": 1}


async def test_while_the_database_is_away_nothing_is_claimed() -> None:
    """A delivery that could not succeed must not count against the entry."""
    bench = Bench()
    await bench.spool.add([spooled("order:1")])
    bench.store.failures = [StoreUnavailable("gone")] * 7
    await bench.run()
    assert list(bench.store.rows) == ["order:1"]
    assert len(bench.slept) == 8


async def test_a_database_that_goes_away_in_mid_batch_costs_no_delivery() -> None:
    bench = Bench()
    await bench.spool.add([spooled("order:1")])
    await bench.spool.claim(1)
    await bench.spool.give_back(await claimed_of(bench.spool), tried=False)
    gone = StoreUnavailable("gone")
    bench.store.failures = [None, gone, gone]  # type: ignore[list-item]

    def fail() -> None:
        failure = bench.store.failures.pop(0) if bench.store.failures else None
        if failure:
            raise failure

    bench.store._fail = fail  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        await bench.drain.once()
    (entry,) = bench.spool.stream.entries.values()
    assert (entry.held_by, entry.deliveries) == (None, 0)
    await bench.run()
    assert list(bench.store.rows) == ["order:1"]


async def claimed_of(spool: MemorySpool) -> list[Claimed]:
    return [
        Claimed(str(number), one.deliveries, one.spooled, one.spooled.decision_id, one.spooled.raw)
        for number, one in spool.stream.entries.items()
    ]


async def test_an_unforeseen_error_counts_and_at_last_only_its_cause_is_buried() -> None:
    bench = Bench()
    await bench.spool.add([spooled(f"order:{n}") for n in range(4)])
    written = bench.store.write

    async def write(batch: Sequence[Decision]) -> list[Receipt]:
        if any(one.decision_id == "order:2" for one in batch):
            raise RuntimeError("bug")
        return await written(batch)

    bench.store.write = write  # type: ignore[method-assign]
    await bench.run()
    assert sorted(bench.store.rows) == ["order:0", "order:1", "order:3"]
    (letter,) = bench.store.letters
    assert letter.decision_id == "order:2"
    assert letter.reason == f"was taken from the spool {MOST_DELIVERIES + 1} times without a result"
    assert bench.counts.causes == {"undelivered": 1}
    assert bench.counts.failures == MOST_DELIVERIES


def refuse(bench: Bench, cannot: Callable[[Sequence[Decision]], bool]) -> None:
    """A database that answers a ping and not such a batch."""
    written = bench.store.write

    async def write(batch: Sequence[Decision]) -> list[Receipt]:
        if cannot(batch):
            raise StoreUnavailable("canceling statement due to statement timeout")
        return await written(batch)

    bench.store.write = write  # type: ignore[method-assign]


async def test_a_batch_that_is_too_much_for_the_database_is_brought_in_smaller_ones(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    await bench.spool.add([spooled(f"order:{n}") for n in range(25)])
    refuse(bench, lambda batch: len(batch) > 3)
    await bench.run()
    assert (len(bench.store.rows), bench.store.letters) == (25, [])
    (first, *_) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert (first.__dict__["rows"], first.__dict__["reason"]) == (
        10, "canceling statement due to statement timeout",
    )  # fmt: skip


async def test_an_entry_that_the_database_cannot_take_is_buried_and_holds_up_no_other() -> None:
    bench = Bench()
    await bench.spool.add([spooled(f"order:{n}") for n in range(25)])
    refuse(bench, lambda batch: any(one.decision_id == "order:2" for one in batch))
    await bench.run()
    assert len(bench.store.rows) == 24
    assert [letter.decision_id for letter in bench.store.letters] == ["order:2"]
    assert bench.counts.causes == {"undelivered": 1}
    assert sum(bench.slept) > 60, "a lock of a minute must not bury what waits behind it"
    assert bench.drain._rows == 10


async def test_a_letter_that_the_database_cannot_take_holds_up_no_entry() -> None:
    bench = Bench()
    await bench.spool.add([spooled("order:0", userId=POISON), *(spooled(f"order:{n}") for n in range(1, 9))])

    async def bury(_: object) -> None:
        raise StoreUnavailable("the dead letter was refused too")

    bench.store.bury = bury  # type: ignore[method-assign,assignment]
    for _ in range(30):
        await bench.drain._turn()
    assert len(bench.store.rows) == 8
    assert [one.spooled.decision_id for one in bench.spool.stream.entries.values()] == ["order:0"]


async def test_an_entry_of_a_later_version_is_left_to_others_and_buried_at_last() -> None:
    bench = Bench()
    unknown = Claimed("1", 1, None, "order:1", b"what")
    assert drain._parsed(unknown) is None
    await bench.drain._bring([unknown])
    assert bench.store.letters == []
    await bench.drain._bring([Claimed("1", MOST_DELIVERIES + 1, None, "order:1", b"what")])
    assert [letter.raw for letter in bench.store.letters] == [b"what"]


async def test_while_writes_are_switched_off_the_spool_keeps_everything() -> None:
    bench = Bench(may_write=False)
    await bench.spool.add([spooled("order:1")])
    assert await bench.drain.once() == 0
    assert bench.store.rows == {}
    assert bench.spool.stream.entries[1].deliveries == 0


async def test_a_spool_away_is_told_and_found_again() -> None:
    bench = Bench()
    await bench.spool.add([spooled("order:1")])
    bench.spool.stream.away = True
    with pytest.raises(StoreUnavailable):
        await bench.drain.once()
    assert bench.drain.away
    bench.spool.stream.away = False
    assert await bench.drain.once() == 1
    assert not bench.drain.away


async def test_a_spool_that_goes_away_after_the_commit_costs_no_second_row() -> None:
    bench = Bench()
    await bench.spool.add([spooled("order:1")])
    finish = bench.spool.finish

    async def away(_: object) -> None:
        bench.spool.finish = finish  # type: ignore[method-assign]
        raise StoreUnavailable("gone")

    bench.spool.finish = away  # type: ignore[method-assign,assignment]
    await bench.run()
    assert (bench.store.batches, len(bench.store.rows), bench.counts.brought) == ([1, 1], 1, 1)


async def test_a_drain_that_is_cancelled_gives_back_what_it_held() -> None:
    bench = Bench()
    await bench.spool.add([spooled("order:1")])

    async def hang(_: object) -> list[Receipt]:
        await asyncio.Event().wait()
        return []

    bench.store.write = hang  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(bench.drain.once())
    for _ in range(20):
        await asyncio.sleep(0)
    assert bench.spool.stream.entries[1].held_by == "one"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (entry,) = bench.spool.stream.entries.values()
    assert (entry.held_by, entry.deliveries) == (None, 0)


async def test_two_replicas_share_the_work_and_do_none_of_it_twice() -> None:
    stream, store = MemoryStream(), MemoryStore()
    one, two = (Bench(store=store, spool=MemorySpool(stream, name)) for name in ("one", "two"))
    await one.spool.add([spooled(f"order:{n}") for n in range(100)])
    await asyncio.gather(one.run(), two.run())
    assert sum(store.batches) == 100
    assert len(store.rows) == 100
    assert one.counts.brought + two.counts.brought == 100
    assert min(one.counts.brought, two.counts.brought) > 0


def claimed(deliveries: int) -> Claimed:
    return Claimed("1-0", deliveries, None, "order:1", b"")


def test_suspects_go_alone() -> None:
    one, two, three, four = claimed(1), claimed(2), claimed(3), claimed(9)
    assert batches([three, one, four, two]) == [[one, two], [three], [four]]
    assert batches([three]) == [[three]]
    assert batches([]) == []


@pytest.mark.parametrize(("live_rows", "expected"), [(0, 0.0), (250, 1.0), (500, 2.0), (5000, 2.0)])
def test_the_drain_steps_back_when_requests_wait(live_rows: int, expected: float) -> None:
    assert pause_s(0.5, live_rows, 500) == expected


async def test_an_empty_spool_is_asked_about_once_a_second_and_not_by_all_replicas_at_once() -> None:
    assert [round(await waited(random), 3) for random in (0.0, 0.5, 1.0)] == [0.9, 1.0, 1.1]


async def waited(random: float) -> float:
    bench = Bench()
    bench.drain._timing = Timing(lambda: 0.0, lambda: random, bench._sleep)
    return await bench.drain._turn()


async def test_after_a_batch_it_waits_by_how_long_that_took() -> None:
    bench, times = Bench(), iter((100.0, 100.5))
    bench.drain._timing = Timing(lambda: next(times), lambda: 0.5, bench._sleep)
    bench.drain._manners = Manners(10, lambda: True, lambda: 5)
    await bench.spool.add([spooled("order:1")])
    assert await bench.drain._turn() == 1.0


async def test_the_database_is_asked_first_after_a_start_and_after_every_failure() -> None:
    bench = Bench(batch_rows=1)
    asked: list[str] = []
    ping = bench.store.ping

    async def told() -> None:
        asked.append("ping")
        await ping()

    bench.store.ping = told  # type: ignore[method-assign]
    await bench.spool.add([spooled(f"order:{n}") for n in range(3)])
    await bench.drain._turn()
    await bench.drain._turn()
    assert asked == ["ping"]
    bench.store.failures = [StoreUnavailable("gone")]
    await bench.drain._turn()
    asked.clear()
    await bench.drain._turn()
    assert asked == ["ping"]
    assert len(bench.store.rows) == 3


async def test_a_drain_knows_nothing_against_the_spool_before_it_asked() -> None:
    assert Bench().drain.away is False


async def test_a_failed_turn_waits_a_second_and_only_what_was_unforeseen_is_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    await bench.spool.add([spooled("order:1")])
    caplog.set_level("DEBUG", "DecisionSpool")
    for failure in (StoreUnavailable("gone"), RuntimeError("bug")):
        bench.store.failures = [failure]
        assert await bench.drain._turn() == drain.POLL_S
    assert bench.counts.failures == 1
    waits, failed = caplog.records
    assert (waits.levelname, waits.message) == ("DEBUG", "[DecisionSpool] drain waits")
    assert waits.reason == "gone"  # type: ignore[attr-defined]
    assert (failed.levelname, failed.message) == ("ERROR", "[DecisionSpool] drain failed")
    assert failed.exc_info


async def test_every_dead_letter_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    await bench.spool.add([spooled("order:1", userId=POISON)])
    await bench.run()
    (record,) = [one for one in caplog.records if one.name == "DecisionSpool"]
    assert record.message == "[DecisionSpool] Failed to write decision insight"
    facts = vars(record)
    assert (facts["decisionId"], facts["sqlstate"]) == ("order:1", "22P05")
    assert facts["reason"] == "unsupported Unicode escape sequence"


async def test_a_letter_keeps_the_bytes_that_came_and_what_the_database_said() -> None:
    bench = Bench()
    entry = spooled("order:1", "smoke-1", userId=POISON)
    await bench.spool.add([entry])
    await bench.run()
    (letter,) = bench.store.letters
    assert (letter.run_id, letter.raw) == ("smoke-1", entry.raw)
    assert letter.reason == "unsupported Unicode escape sequence"


async def test_what_is_no_trace_makes_a_letter_for_each_content() -> None:
    bench = Bench()
    entry = spooled("order:1")
    raws = (b"no JSON", b"none either", b"no JSON")
    await bench.spool.add([type(entry)("order:1", raw, None, entry.received_at) for raw in raws])
    await bench.run()
    assert [letter.raw for letter in bench.store.letters] == [b"no JSON", b"none either"]


async def test_only_rows_count_as_brought_and_every_letter_by_its_cause() -> None:
    bench = Bench()
    entry = spooled("order:1")
    bad = [type(entry)(f"bad:{n}", b"no JSON", None, entry.received_at) for n in range(3)]
    await bench.spool.add([entry, *bad, spooled("order:2")])
    await bench.run()
    assert (bench.counts.brought, bench.counts.causes) == (2, {"unreadable": 3})


async def test_an_entry_of_a_later_version_does_not_hold_up_those_behind_it() -> None:
    bench = Bench()
    await bench.spool.add([spooled("order:1"), spooled("order:2")])
    first, second = await bench.spool.claim(2)
    unknown = Claimed(first.entry_id, 1, None, first.decision_id, first.raw)
    await bench.drain._bring([unknown, second])
    assert list(bench.store.rows) == ["order:2"]
    assert [one.spooled.decision_id for one in bench.spool.stream.entries.values()] == ["order:1"]


async def test_the_last_delivery_but_one_is_still_judged_by_its_content() -> None:
    bench = Bench()
    await bench.drain._bring([Claimed("1", MOST_DELIVERIES, spooled_badly(), "order:1", b"no JSON")])
    await bench.drain._bring([Claimed("1", MOST_DELIVERIES + 1, spooled_badly(), "order:1", b"none")])
    assert bench.counts.causes == {"unreadable": 1, "undelivered": 1}


def spooled_badly() -> Spooled:
    entry = spooled("order:1")
    return Spooled("order:1", b"no JSON", None, entry.received_at)


@pytest.mark.parametrize(("entries", "turns"), [(drain.PARSED_AT_ONCE - 1, 0), (drain.PARSED_AT_ONCE, 1),
                                                 (3 * drain.PARSED_AT_ONCE, 3)])  # fmt: skip
async def test_others_get_their_turn_while_many_entries_are_parsed(
    entries: int, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    found = await Bench().drain._parsed([claimed(1)] * entries)
    assert (len(found), slept) == (entries, [0] * turns)
