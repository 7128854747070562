"""Telling people."""

import json

import httpx
import pytest

from loadtests.tell import TEAMS_HOSTS, Teller, body
from service.alerts import payload

ADDRESS = "https://hooks.example.org/services/a-secret"


def answering(status: int, asked: list[httpx.Request]) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status)

    return httpx.MockTransport(answer)


@pytest.mark.parametrize(("status", "said"), [(200, "told"), (500, "not told: 500")])
def test_people_are_told_by_the_webhook_and_never_its_address(status: int, said: str) -> None:
    asked: list[httpx.Request] = []
    teller = Teller(ADDRESS, answering(status, asked))
    teller.tell("load test begins")
    assert [one.read() for one in asked] == [b'{"text":"load test begins"}']
    assert teller.told == [{"message": "load test begins", "webhook": said}]
    assert "a-secret" not in f"{teller} {teller.told}"


def test_a_receiver_that_does_not_answer_stops_no_test() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    teller = Teller(ADDRESS, httpx.MockTransport(refuse))
    teller.tell("load test begins")
    assert teller.told[0]["webhook"] == "not told: ConnectError"


def test_without_a_webhook_it_is_only_kept() -> None:
    teller = Teller()
    teller.tell("load test begins")
    assert teller.told == [{"message": "load test begins", "webhook": "none is set"}]


@pytest.mark.parametrize("host", [f"prod-1{one}" for one in TEAMS_HOSTS])
def test_teams_gets_a_card(host: str) -> None:
    asked: list[httpx.Request] = []
    Teller(f"https://{host}/a-secret", answering(202, asked)).tell("load test *begins*")
    sent = json.loads(asked[0].read())
    (attachment,) = sent["attachments"]
    assert (sent["type"], attachment["contentType"]) == (
        "message",
        "application/vnd.microsoft.card.adaptive",
    )
    assert attachment["content"]["body"][0]["inlines"][0]["text"] == "load test *begins*"


@pytest.mark.parametrize("host", [*(f"prod-1{one}" for one in TEAMS_HOSTS), "hooks.slack.com", "example.org"])
def test_what_is_teams_to_the_service_is_teams_here(host: str) -> None:
    is_card = "attachments" in body(f"https://{host}/x", "")
    assert is_card == (payload.format_of(f"https://{host}/x", "auto") == "teams")


@pytest.mark.parametrize("address", ["https://[", "no address at all"])
def test_an_address_that_is_none_stops_no_test(address: str) -> None:
    teller = Teller(address)
    teller.tell("load test begins")
    assert teller.told[0]["webhook"].startswith("not told: ")
