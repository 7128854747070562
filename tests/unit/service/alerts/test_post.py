"""Requests to receivers: to the address that was checked and nowhere else, and nothing of it told."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from service.alerts import post

pytestmark = pytest.mark.anyio

URL = "https://user:pass@hooks.example/services/secret?token=secret"


class Network:
    """Answers instead of a receiver, and keeps what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def nothing() -> AsyncIterator[bytes]:
    """A body that has not been read yet, as a network's."""
    yield b""


def answered(status: int, **headers: str) -> httpx.Response:
    return httpx.Response(status, headers=headers, content=nothing())


async def posted(
    network: Network, *addresses: str, url: str = URL, allowed: tuple[str, ...] = ()
) -> post.Answer:
    names = [list(addresses), ["127.0.0.1"]]

    async def resolve(host: str, port: int) -> list[str]:
        assert (host, port) == ("hooks.example", 443)
        return names.pop(0)

    poster = post.Poster(allowed, resolve)
    await poster.close()
    poster._client = httpx.AsyncClient(transport=httpx.MockTransport(network), follow_redirects=False)
    try:
        return await poster.post(url, b"{}", {"Content-Type": "application/json"})
    finally:
        await poster.close()


async def test_it_connects_to_the_checked_address_under_the_name() -> None:
    """A name that stands for another address a moment later is not asked again."""
    network = Network(answered(200))
    assert (await posted(network, "8.8.8.8")).status == 200
    (request,) = network.asked
    assert request.url.host == "8.8.8.8"
    assert request.headers["host"] == "hooks.example"
    assert request.extensions["sni_hostname"] == "hooks.example"
    assert request.headers["authorization"].startswith("Basic ")
    assert request.url.userinfo == b""


async def test_a_private_address_is_not_asked() -> None:
    network = Network()
    answer = await posted(network, "10.0.0.1")
    assert (answer.status, answer.sent, network.asked) == (0, False, [])


async def test_redirects_are_not_followed() -> None:
    network = Network(answered(302, location="http://169.254.169.254/"))
    assert (await posted(network, "8.8.8.8")).status == 302
    assert len(network.asked) == 1


async def test_another_address_is_tried_when_one_cannot_be_reached() -> None:
    network = Network(httpx.ConnectError("no"), answered(204))
    assert (await posted(network, "8.8.8.8", "1.1.1.1")).status == 204
    assert [one.url.host for one in network.asked] == ["8.8.8.8", "1.1.1.1"]


async def test_a_broken_answer_is_in_doubt_and_not_sent_again() -> None:
    network = Network(httpx.ReadTimeout("late"))
    answer = await posted(network, "8.8.8.8", "1.1.1.1")
    assert (answer.status, answer.sent) == (0, True)
    assert len(network.asked) == 1


async def test_retry_after_comes_back() -> None:
    network = Network(answered(429, **{"retry-after": "7"}))
    assert (await posted(network, "8.8.8.8"))[:2] == (429, "7")


@pytest.mark.parametrize("outcome", [httpx.ConnectError(URL), httpx.ReadError(URL), OSError(URL)])
async def test_reasons_name_the_host_alone(outcome: Exception, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    answer = await posted(Network(outcome), "8.8.8.8")
    assert answer.reason.startswith("hooks.example: ")
    assert "secret" not in answer.reason + caplog.text


async def test_an_endless_answer_is_cut() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 1024

    network = Network(httpx.Response(200, content=endless()))
    assert (await posted(network, "8.8.8.8")).status == 200
    assert read <= 17


async def test_all_of_it_together_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three addresses of which none answers take no longer than one message's claim lasts."""
    monkeypatch.setattr(post, "IN_ALL_S", 0.01)

    class Hangs(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            return httpx.Response(200, request=request)

    async def resolve(_: str, __: int) -> list[str]:
        return ["8.8.8.8", "8.8.4.4", "1.1.1.1"]

    poster = post.Poster((), resolve)
    await poster.close()
    poster._client = httpx.AsyncClient(transport=Hangs())
    try:
        answer = await poster.post(URL, b"{}", {})
    finally:
        await poster.close()
    assert (answer.status, answer.sent) == (0, True)
    assert answer.reason.startswith("hooks.example: no answer within")
    assert "secret" not in answer.reason
