"""Two copies of the book that were apart: whatever one side told comes to an end at its receivers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from service.alerts.alert import Alert
from service.alerts.book import Book
from service.alerts.merge import merged
from service.alerts.round import delivery_of
from service.alerts.silence import Silence
from service.alerts.testing import alert

AT = 1_700_001_000.0
TOLD = alert(1, told=1, told_to=("l1",))
FIRING = delivery_of(TOLD, "firing", "l1", 1, TOLD.fired_at)
END = delivery_of(TOLD, "resolved", "l1", 1, AT)


def older(**fields: object) -> Book:
    usual: dict[str, object] = {"evaluated_at": AT - 60, "alerts": {TOLD.id: TOLD}}
    return Book(**(usual | fields))  # type: ignore[arg-type]


def newer(**fields: object) -> Book:
    return Book(evaluated_at=AT, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("swapped", [False, True])
def test_what_only_the_older_fired_and_told_is_resolved(swapped: bool) -> None:
    both = (older(delivered={FIRING.id: AT - 50}), newer())
    book, events = merged(*(both[::-1] if swapped else both))
    assert book.alerts == {}
    assert book.outbox == {END.id: END}
    assert [(one.id, one.status, one.at) for one in events] == [(f"{TOLD.id}:resolved", "resolved", AT)]


@pytest.mark.parametrize("message_id", ["", "msg_1"])
def test_a_firing_not_known_as_told_is_told_with_its_end(message_id: str) -> None:
    waits = replace(FIRING, message_id=message_id, claimed_at=AT - 55)
    book, _ = merged(older(outbox={waits.id: waits}), newer())
    assert book.outbox == {END.id: replace(END, with_firing=True)}


def test_a_firing_that_the_later_removed_does_not_come_back() -> None:
    waits = replace(END, with_firing=True)
    book, _ = merged(older(outbox={FIRING.id: FIRING}), newer(outbox={waits.id: waits}))
    assert book.outbox == {waits.id: waits}


def test_an_end_that_the_later_told_is_not_told_again() -> None:
    book, events = merged(older(delivered={FIRING.id: AT - 50}), newer(delivered={END.id: AT - 5}))
    assert book.outbox == {}
    assert [one.id for one in events] == [f"{TOLD.id}:resolved"]


def test_a_firing_under_way_that_the_later_itself_keeps_stays() -> None:
    begun = replace(FIRING, message_id="msg_1")
    book, _ = merged(older(), newer(outbox={begun.id: begun}))
    assert begun.id in book.outbox


def test_what_still_fires_waits_on() -> None:
    book, events = merged(older(outbox={FIRING.id: FIRING}), newer(alerts={TOLD.id: TOLD}))
    assert book.outbox == {FIRING.id: FIRING}
    assert events == []


def test_what_nobody_was_told_ends_in_silence() -> None:
    book, events = merged(older(alerts={"alert-0002": alert(2)}), newer())
    assert (book.outbox, events) == ({}, [])


def test_a_silence_holds_back_this_end_too() -> None:
    silence = Silence(
        id="s", matchers={"metric": TOLD.metric}, comment="", created_by="me", starts_at=0.0, ends_at=AT + 1
    )
    book, events = merged(older(delivered={FIRING.id: AT - 50}), newer(silences={"s": silence}))
    assert book.outbox == {}
    assert len(events) == 1


ALERTS = st.dictionaries(st.integers(1, 4), st.sampled_from([(), ("l1",), ("l1", "l2")]), max_size=4).map(
    lambda made: {f"alert-{n:04}": alert(n, told=len(to), told_to=to) for n, to in made.items()}
)


@given(ALERTS, ALERTS, st.booleans())
def test_every_told_alert_is_either_firing_or_ended_whichever_comes_first(
    here: dict[str, Alert], there: dict[str, Alert], queued: bool
) -> None:
    def book(at: float, alerts: dict[str, Alert]) -> Book:
        told = [delivery_of(one, "firing", to, 1, at) for one in alerts.values() for to in one.told_to]
        outbox = {one.id: one for one in told} if queued else {}
        return Book(
            evaluated_at=at,
            alerts=alerts,
            outbox=outbox,
            delivered={} if queued else {one.id: at for one in told},
        )

    one, other = book(AT - 60, here), book(AT, there)
    both = merged(one, other)
    assert both == merged(other, one)
    assert both.book.alerts == there
    for gone in here.keys() - there.keys():
        ends = {told.destination for told in both.book.outbox.values() if told.alert.id == gone}
        assert ends == set(here[gone].told_to)
    assert all(told.status == "resolved" or told.alert.id in there for told in both.book.outbox.values())
