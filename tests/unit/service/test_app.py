"""The HTTP contract, route by route, on in-memory stores."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from service.errors import StoreUnavailable
from service.insights import batch, trace
from service.insights.testing import POISON, raw_trace, recently
from tests.unit.service.standing import Standing, problem, standing, v7

pytestmark = pytest.mark.anyio


@pytest.fixture
async def up() -> AsyncIterator[Standing]:
    async with standing() as service:
        yield service


async def test_health_has_exactly_the_shape_of_the_runbook(up: Standing) -> None:
    up.reads.away = True
    response = await up.client.get("/health")
    assert response.status_code == 200
    body = response.json()
    assert body.pop("status") == "ok"
    stamp = body.pop("timestamp")
    assert body == {}
    assert stamp.endswith("Z")
    assert len(stamp) == len("2024-12-03T10:00:00.000Z")


async def test_a_trace_is_stored_then_a_duplicate_then_a_conflict(up: Standing) -> None:
    decision_id = v7()
    stored = await up.post(raw_trace(decision_id))
    assert (stored.status_code, stored.json()) == (201, {"decisionId": decision_id, "state": "stored"})
    again = await up.post(raw_trace(decision_id))
    assert (again.status_code, again.json()) == (200, {"decisionId": decision_id, "state": "duplicate"})
    other = problem(await up.post(raw_trace(decision_id, action="other")), 409)
    assert other["field"] == "decisionId"


async def test_the_same_trace_with_and_without_a_run_id_is_a_conflict(up: Standing) -> None:
    """A purge of the run would delete what was acknowledged as real."""
    first, second = raw_trace(v7()), raw_trace(v7())
    assert (await up.post(first, **{"x-amas-run-id": "smoke-1"})).status_code == 201
    assert "belongs to a load or smoke run" in str(problem(await up.post(first), 409)["detail"])
    other = problem(await up.post(first, **{"x-amas-run-id": "smoke-2"}), 409)
    assert "belongs to another load or smoke run" in str(other["detail"])
    assert (await up.post(first, **{"x-amas-run-id": "smoke-1"})).status_code == 200
    assert (await up.post(second)).status_code == 201
    real = problem(await up.post(second, **{"x-amas-run-id": "smoke-1"}), 409)
    assert "outside of any load or smoke run" in str(real["detail"])


async def test_the_reserved_id_is_refused_by_its_reason(up: Standing) -> None:
    body = problem(await up.post(raw_trace("rate", occurredAt=recently())), 400)
    assert body["field"] == "decisionId"
    assert "is reserved, since GET /api/insights/<id> could not read it" in str(body["detail"])


async def test_a_bad_trace_is_400_with_field_value_and_what_is_allowed(up: Standing) -> None:
    body = problem(await up.post(raw_trace(v7(), durationMs=-5)), 400)
    assert body["field"] == "durationMs"
    assert body["detail"] == "durationMs must be a finite number of at least 0; it came as -5"
    assert up.store.rows == {}


async def test_a_poison_row_is_400_and_kept_apart(up: Standing) -> None:
    problem(await up.post(raw_trace(v7(), userId=POISON)), 400)
    assert len(up.store.letters) == 1


async def test_a_body_too_large_is_413_announced_or_not(up: Standing) -> None:
    large = raw_trace(v7(), note="x" * trace.MOST_BYTES)
    problem(await up.post(large), 413)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 5000):
            yield large[start : start + 5000]

    sent = {"authorization": "Bearer ingest", "content-type": "application/json"}
    problem(await up.client.post("/api/decisions", content=pieces(), headers=sent), 413)


async def test_a_body_in_pieces_is_taken(up: Standing) -> None:
    raw = raw_trace(v7())

    async def pieces() -> AsyncIterator[bytes]:
        yield raw[:7]
        yield raw[7:]

    sent = {"authorization": "Bearer ingest", "content-type": "application/json; charset=UTF-8"}
    assert (await up.client.post("/api/decisions", content=pieces(), headers=sent)).status_code == 201


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json; charset=latin-1", "application/xml"])
async def test_other_types_are_415(up: Standing, kind: str) -> None:
    problem(await up.post(raw_trace(v7()), kind), 415)


async def test_encoded_bodies_are_415(up: Standing) -> None:
    problem(await up.post(b"...", **{"content-encoding": "gzip"}), 415)


async def test_a_full_queue_with_the_spool_away_answers_503_with_retry_after() -> None:
    async with standing(WRITE_QUEUE_ROWS="1") as up:
        up.spool.stream.away = True
        up.service.queue.rows = 1
        response = await up.post(raw_trace(v7()))
        problem(response, 503)
        assert 1 <= int(response.headers["retry-after"]) <= 5
        up.service.queue.rows = 0


async def test_with_database_and_spool_away_it_answers_503_with_retry_after(up: Standing) -> None:
    up.spool.stream.away = True
    up.service.queue.close("the database is away")
    response = await up.post(raw_trace(v7()))
    detail = str(problem(response, 503)["detail"])
    assert "the database is away, and the spool takes nothing; nothing was acknowledged" in detail
    assert response.headers["retry-after"]
    metrics = (await up.client.get("/api/about/metrics/prometheus")).text
    assert 'amas_decisions_refused_total{reason="store_away"} 1.0' in metrics
    assert "amas_spool_errors_total 1.0" in metrics


async def test_with_the_database_away_a_trace_is_spooled_and_pending(up: Standing) -> None:
    up.service.queue.close("the database is away")
    up.store.failures = [StoreUnavailable("gone")] * 1000
    up.reads.away = True
    raw, decision_id = raw_trace(v7()), v7()
    response = await up.post(raw_trace(decision_id), **{"x-amas-run-id": "smoke-1"})
    assert (response.status_code, response.json()) == (202, {"decisionId": decision_id, "state": "spooled"})
    (entry,) = up.spool.stream.entries.values()
    assert entry.spooled.run_id == "smoke-1"
    for _ in range(2):
        pending = await up.client.get(f"/api/insights/{decision_id}")
        assert pending.json() == {"decisionId": decision_id, "state": "pending"}
        assert pending.status_code == 202
        # Also when the database answers that it holds nothing.
        up.reads.away = False
    assert (await up.client.get(f"/api/insights/{v7()}")).status_code == 404
    lines = await up.post(raw + b"\n" + raw + b"\nnope", "application/x-ndjson")
    assert lines.status_code == 200
    body = lines.json()
    assert (body["stored"], body["spooled"], body["refused"]) == (0, 2, 1)
    assert [one["status"] for one in body["results"]] == [202, 202, 400]
    metrics = (await up.client.get("/api/about/metrics/prometheus")).text
    assert 'amas_decisions_total{result="spooled"} 3.0' in metrics
    assert "amas_spool_length 3.0" in metrics
    assert 'amas_decisions_refused_total{reason="store_away"} 0.0' in metrics


async def test_switched_off_writes_are_refused_with_503_and_counted() -> None:
    async with standing(DISABLE_INSIGHT_WRITES="true") as up:
        problem(await up.post(raw_trace(v7())), 503)
        assert up.store.batches == []
        metrics = (await up.client.get("/api/about/metrics/prometheus")).text
        assert 'amas_decisions_refused_total{reason="writes_disabled"} 1.0' in metrics


async def test_a_batch_has_a_result_for_each_line(up: Standing) -> None:
    first = v7()
    lines = [
        raw_trace(first),
        b"",
        raw_trace(first),
        b"nope",
        raw_trace(first, action="other"),
        b"x" * 70_000,
    ]
    response = await up.post(b"\n".join(lines), "application/x-ndjson")
    assert response.status_code == 200
    body = response.json()
    assert (body["stored"], body["duplicate"], body["refused"]) == (1, 1, 3)
    assert [(one["line"], one["status"]) for one in body["results"]] == [
        (1, 201),
        (3, 200),
        (4, 400),
        (5, 409),
        (6, 413),
    ]
    assert body["results"][0]["decisionId"] == first
    assert "detail" in body["results"][2]
    assert body["results"][3]["field"] == "decisionId"


async def test_a_large_batch_goes_through_in_pieces(up: Standing) -> None:
    response = await up.post(b"\n".join(raw_trace(v7()) for _ in range(1200)), "application/x-ndjson")
    assert response.json()["stored"] == 1200
    assert sum(up.store.batches) == 1200
    assert max(up.store.batches) <= batch.PIECE_LINES


async def test_others_come_in_between_the_lines_of_a_batch(up: Standing) -> None:
    lines = b"\n".join(raw_trace(v7()) for _ in range(400))
    many = asyncio.create_task(up.post(lines, "application/x-ndjson"))
    while not up.store.batches:  # noqa: ASYNC110  # the store has no signal for it
        await asyncio.sleep(0)
    assert (await up.post(raw_trace(v7()))).status_code == 201
    assert not many.done()
    assert (await many).json()["stored"] == 400


async def test_a_piece_of_a_batch_ends_at_its_bytes_too(
    up: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "PIECE_BYTES", 3000)
    response = await up.post(
        b"\n".join(raw_trace(v7(), note="x" * 1000) for _ in range(8)), "application/x-ndjson"
    )
    assert response.json()["stored"] == 8
    assert up.store.batches == [3, 3, 2]


async def test_an_empty_batch_is_400(up: Standing) -> None:
    problem(await up.post(b"\n\n", "application/x-ndjson"), 400)


async def test_a_batch_past_its_lines_is_413_with_the_results_so_far(
    up: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MOST_LINES", 3)
    monkeypatch.setattr(batch, "PIECE_LINES", 2)
    body = problem(await up.post(b"\n".join(raw_trace(v7()) for _ in range(4)), "application/x-ndjson"), 413)
    assert body["stored"] == 2
    assert len(up.store.rows) == 2


async def test_a_batch_past_its_bytes_is_413(up: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_BYTES", 500)
    problem(await up.post(b"\n".join(raw_trace(v7()) for _ in range(4)), "application/x-ndjson"), 413)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield raw_trace(v7()) + b"\n"

    sent = {"authorization": "Bearer ingest", "content-type": "application/x-ndjson"}
    problem(await up.client.post("/api/decisions", content=pieces(), headers=sent), 413)


async def test_a_batch_of_which_nothing_could_be_stored_is_503(up: Standing) -> None:
    up.spool.stream.away = True
    up.service.queue.close("the database is away")
    response = await up.post(raw_trace(v7()) + b"\n" + raw_trace(v7()), "application/x-ndjson")
    body = problem(response, 503)
    assert response.headers["retry-after"]
    assert isinstance(body["results"], list)
    assert len(body["results"]) == 2


async def test_run_ids_are_kept_and_checked(up: Standing) -> None:
    decision_id = v7()
    await up.post(raw_trace(decision_id), **{"x-amas-run-id": "smoke-1"})
    assert up.store.rows[decision_id].run_id == "smoke-1"
    assert (
        problem(await up.post(raw_trace(v7()), **{"x-amas-run-id": "a b"}), 400)["field"] == "X-Amas-Run-Id"
    )


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/api/decisions", "ingest"),
        ("DELETE", "/api/runs/r1", "admin"),
        ("DELETE", "/api/insights/x/cache", "admin"),
    ],
)
async def test_writes_always_need_a_key_of_their_scope(
    up: Standing, method: str, path: str, scope: str
) -> None:
    response = await up.client.request(method, path)
    problem(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")
    body = problem(await up.client.request(method, path, headers={"authorization": "Bearer metrics"}), 403)
    assert scope in str(body["detail"])


READS = {
    "/api/insights": "read",
    "/api/insights/x": "read",
    "/api/insights/rate": "read",
    "/api/runs/r1": "read",
    "/api/alerts/active": "read",
    "/api/alerts/history": "read",
    "/api/about/metrics/prometheus": "metrics",
}


@pytest.mark.parametrize(("path", "scope"), READS.items())
async def test_reads_need_a_key_only_when_told_so(path: str, scope: str) -> None:
    answers: dict[str, list[tuple[object, ...]]] = {"count_run": [(3,)], "insight_by_key": [("{}",)]}
    async with standing(READS_NEED_KEY="true") as up:
        up.reads.answers = answers
        problem(await up.client.get(path), 401)
        problem(await up.client.get(path, headers={"authorization": "Bearer ingest"}), 403)
        assert (await up.client.get(path, headers={"authorization": f"Bearer {scope}"})).status_code == 200
    async with standing() as up:
        up.reads.answers = answers
        assert (await up.client.get(path)).status_code == 200


async def test_without_keys_nobody_writes() -> None:
    async with standing(API_KEYS="# none") as up:
        problem(await up.post(raw_trace(v7())), 401)


async def test_an_insight_is_read_from_the_database_then_from_the_cache(up: Standing) -> None:
    up.reads.answers["insight_by_key"] = [('{"decisionId": "order:1"}',)]
    first = await up.client.get("/api/insights/order:1")
    assert (first.status_code, first.headers["x-cache"]) == (200, "miss")
    second = await up.client.get("/api/insights/order:1")
    assert second.headers["x-cache"] == "hit"
    assert second.json() == {"decisionId": "order:1"}
    admin = {"authorization": "Bearer admin"}
    assert (await up.client.delete("/api/insights/order:1/cache", headers=admin)).status_code == 204
    assert (await up.client.get("/api/insights/order:1")).headers["x-cache"] == "miss"


async def test_the_ttl_is_that_of_the_settings() -> None:
    async with standing(CACHE_TTL_AMAS_STATE="7") as up:
        up.reads.answers["insight_by_key"] = [("{}",)]
        await up.client.get("/api/insights/order:1")
        assert up.cache.entries["decision_insight:order:1"] == (b"{}", 7)


async def test_retention_is_that_of_the_settings() -> None:
    async with standing(INSIGHTS_RETENTION_DAYS="3650") as up:
        assert (await up.post(raw_trace("order:1", occurredAt="2020-01-01T00:00:00Z"))).status_code == 201
    async with standing() as up:
        problem(await up.post(raw_trace("order:1", occurredAt="2020-01-01T00:00:00Z")), 400)


async def test_batch_rows_are_those_of_the_settings() -> None:
    async with standing(WRITE_BATCH_ROWS="2") as up:
        await up.post(b"\n".join(raw_trace(v7()) for _ in range(5)), "application/x-ndjson")
        assert max(up.store.batches) == 2


async def test_while_nobody_can_tell_whether_it_waits_in_the_spool_it_is_not_404(up: Standing) -> None:
    up.spool.stream.away = True
    answer = await up.client.get("/api/insights/order:1")
    assert problem(answer, 503)["title"] == "Cannot tell now"
    assert answer.headers["retry-after"]


async def test_an_unknown_insight_is_404_and_a_bad_id_400(up: Standing) -> None:
    problem(await up.client.get("/api/insights/order:1"), 404)
    problem(await up.client.get("/api/insights/ffffffff-ffff-7fff-bfff-ffffffffffff"), 404)
    assert problem(await up.client.get("/api/insights/a%20b"), 400)["field"] == "decisionId"


async def test_a_database_away_is_503_on_reads(up: Standing) -> None:
    up.reads.away = True
    response = await up.client.get("/api/insights/order:1")
    problem(response, 503)
    assert response.headers["retry-after"]
    problem(await up.client.get("/api/insights"), 503)


async def test_the_rate_is_by_hour(up: Standing) -> None:
    up.reads.answers["rate"] = [(datetime(2026, 11, 23, 10, tzinfo=UTC), 7)]
    body = (await up.client.get("/api/insights/rate?window=2d")).json()
    assert body == {"window": "2d", "hours": [{"hour": "2026-11-23T10:00:00Z", "insightsWritten": 7}]}
    same = await up.client.get("/api/insights/rate?window=48h")
    assert same.headers["x-cache"] == "hit"
    assert same.json() == body | {"window": "48h"}


@pytest.mark.parametrize("window", ["", "0h", "24", "h", "169h", "8d", "-1h", "1w"])
async def test_a_bad_window_is_400(up: Standing, window: str) -> None:
    assert (
        problem(await up.client.get("/api/insights/rate", params={"window": window}), 400)["field"]
        == "window"
    )


async def test_a_run_is_counted_and_purged_piece_by_piece(up: Standing) -> None:
    up.reads.answers["count_run"] = [(3,)]
    assert (await up.client.get("/api/runs/r1")).json() == {"runId": "r1", "stored": 3}
    up.cache.entries["decision_insight:a"] = (b"{}", 1)
    pieces: list[list[tuple[object, ...]]] = [[("a",), ("b",)], [("c",)], []]

    async def rows(query: str, parameters: object) -> list[tuple[object, ...]]:
        return pieces.pop(0) if query == "purge_run" else []

    up.reads.rows = rows  # type: ignore[method-assign,assignment]
    response = await up.client.delete("/api/runs/r1", headers={"authorization": "Bearer admin"})
    assert response.json() == {"runId": "r1", "deleted": 3}
    assert up.cache.entries == {}


@pytest.mark.parametrize("path", ["/api/alerts/active", "/api/alerts/history"])
async def test_alerts_are_empty(up: Standing, path: str) -> None:
    assert (await up.client.get(path)).json() == []


async def test_unknown_routes_and_methods_are_problems_too(up: Standing) -> None:
    problem(await up.client.get("/nope"), 404)
    response = await up.client.post("/health")
    problem(response, 405)
    assert response.headers["allow"] == "GET, HEAD"
    assert (await up.client.put("/api/dead-letters")).headers["allow"] == "DELETE, GET, HEAD"
    response = await up.client.get("/api/decisions")
    problem(response, 405)
    assert response.headers["allow"] == "POST"


async def test_request_ids_are_taken_if_valid_and_made_if_not(up: Standing) -> None:
    taken = await up.client.get("/health", headers={"x-request-id": "mine-1.2"})
    assert taken.headers["x-request-id"] == "mine-1.2"
    made = [await up.client.get("/health", headers={"x-request-id": "a b"}) for _ in range(2)]
    first, second = (one.headers["x-request-id"] for one in made)
    assert re.fullmatch(r"[0-9a-f]{18}-[0-9a-f]+", first)
    assert first != second


async def test_every_answer_carries_the_security_headers(up: Standing) -> None:
    for path in ("/health", "/nope", "/api/decisions", "/api/insights?limit=0"):
        headers = (await up.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cache-control"] == "no-store"


async def test_an_unforeseen_error_is_500_without_its_words(
    up: Standing, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(query: str, parameters: object) -> list[tuple[object, ...]]:
        raise RuntimeError("s3cret")

    up.reads.rows = broken  # type: ignore[method-assign,assignment]
    response = await up.client.get("/api/insights/order:1")
    problem(response, 500)
    assert "s3cret" not in response.text
    assert "unforeseen error" in caplog.text
    metrics = (await up.client.get("/api/about/metrics/prometheus")).text
    assert 'http_errors_total{status="500"} 1.0' in metrics


async def test_metrics_carry_the_names_of_the_runbook(up: Standing) -> None:
    await up.post(raw_trace(v7()))
    response = await up.client.get("/api/about/metrics/prometheus")
    assert response.headers["content-type"].startswith("text/plain; version=")
    for line in (
        'amas_queue_size{type="decision"} 0.0',
        'amas_decision_write_duration_bucket{le="500"} 1.0',
        "amas_decision_write_duration_seconds_count 1.0",
        'http_errors_total{status="500"} 0.0',
        "amas_cache_hits_total 0.0",
        "amas_cache_misses_total 0.0",
        'amas_decisions_total{result="stored"} 1.0',
        'amas_http_requests_total{class="2xx",route="decisions"} 1.0',
        "amas_dead_letters_total 0.0",
        'amas_build_info{version="test"} 1.0',
    ):
        assert line in response.text, line


async def test_openmetrics_is_served_where_it_is_asked_for(up: Standing) -> None:
    accept = {"accept": "application/openmetrics-text; version=1.0.0"}
    response = await up.client.get("/api/about/metrics/prometheus", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


async def test_switched_off_collection_really_is_off() -> None:
    async with standing(DISABLE_METRICS_COLLECTION="true") as up:
        assert type(up.service.asgi).__name__ == "Edge"
        await up.client.get("/health")
        metrics = (await up.client.get("/api/about/metrics/prometheus")).text
        assert 'amas_http_requests_total{class="2xx",route="health"} 0.0' in metrics


async def test_a_client_that_leaves_is_499_without_a_stack_trace(
    up: Standing, caplog: pytest.LogCaptureFixture
) -> None:
    headers = [(b"authorization", b"Bearer ingest"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/api/decisions", "headers": headers}
    messages: Iterator[dict[str, object]] = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> dict[str, object]:
        return next(messages)

    async def send(message: object) -> None:
        raise AssertionError("nobody is there to be answered")

    await up.service.asgi(scope, receive, send)
    metrics = (await up.client.get("/api/about/metrics/prometheus")).text
    assert 'http_errors_total{status="499"} 1.0' in metrics
    assert "Traceback" not in caplog.text


async def test_a_task_that_ends_by_itself_is_told_counted_and_sends_requests_elsewhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def ends() -> None:
        raise KeyError

    async with standing() as up:
        assert (await up.client.get("/ready")).status_code == 200
        failed = [up.service.failed]
        task = asyncio.create_task(ends())
        task.add_done_callback(up.service._ended)
        await asyncio.wait({task})
        await asyncio.sleep(0)
        assert (await up.client.get("/ready")).status_code == 503
        failed.append(up.service.failed)
        page = (await up.client.get("/api/about/metrics/prometheus")).text
    assert failed == [False, True]
    assert "amas_tasks_ended_total 1.0" in page
    assert [(one.levelname, vars(one)["task"]) for one in caplog.records if one.levelname == "CRITICAL"] == [
        ("CRITICAL", ends.__qualname__)
    ]


async def test_every_task_is_watched_and_a_stop_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    async with standing() as up:
        watched = [*up.service._tasks, *up.service.alerting._tasks]
        assert all(up.service._ended in [found for found, _ in task._callbacks] for task in watched)
        assert len(watched) >= 10
    assert "CRITICAL" not in [one.levelname for one in caplog.records]


async def test_a_look_that_fails_ends_no_loop(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noticed(_: float) -> None:
        raise KeyError

    async def holder() -> str:
        raise KeyError

    monkeypatch.setattr("service.metrics.LOOP_SAMPLE_S", 0.0)
    async with standing() as up:
        outside = up.service.alerting._outside
        monkeypatch.setattr(up.service.alerting, "_outside", replace(outside, holder=holder))
        looking = asyncio.create_task(up.service._metrics.watch_loop(noticed))
        holding = asyncio.create_task(up.service.alerting._watch_holder())
        async with asyncio.timeout(5):
            while caplog.text.count("was not noticed") < 2 or "who leads" not in caplog.text:  # noqa: ASYNC110  # a log is no event
                await asyncio.sleep(0)
        assert not looking.done()
        assert not holding.done()
        for task in (looking, holding):
            task.cancel()
