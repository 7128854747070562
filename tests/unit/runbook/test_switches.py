import json

import httpx
import pytest

from runbook import switches
from runbook.api import Api, Keys
from runbook.errors import CheckFailed

STANDING = {
    "switches": [
        {"name": "disable-insight-writes", "on": True, "reason": "disk full", "since": "10:00", "by": "ab12"},
        {"name": "disable-notifications", "on": False, "reason": None, "since": None, "by": None},
    ]
}


def api(status: int = 200, body: object = None, asked: list[httpx.Request] | None = None) -> Api:
    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(request)
        return httpx.Response(status, json=STANDING if body is None else body)

    return Api("http://service.test", Keys(admin="a", read="r"), httpx.MockTransport(answer))


def test_switches_are_told_with_who_threw_them_and_why() -> None:
    thrown, usual = switches.switches_of(api())
    assert thrown.cells() == ["disable-insight-writes", "ON", "disk full, by ab12, 10:00"]
    assert usual.cells() == ["disable-notifications", "off", ""]


def test_status_names_only_those_that_are_thrown() -> None:
    lines = switches.status_lines(switches.thrown(api))
    assert lines == ["switch    disable-insight-writes is ON: disk full, by ab12, 10:00"]


def test_status_is_told_although_the_service_is_away() -> None:
    assert switches.thrown(lambda: api(500, {"detail": "gone"})) == []


def test_a_field_of_a_later_release_is_passed_over() -> None:
    body = {"switches": [{"name": "disable-notifications", "on": True, "expiresAt": "later"}]}
    assert [one.name for one in switches.switches_of(api(body=body))] == ["disable-notifications"]


def test_an_answer_that_is_no_list_is_an_error_with_its_reason() -> None:
    with pytest.raises(CheckFailed, match=r"401 the key sent is not known"):
        switches.switches_of(api(401, {"detail": "the key sent is not known"}))


def test_throwing_one_is_asked_with_the_admin_key() -> None:
    asked: list[httpx.Request] = []
    api(asked=asked).put(f"{switches.ROUTE}/disable-notifications", {"on": True, "reason": "storm"})
    assert asked[0].headers["authorization"] == "Bearer a"
    assert json.loads(asked[0].content) == {"on": True, "reason": "storm"}
