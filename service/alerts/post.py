"""Requests to receivers; the only importer of httpx. Of an address nothing but the host ever leaves it."""

import asyncio
import functools
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import NamedTuple

import httpx

from service.alerts.address import AddressRefused, Receiver, receiver, usable

TIMEOUT_S = 5.0
# For all of it: names, every address that is tried, and the answer.
IN_ALL_S = 10.0
# An answer is read so far and no further.
MOST_ANSWER_BYTES = 16 * 1024

# They would log whole addresses.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

Resolve = Callable[[str, int], Awaitable[list[str]]]


class Answer(NamedTuple):
    """What came back; status 0 when nothing did, and then nobody knows whether the message arrived."""

    status: int
    retry_after: str | None = None
    # For logs: names the host at most.
    reason: str = ""
    # False when it cannot have arrived.
    sent: bool = True


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Once for all: to read every authority takes tens of milliseconds."""
    return httpx.create_ssl_context(trust_env=False)


class Poster:
    """Connects to the very address that was checked: a name that changes meanwhile changes nothing."""

    def __init__(self, allowed_hosts: Collection[str], resolve: Resolve | None = None) -> None:
        self._allowed_hosts = allowed_hosts
        self._resolve = resolve or _resolved
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT_S,
            verify=_trusted(),
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=10, max_keepalive_connections=0),
            headers={"User-Agent": "amas"},
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        return await self._asked("POST", url, body, headers)

    async def get(self, url: str) -> Answer:
        return await self._asked("GET", url, b"", {})

    async def close(self) -> None:
        await self._client.aclose()

    async def _asked(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Never raises for what a receiver or the network does."""
        try:
            to = receiver(url, self._allowed_hosts)
        except AddressRefused as error:
            return Answer(0, reason=str(error), sent=False)
        try:
            async with asyncio.timeout(IN_ALL_S):
                return await self._tried(method, url, body, headers, to)
        except TimeoutError:
            return Answer(0, reason=f"{to.host}: no answer within {IN_ALL_S:.0f} s")

    async def _tried(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], to: Receiver
    ) -> Answer:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = usable(await self._resolve(to.host, to.port), to)
        except AddressRefused as error:
            return Answer(0, reason=str(error), sent=False)
        except (OSError, TimeoutError):
            return Answer(0, reason=f"{to.host}: its name has no address now", sent=False)
        answer = Answer(0, reason=f"{to.host}: no address", sent=False)
        for address in found[:3]:
            answer = await self._once(method, url, body, headers, to, address)
            if answer.sent:
                break
        return answer

    async def _once(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], to: Receiver, address: str
    ) -> Answer:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                request = self._request(method, url, body, headers, to, address)
                response = await self._client.send(request, stream=True)
                try:
                    await _read_some(response)
                finally:
                    await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return Answer(0, reason=f"{to.host}: {type(error).__name__}", sent=False)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            # Only the kind: messages of clients may hold addresses.
            return Answer(0, reason=f"{to.host}: {type(error).__name__}")
        reason = f"{to.host}: status {response.status_code}"
        return Answer(response.status_code, response.headers.get("retry-after"), reason)

    def _request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], to: Receiver, address: str
    ) -> httpx.Request:
        """To the address, while Host and the name in TLS stay what they were."""
        original = httpx.URL(url)
        request = self._client.build_request(
            method,
            original.copy_with(host=address, userinfo=b""),
            content=body or None,
            headers=dict(headers) | {"Host": original.netloc.decode("ascii").rpartition("@")[2]},
        )
        request.extensions = dict(request.extensions) | {"sni_hostname": to.host}
        if original.userinfo:
            request.headers["Authorization"] = _basic(original)
        return request


def _basic(url: httpx.URL) -> str:
    request = httpx.Request("GET", "https://none")
    return next(httpx.BasicAuth(url.username, url.password).auth_flow(request)).headers["Authorization"]


async def _read_some(response: httpx.Response) -> None:
    size_bytes = 0
    async for part in response.aiter_raw():
        size_bytes += len(part)
        if size_bytes >= MOST_ANSWER_BYTES:
            return


async def _resolved(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
