"""The service over HTTP: kept-alive connections, retries that honour Retry-After."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx

from runbook.errors import CheckFailed
from runbook.retry import tries
from runbook.site import Site, trusted

RUN_HEADER = "X-Amas-Run-Id"
NDJSON = "application/x-ndjson"
TIMEOUT_S = 10.0
ATTEMPTS = 8
RETRY_FOR_S = 30.0
LONGEST_WAIT_S = 5.0
COME_BACK_LATER = frozenset({429, 503})


@dataclass(frozen=True)
class Keys:
    """Bearer keys by scope; a scope without one is asked without a key."""

    ingest: str | None = None
    read: str | None = None
    admin: str | None = None
    metrics: str | None = None

    def __repr__(self) -> str:
        return "Keys(<secret>)"


@dataclass(frozen=True)
class Answer:
    """A response, read to its end."""

    status: int
    text: str
    # Where an insight came from: `hit` is the cache, `miss` the database.
    cache: str | None = None

    def json(self) -> Any:
        """The decoded body; None when it is not JSON."""
        try:
            return json.loads(self.text)
        except ValueError:
            return None


class Unreachable(CheckFailed):
    """No answer at all, or still 503 after every retry."""


class _Busy(Exception):
    """The service asks to come back later."""

    def __init__(self, answer: Answer, after_s: float | None) -> None:
        super().__init__(f"{answer.status}")
        self.answer = answer
        self.after_s = after_s


class Api:
    """The service's routes that the runbook uses. May be shared between threads."""

    def __init__(
        self, at: Site | str, keys: Keys | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        site = at if isinstance(at, Site) else Site(at)
        self.url = site.url.rstrip("/")
        self._keys = keys or Keys()
        self._client = httpx.Client(
            base_url=self.url,
            timeout=TIMEOUT_S,
            transport=transport,
            # Loading the authorities takes a while, and plain HTTP asks for none.
            verify=trusted(site) if self.url.startswith("https:") and transport is None else False,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def health(self) -> Answer:
        return self._once(_Request("GET", "/health"))

    def until_ready(self, within_s: float) -> None:
        """Waits while no replica is ready; raises Unreachable with the last answer when time is up."""
        patience = tries(on=Unreachable, attempts=None, timeout=within_s, wait_initial=0.5, wait_max=2.0)
        for attempt in patience:
            with attempt:
                self._demand_ready()

    def metrics(self) -> Answer:
        return self._once(_Request("GET", "/api/about/metrics/prometheus", self._keys.metrics))

    def read(self, path: str, parameters: Mapping[str, str] | None = None) -> Answer:
        return self._once(_Request("GET", path, self._keys.read, parameters=parameters))

    def put(self, path: str, value: Mapping[str, Any]) -> Answer:
        return self._as_admin("PUT", path, value)

    def post(self, path: str, value: Mapping[str, Any]) -> Answer:
        return self._as_admin("POST", path, value)

    def delete(self, path: str) -> Answer:
        return self._as_admin("DELETE", path, None)

    def post_trace(self, trace: Mapping[str, Any], run_id: str) -> Answer:
        return self._post(_encoded(trace), "application/json", run_id)

    def post_traces(self, traces: Sequence[Mapping[str, Any]], run_id: str) -> Answer:
        return self._post(b"\n".join(_encoded(trace) for trace in traces), NDJSON, run_id)

    def insight(self, decision_id: str, run_id: str) -> Answer:
        """Read as part of a run, which leaves the cache's hit rate alone."""
        path = f"/api/insights/{decision_id}"
        return self._retried(_Request("GET", path, self._keys.read, {RUN_HEADER: run_id}))

    def stored_of_run(self, run_id: str) -> int:
        return int(self._field("stored", _Request("GET", f"/api/runs/{run_id}", self._keys.read)))

    def purge_run(self, run_id: str) -> int:
        return int(self._field("deleted", _Request("DELETE", f"/api/runs/{run_id}", self._keys.admin)))

    def insights_of(self, user_id: str) -> list[dict[str, Any]]:
        """Every page of the list of one user."""
        items: list[dict[str, Any]] = []
        parameters = {"userId": user_id, "limit": "100"}
        while True:
            page = self._fields(_Request("GET", "/api/insights", self._keys.read, parameters=parameters))
            items += page["items"]
            if not page.get("nextCursor"):
                return items
            parameters = {**parameters, "cursor": str(page["nextCursor"])}

    def _as_admin(self, method: str, path: str, value: Mapping[str, Any] | None) -> Answer:
        """Once, since what is asked for may have a reason to be refused."""
        body = None if value is None else _encoded(value)
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self._once(_Request(method, path, self._keys.admin, headers, body))

    def clear_insights(self) -> Answer:
        """Every cached insight is forgotten."""
        return self._retried(_Request("DELETE", "/api/cache/insights", self._keys.admin))

    def _demand_ready(self) -> None:
        answer = self.read("/ready")
        if answer.status != httpx.codes.OK:
            raise Unreachable(f"GET {self.url}/ready: {answer.status} {answer.text[:200]}")

    def _post(self, body: bytes, content_type: str, run_id: str) -> Answer:
        headers = {"Content-Type": content_type, RUN_HEADER: run_id}
        return self._retried(_Request("POST", "/api/decisions", self._keys.ingest, headers, body))

    def _field(self, name: str, request: "_Request") -> Any:
        fields = self._fields(request)
        if name not in fields:
            raise CheckFailed(f"{request.method} {request.path}: the answer has no `{name}`: {fields}")
        return fields[name]

    def _fields(self, request: "_Request") -> dict[str, Any]:
        answer = self._retried(request)
        body = answer.json()
        if answer.status != httpx.codes.OK or not isinstance(body, dict):
            raise CheckFailed(f"{request.method} {request.path}: {answer.status} {answer.text[:200]}")
        return body

    def _retried(self, request: "_Request") -> Answer:
        answer: Answer | None = None
        try:
            for attempt in tries(on=_wait_s, attempts=ATTEMPTS, timeout=RETRY_FOR_S):
                with attempt:
                    answer = self._send(request)
        except _Busy as busy:
            raise Unreachable(
                f"{self._at(request)}: still {busy.answer.status} after {ATTEMPTS} tries"
            ) from None
        except httpx.TransportError as reason:
            raise Unreachable(f"{self._at(request)}: {reason or type(reason).__name__}") from None
        if answer is None:
            raise AssertionError("the last attempt answers or raises")
        return answer

    def _once(self, request: "_Request") -> Answer:
        """One try: a check wants to see what is, not what is after a minute of patience."""
        try:
            return self._send(request)
        except _Busy as busy:
            return busy.answer
        except httpx.TransportError as reason:
            raise Unreachable(f"{self._at(request)}: {reason or type(reason).__name__}") from None

    def _send(self, request: "_Request") -> Answer:
        bearer = {"Authorization": f"Bearer {request.key}"} if request.key else {}
        response = self._client.request(
            request.method,
            request.path,
            content=request.body,
            params=request.parameters,
            headers={**request.headers, **bearer},
        )
        answer = Answer(response.status_code, response.text, response.headers.get("X-Cache"))
        if response.status_code in COME_BACK_LATER:
            raise _Busy(answer, _retry_after_s(response.headers.get("Retry-After")))
        return answer

    def _at(self, request: "_Request") -> str:
        return f"{request.method} {self.url}{request.path}"


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    parameters: Mapping[str, str] | None = None


def _encoded(trace: Mapping[str, Any]) -> bytes:
    return json.dumps(trace, ensure_ascii=False).encode()


def _retry_after_s(header: str | None) -> float | None:
    return min(float(header), LONGEST_WAIT_S) if header and header.isdecimal() else None


def _wait_s(reason: Exception) -> bool | float:
    """Retry a busy answer after the time it asks for, a broken connection with the usual backoff."""
    if isinstance(reason, _Busy):
        return True if reason.after_s is None else reason.after_s
    return isinstance(reason, httpx.TransportError)
