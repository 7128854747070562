"""What a silence holds for, and which are taken."""

import json

import pytest

from service.alerts import silence
from service.alerts.rule import Severity
from service.alerts.testing import alert
from service.errors import Problem

NOW = 1_700_000_000.0
ASKED: dict[str, object] = {"matchers": {"metric": "queue.size"}, "createdBy": "me", "duration": "2h"}


def made(**fields: object) -> silence.Silence:
    asked = {key: value for key, value in (ASKED | fields).items() if value is not None}
    return silence.made(json.dumps(asked).encode(), NOW)


def test_all_matchers_have_to_fit() -> None:
    one = made(matchers={"metric": "queue.size", "severity": "high"})
    assert one.holds(alert(metric="queue.size", severity=Severity.HIGH), NOW)
    assert not one.holds(alert(metric="queue.size", severity=Severity.LOW), NOW)
    assert not one.holds(alert(metric="db.up", severity=Severity.HIGH), NOW)
    assert made(matchers={"ruleId": "rule-0001"}).holds(alert(1), NOW)


def test_it_holds_from_its_start_until_its_end() -> None:
    one = made(startsAt="2023-11-14T23:13:20Z", duration="30m")
    held = alert(metric="queue.size")
    assert [one.holds(held, NOW + at) for at in (0, 3599, 3600, 5399, 5400)] == [
        False, False, True, True, False,
    ]  # fmt: skip
    assert silence.silenced(held, [one], NOW + 3600)


@pytest.mark.parametrize(("text", "seconds"), [("45s", 45), ("30m", 1800), ("2h", 7200), ("30d", 2_592_000)])
def test_durations(text: str, seconds: int) -> None:
    assert made(duration=text).ends_at == NOW + seconds


def test_an_end_may_be_given_instead() -> None:
    assert made(duration=None, endsAt="2023-11-15T00:13:20+01:00").ends_at == NOW + 3600


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"duration": None}, "endsAt"),
        ({"endsAt": "2023-11-15T00:00:00Z"}, "endsAt"),
        ({"duration": "31d"}, "duration"),
        ({"duration": "0h"}, "duration"),
        ({"duration": "2 weeks"}, "duration"),
        ({"duration": None, "endsAt": "2023-11-14T22:13:20Z"}, "endsAt"),
        ({"duration": None, "endsAt": "2023-11-15T00:00:00"}, "endsAt"),
        ({"matchers": {}}, "matchers"),
        ({"matchers": {"host": "x"}}, "matchers"),
        ({"matchers": {"severity": "huge"}}, "matchers.severity"),
        ({"matchers": {"metric": ""}}, "matchers.metric"),
        ({"createdBy": " "}, "createdBy"),
        ({"comment": "x" * 501}, "comment"),
        ({"comment": "a\0b"}, "comment"),
    ],
)
def test_a_bad_one_is_refused_by_its_field(fields: dict[str, object], field: str) -> None:
    with pytest.raises(Problem) as caught:
        made(**fields)
    assert (caught.value.status, caught.value.field) == (400, field)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"matchers":1}', b"\xff", b'{"until":1}'])
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        silence.made(body, NOW)
    assert caught.value.status == 400
