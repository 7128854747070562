"""However long a receiver is away, what waits for it stays within bounds and names every rule."""

from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from service.alerts import payload
from service.alerts.alert import Delivery
from service.alerts.book import Book
from service.alerts.digest import message_of
from service.alerts.fold import folded
from service.alerts.post import Answer
from service.alerts.round import delivery_of
from service.alerts.testing import alert
from tests.unit.service.alerts.world import World, rule

NOW = 1_700_100_000.0


def over(number: int, rule_id: str = "flaps", destination: str = "l1") -> Delivery:
    one = alert(number, rule_id=rule_id)
    return replace(delivery_of(one, "resolved", destination, 1, one.fired_at + 30), with_firing=True)


def book_of(*waiting: Delivery) -> Book:
    return Book(outbox={one.id: one for one in waiting})


def test_the_oldest_of_a_rule_become_one_that_counts_them() -> None:
    book = folded(book_of(*(over(number) for number in range(10))), NOW, most=8)
    assert len(book.outbox) == 8
    (one,) = (one for one in book.outbox.values() if one.times > 1)
    assert (one.times, one.alert.id, one.alert.fired_at) == (3, "alert-0002", over(0).alert.fired_at)
    assert book.delivered == {over(0).id: NOW, over(1).id: NOW}


def test_within_the_bound_nothing_changes() -> None:
    book = book_of(*(over(number) for number in range(10)))
    assert folded(book, NOW, most=10) is book


def test_what_fires_was_told_or_is_under_way_stays_as_it_is() -> None:
    firing = delivery_of(alert(1), "firing", "l1", 1, NOW)
    told = replace(over(2), with_firing=False)
    begun = replace(over(3), message_id="msg_1")
    book = book_of(firing, told, begun, over(4))
    assert folded(book, NOW, most=1).outbox == book.outbox


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["l1", "l2"])), max_size=60, unique=False),
    st.integers(1, 20),
)
def test_no_rule_is_forgotten_and_every_time_is_counted(made: list[tuple[str, str]], most: int) -> None:
    waiting = [over(number, name, to) for number, (name, to) in enumerate(made)]
    book = book_of(*waiting)
    for step in range(3):
        book = folded(book, NOW + step, most)
    counted: Counter[tuple[str, str]] = Counter()
    for one in book.outbox.values():
        counted[one.alert.rule_id, one.destination] += one.times
    assert counted == Counter(made)
    for to in ("l1", "l2"):
        assert sum(one.destination == to for one in book.outbox.values()) <= max(most, 3)
    assert not book.outbox.keys() & book.delivered.keys()


@pytest.mark.parametrize("form", ["slack", "teams", "generic"])
def test_it_says_how_often(form: payload.Format) -> None:
    one = replace(over(1), times=1234)
    for message in (message_of([one]), message_of([one, over(2, "other")])):
        said = payload.render(message, form).decode()
        assert "flaps" in said
        assert "1234" in said


@pytest.mark.anyio
async def test_a_rule_that_flaps_for_hours_while_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.alerts.round.folded", partial(folded, most=5))
    world = World([rule("flaps"), rule("stays", metric="m2")])
    world.receiver.answer = lambda: Answer(0, sent=False)
    one = world.add()
    world.samples = {"m2": (900.0, 10)}
    for _ in range(40):
        world.samples |= {"http.latency.p99": (900.0, 10)}
        await world.run(5)
        world.samples |= {"http.latency.p99": (100.0, 10)}
        await world.run(5)
    assert len(one.desk.book.outbox) <= 5 + 1
    world.receiver.answer = lambda: Answer(200)
    await world.run(120)
    times = sum(
        int(told["annotations"].get("times", "1"))
        for message in world.receiver.taken
        for told in message.body["alerts"]
        if told["labels"]["alertname"] == "flaps"
    )
    assert times == 40
    assert "stays" in world.receiver.told("firing")
