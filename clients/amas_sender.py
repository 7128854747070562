"""Sends decision traces so that none is lost: copy this file, it needs Python 3.9 and nothing else.

A trace gets its decisionId once, before the first attempt, and keeps it over every retry: the service
stores one row per id, so sending again is always safe.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import json
import os
import re
import ssl
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_TRACE_BYTES = 64 * 1024
MOST_BATCH_BYTES = 8 * 1024 * 1024
MOST_BATCH_LINES = 10_000
FIRST_PAUSE_S, MOST_PAUSE_S = 0.2, 10.0

_V7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
_STATES = {200: "duplicate", 201: "stored", 202: "spooled"}


@dataclass(frozen=True)
class Outcome:
    """The final word on one trace: stored, duplicate, spooled, conflict (409) or refused (all else)."""

    decision_id: str
    state: str
    status: int
    # Why it was not taken, in the service's words, and the field it blames; empty when it was taken.
    detail: str = ""
    field: str = ""

    @property
    def delivered(self) -> bool:
        """True when the trace is on disk at the service."""
        return self.status in _STATES


class TraceRefused(ValueError):
    """A trace that cannot be sent at all; nothing of the call was sent."""


class NotDelivered(Exception):
    """The deadline passed first. Keep `traces` and send them again: their ids make that safe."""

    def __init__(self, traces: Sequence[dict[str, Any]], outcomes: Sequence[Outcome], why: str) -> None:
        self.traces = list(traces)
        # The traces of the same call that are settled, refused ones too.
        self.outcomes = list(outcomes)
        whole = len(self.traces) + len(self.outcomes)
        super().__init__(f"{len(self.traces)} of {whole} traces are not delivered; the last try: {why}")


@dataclass(frozen=True)
class Surroundings:
    """What a test replaces."""

    wall_s: Callable[[], float] = time.time
    monotonic_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    random_bytes: Callable[[int], bytes] = os.urandom


class Sender:
    """One kept connection; threads may share it. `timeout_s` is for one wait, `deadline_s` for one call.

    `ca_file`: whom to trust with https, in PEM, where it is not an authority that this host knows.
    """

    def __init__(
        self,
        url: str,
        key: str,
        timeout_s: float = 30.0,
        deadline_s: float = 120.0,
        around: Surroundings | None = None,
        ca_file: str | None = None,
    ) -> None:
        if not re.fullmatch(r"[!-~]+", key):
            raise ValueError("key must be printable ASCII without spaces; `amas keys show ingest` prints it")
        if not (timeout_s > 0 and deadline_s > 0):
            raise ValueError(f"timeout_s={timeout_s} and deadline_s={deadline_s} must be above 0")
        self._connection, self._path = _target(url, ca_file)
        self._authorization = f"Bearer {key}"
        self._timeout_s, self._deadline_s = timeout_s, deadline_s
        self._around = around or Surroundings()
        self._lock = threading.Lock()

    def send(self, trace: Mapping[str, Any]) -> Outcome:
        """One trace; raises TraceRefused before, NotDelivered after the attempts."""
        return self._deliver([self._line(0, trace)], "application/json")[0]

    def send_many(self, traces: Iterable[Mapping[str, Any]]) -> list[Outcome]:
        """Outcomes in the order of the traces; those that need it are sent again, the others are not."""
        lines = [self._line(place, trace) for place, trace in enumerate(traces)]
        return self._deliver(lines, "application/x-ndjson")

    def close(self) -> None:
        """Gives the connection back; the next send opens another."""
        with self._lock:
            self._connection.close()

    def _line(self, place: int, trace: Mapping[str, Any]) -> _Line:
        whole = identified(trace, int(self._around.wall_s() * 1000), self._around.random_bytes(10))
        return _Line(place, str(whole["decisionId"]), _encoded(place, whole))

    def _deliver(self, lines: list[_Line], content_type: str) -> list[Outcome]:
        """Lines to be sent again go to the end, so that none holds up the rest."""
        end_s = self._around.monotonic_s() + self._deadline_s
        settled: dict[int, Outcome] = {}
        waiting, vain = lines, 0
        while waiting:
            batch = waiting[: batch_length(len(line.content) for line in waiting)]
            answer = self._ask(content_type, b"\n".join(line.content for line in batch), end_s)
            now_settled = _outcomes(batch, answer)
            settled.update(now_settled)
            again = [line for line in batch if line.place not in now_settled]
            waiting = waiting[len(batch) :] + again
            vain = 0 if now_settled else vain + 1
            pause_s = answer.retry_after_s + self._backoff_s(vain) if again else 0.0
            if waiting and self._around.monotonic_s() + pause_s >= end_s:
                raise _not_delivered(waiting, settled, answer.why if again else "no time was left for it")
            if again:
                self._around.sleep(pause_s)
        return [settled[line.place] for line in lines]

    def _backoff_s(self, vain: int) -> float:
        """Full jitter, also on top of Retry-After: those refused together must not return together."""
        fraction = int.from_bytes(self._around.random_bytes(4), "big") / 2**32
        return float(fraction * min(MOST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(vain, 16)))

    def _ask(self, content_type: str, body: bytes, end_s: float) -> _Answer:
        """One attempt; a kept connection that turns out dead is replaced at once."""
        with self._lock:
            kept = self._connection.sock is not None
            try:
                try:
                    return self._exchange(content_type, body, end_s)
                except ConnectionError:
                    if not kept:
                        raise
                    return self._exchange(content_type, body, end_s)
            except (OSError, http.client.HTTPException) as error:
                return _Answer({"status": 0}, {}, 0.0, f"no answer, {type(error).__name__}: {error}")

    def _exchange(self, content_type: str, body: bytes, end_s: float) -> _Answer:
        connection = self._connection
        headers = {"Authorization": self._authorization, "Content-Type": content_type}
        try:
            wait_s = max(0.05, min(self._timeout_s, end_s - self._around.monotonic_s()))
            connection.timeout = wait_s
            if connection.sock is None:
                connection.connect()
            connection.sock.settimeout(wait_s)
            # A server may refuse before it has read all; its answer then says why, the broken pipe does not.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", self._path, body, headers)
            response = connection.getresponse()
            return _answer(response, response.read(), self._around.wall_s())
        except BaseException:
            connection.close()
            raise


def uuid7(now_ms: int, random_bytes: bytes) -> str:
    """RFC 9562: 48 bits of Unix time in ms, then 12 and 62 of ten random bytes."""
    high, low = int.from_bytes(random_bytes[:2], "big"), int.from_bytes(random_bytes[2:10], "big")
    value = now_ms << 80 | 0x7 << 76 | (high & 0xFFF) << 64 | 0b10 << 62 | low & (1 << 62) - 1
    return str(uuid.UUID(int=value))


def identified(trace: Mapping[str, Any], now_ms: int, random_bytes: bytes) -> dict[str, Any]:
    """The trace with an id and a time, where it had none.

    Beside a UUIDv7 of the caller no time is made up: the service reads it from the id, and a time of
    this call would turn the caller's own repetition into a conflict.
    """
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_ms // 1000)) + f".{now_ms % 1000:03d}Z"
    if "decisionId" not in trace:
        return {"decisionId": uuid7(now_ms, random_bytes), "occurredAt": stamp, **trace}
    return dict(trace) if _V7.fullmatch(str(trace["decisionId"])) else {"occurredAt": stamp, **trace}


def batch_length(sizes_bytes: Iterable[int]) -> int:
    """How many of the lines, from the first on, fit into one batch; each line counts with its end."""
    total_bytes, count = 0, 0
    for size_bytes in sizes_bytes:
        total_bytes += size_bytes + 1
        if count == MOST_BATCH_LINES or total_bytes > MOST_BATCH_BYTES:
            break
        count += 1
    return count


def retry_after_s(header: str | None, wall_s: float) -> float:
    """Seconds to wait by a Retry-After of seconds or an HTTP date; 0 for anything else."""
    try:
        return float(min(max(0, int(header or "")), 10**9))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header or "").timestamp() - wall_s)
    except (ValueError, TypeError, OverflowError):
        return 0.0


@dataclass(frozen=True)
class _Line:
    place: int
    decision_id: str
    content: bytes


@dataclass(frozen=True)
class _Answer:
    """The answer as a whole, with the status 0 when none came, and by line where it speaks of lines."""

    whole: Mapping[str, Any]
    results: Mapping[int, Mapping[str, Any]]
    retry_after_s: float
    why: str


def _target(url: str, ca_file: str | None) -> tuple[http.client.HTTPConnection, str]:
    """Raises ValueError without showing the URL's user part, where some put a key."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("url must be like http://localhost:3000, without user or key in it")
    if parts.query or parts.fragment or not re.fullmatch(r"[!-~]*", parts.path):
        raise ValueError("url must end with its path, in printable ASCII: no query, fragment or space")
    return _connection(parts, ca_file), parts.path.rstrip("/") + "/api/decisions"


def _connection(parts: urllib.parse.SplitResult, ca_file: str | None) -> http.client.HTTPConnection:
    """Certificates are those this host trusts, or with a CA file those alone."""
    host = str(parts.hostname)
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port or 80)
    return http.client.HTTPSConnection(
        host, parts.port or 443, context=ssl.create_default_context(cafile=ca_file)
    )


def _encoded(place: int, trace: dict[str, Any]) -> bytes:
    name = f"trace {place + 1} (decisionId {str(trace['decisionId'])[:128]})"
    try:
        content = json.dumps(trace, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise TraceRefused(f"{name} cannot be written as JSON: {error}; nothing was sent") from error
    if len(content) > MOST_TRACE_BYTES:
        allowed = f"at most {MOST_TRACE_BYTES} are allowed"
        raise TraceRefused(f"{name} has {len(content)} bytes, {allowed}; nothing was sent")
    return content


def _answer(response: http.client.HTTPResponse, raw: bytes, wall_s: float) -> _Answer:
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError):
        parsed = None
    body = parsed if isinstance(parsed, dict) else {}
    listed = body.get("results")
    parts = [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []
    results = {part["line"]: part for part in parts if isinstance(part.get("line"), int)}
    details = [part["detail"] for part in (body, *parts) if "detail" in part and not _final(part)]
    why = f"{response.status} {response.reason}: {(details or ['the trace was not acknowledged'])[0]}"
    wait_s = retry_after_s(response.getheader("Retry-After"), wall_s)
    return _Answer({**body, "status": response.status}, results, wait_s, why)


def _final(part: Mapping[str, Any]) -> bool:
    status = part.get("status")
    return isinstance(status, int) and status < 500 and status not in (408, 429)


def _outcomes(batch: Sequence[_Line], answer: _Answer) -> dict[int, Outcome]:
    """The final outcomes by place; a line without one has to be sent again."""
    found = {
        line.place: _outcome(line, answer.results.get(number, answer.whole))
        for number, line in enumerate(batch, 1)
    }
    return {place: outcome for place, outcome in found.items() if outcome}


def _outcome(line: _Line, part: Mapping[str, Any]) -> Outcome | None:
    """None unless final; a success counts only with this line's id: anything can answer 200."""
    if not _final(part):
        return None
    status = int(part["status"])
    if status < 300:
        known = status in _STATES and str(part.get("decisionId")).lower() == line.decision_id.lower()
        return Outcome(line.decision_id, _STATES[status], status) if known else None
    state = "conflict" if status == 409 else "refused"
    detail = str(part.get("detail") or f"status {status} without a reason (redirects are not followed)")
    return Outcome(line.decision_id, state, status, detail, str(part.get("field") or ""))


def _not_delivered(waiting: Sequence[_Line], settled: Mapping[int, Outcome], why: str) -> NotDelivered:
    lines = sorted(waiting, key=lambda line: line.place)
    outcomes = [settled[place] for place in sorted(settled)]
    return NotDelivered([json.loads(line.content) for line in lines], outcomes, why)
