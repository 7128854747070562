"""The service over HTTP: as many calls at a time as there are connections, kept alive; one try a call."""

import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx

from runbook.api import COME_BACK_LATER, LONGEST_WAIT_S, NDJSON, RUN_HEADER, Keys
from runbook.site import Site, trusted
from runbook.traffic.requests import Request

TIMEOUT_S = 30.0
# 502 and 504 are how the load balancer tells that the connection behind it broke.
SEND_AGAIN = COME_BACK_LATER | {502, 504}
PAGE = "100"


@dataclass(frozen=True)
class Reply:
    """What came back; status 0 when nothing did, with the reason in the body."""

    status: int
    body: bytes
    after_s: float | None = None

    @property
    def come_back_later(self) -> bool:
        return self.status == 0 or self.status in SEND_AGAIN

    def json(self) -> Any:
        """The decoded body; None when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Wire:
    """Follows no redirect and no proxy, so that the address is the one that was checked.

    A client for each connection: the pool of a shared one looks through all of them at every request.
    """

    def __init__(
        self,
        site: Site,
        keys: Keys,
        run_id: str,
        connections: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.run_id = run_id
        self._keys = keys
        # Loaded once: for each client by itself it would take a second.
        believed = True if transport else trusted(site)
        self._clients = [
            httpx.AsyncClient(
                base_url=site.url, timeout=TIMEOUT_S, transport=transport, verify=believed, trust_env=False
            )
            for _ in range(connections)
        ]
        self._free = list(self._clients)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            await client.aclose()

    async def post(self, request: Request) -> Reply:
        kind = "application/json" if request.single else NDJSON
        return await self._ask("POST", "/api/decisions", self._keys.ingest, request.body, kind)

    async def insight(self, decision_id: str) -> Reply:
        return await self._ask("GET", f"/api/insights/{decision_id}", self._keys.read)

    async def page(self, user_id: str, cursor: str | None) -> Reply:
        """Newest first, of one user."""
        query = {"userId": user_id, "limit": PAGE} | ({"cursor": cursor} if cursor else {})
        return await self._ask("GET", f"/api/insights?{urlencode(query)}", self._keys.read)

    async def count_run(self) -> Reply:
        return await self._ask("GET", f"/api/runs/{self.run_id}", self._keys.read)

    async def purge_run(self) -> Reply:
        return await self._ask("DELETE", f"/api/runs/{self.run_id}", self._keys.admin)

    async def _ask(
        self, method: str, path: str, key: str | None, body: bytes | None = None, kind: str | None = None
    ) -> Reply:
        headers = {RUN_HEADER: self.run_id}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        if kind:
            headers["Content-Type"] = kind
        client = self._free.pop()
        try:
            response = await client.request(method, path, content=body, headers=headers)
        except httpx.TransportError as error:
            return Reply(0, f"{type(error).__name__} {error}".strip().encode())
        finally:
            self._free.append(client)
        return Reply(response.status_code, response.content, _after_s(response.headers.get("Retry-After")))


def _after_s(header: str | None) -> float | None:
    return min(float(header), LONGEST_WAIT_S) if header and header.isdecimal() else None
