"""Telling people."""

import httpx
import pytest

from loadtests.tell import Teller

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
