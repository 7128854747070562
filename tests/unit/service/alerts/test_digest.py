"""Which deliveries share a message."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from service.alerts.alert import Delivery
from service.alerts.digest import Message, next_message
from service.alerts.rule import Severity
from service.alerts.testing import alert


def delivery(number: int, severity: Severity = Severity.LOW, **fields: object) -> Delivery:
    usual = {"id": f"d{number:04}", "destination": "l1", "status": "firing", "level": 1, "at": float(number)}
    return Delivery(**(usual | fields), alert=alert(number, severity=severity))  # type: ignore[arg-type]


def chosen(
    waiting: Sequence[Delivery], permits: int, *, recovering: bool = False, room: int = 300
) -> list[str]:
    message = next_message(waiting, permits, recovering=recovering, fits=lambda some: min(room, len(some)))
    return [] if message is None else [one.id for one in message.deliveries]


def test_while_there_is_room_each_has_its_own() -> None:
    assert chosen([delivery(2), delivery(1)], 2) == ["d0001"]


def test_what_is_too_many_goes_together() -> None:
    assert chosen([delivery(number) for number in range(3)], 2) == ["d0000", "d0001", "d0002"]


def test_a_critical_one_has_its_own_if_the_rest_still_fits() -> None:
    waiting = [delivery(1), delivery(2), delivery(3, Severity.CRITICAL)]
    assert chosen(waiting, 2) == ["d0003"]
    assert chosen(waiting, 1) == ["d0003", "d0001", "d0002"]


def test_a_receiver_that_failed_gets_all_in_one() -> None:
    assert chosen([delivery(1), delivery(2)], 8, recovering=True) == ["d0001", "d0002"]


def test_what_was_under_way_goes_first_as_it_was() -> None:
    waiting = [delivery(1, Severity.CRITICAL), delivery(2, message_id="m"), delivery(3, message_id="m")]
    message = next_message(waiting, 8, recovering=False, fits=len)
    assert message is not None
    assert (message.id, message.repeated) == ("m", True)
    assert [one.id for one in message.deliveries] == ["d0002", "d0003"]


def test_nothing_is_sent_without_a_permit_or_a_reason() -> None:
    assert chosen([delivery(1)], 0) == []
    assert chosen([], 8) == []


@given(
    st.lists(st.tuples(st.sampled_from(list(Severity)), st.booleans()), min_size=1, max_size=120),
    st.integers(1, 12),
    st.integers(1, 40),
)
def test_sent_one_after_the_other_everything_is_named_once_and_critical_ones_first(
    kinds: list[tuple[Severity, bool]], permits: int, room: int
) -> None:
    waiting = {
        f"d{number:04}": delivery(number, severity, status="resolved" if ended else "firing")
        for number, (severity, ended) in enumerate(kinds)
    }
    urgent = [one.alert.severity is Severity.CRITICAL or one.status == "resolved" for one in waiting.values()]
    named: list[Delivery] = []
    while waiting:
        message: Message | None = next_message(
            waiting.values(), permits, recovering=False, fits=lambda some: min(room, len(some))
        )
        assert message is not None
        named += [waiting.pop(one.id) for one in message.deliveries]
    firsts = named[: sum(urgent)]
    assert all(one.alert.severity is Severity.CRITICAL or one.status == "resolved" for one in firsts)
    assert len(named) == len(kinds)
