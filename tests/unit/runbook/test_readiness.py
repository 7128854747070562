"""What an operator is told while the service comes back."""

from collections.abc import Iterator, Sequence

import httpx
import pytest
import stamina

from runbook.api import Api, Keys, Unreachable
from runbook.errors import CheckFailed
from runbook.readiness import serve_anew


@pytest.fixture(autouse=True)
def without_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=2)
    yield
    stamina.set_testing(False)


def service(readiness: Sequence[int], cleared: int = 204) -> tuple[Api, list[str]]:
    """Answers `/ready` with each status in turn, the last one for ever."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}")
        if request.url.path == "/ready":
            return httpx.Response(readiness[min(len(asked), len(readiness)) - 1], text="database")
        return httpx.Response(cleared)

    return Api("http://service.test", Keys(admin="key"), httpx.MockTransport(answer)), asked


def test_the_cache_is_cleared_once_a_replica_is_ready() -> None:
    api, asked = service([503, 200])
    said: list[str] = []
    with api:
        serve_anew(api, said.append, within_s=1)
    assert asked == ["GET /ready", "GET /ready", "DELETE /api/cache/insights"]
    assert said == []


def test_a_service_that_never_gets_ready_is_told_with_its_last_answer() -> None:
    api, asked = service([503])
    with api, pytest.raises(Unreachable, match="503 database"):
        serve_anew(api, print, within_s=0.01)
    assert "DELETE /api/cache/insights" not in asked


def test_a_cache_that_was_not_cleared_is_a_failure() -> None:
    api, _ = service([200], cleared=403)
    with api, pytest.raises(CheckFailed, match="not cleared: 403"):
        serve_anew(api, print)


def test_a_cache_that_is_away_fails_nothing_and_is_told() -> None:
    api, _ = service([200], cleared=503)
    said: list[str] = []
    with api:
        serve_anew(api, said.append)
    assert "until its TTL ends" in said[0]
