"""The admin routes in the whole service: switches take effect, actions are recorded, keys are counted."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from service.insights import batch
from service.insights.testing import raw_trace
from service.keyset import Cursor, read_cursor, write_cursor
from tests.unit.service.standing import Standing, problem, standing, v7

pytestmark = pytest.mark.anyio

ADMIN = {"authorization": "Bearer admin"}
WRITES = "/api/switches/disable-insight-writes"


@pytest.fixture
async def up() -> AsyncIterator[Standing]:
    async with standing() as service:
        yield service


async def metrics(up: Standing) -> str:
    return (await up.client.get("/api/about/metrics/prometheus")).text


async def test_a_switch_is_listed_thrown_and_measured(up: Standing) -> None:
    listed = (await up.client.get("/api/switches")).json()
    off = {"on": False, "reason": "", "since": None, "by": None}
    names = ("disable-insight-writes", "disable-metrics-collection", "disable-notifications")
    assert listed == {"switches": [{"name": name} | off for name in names]}
    thrown = await up.client.put(WRITES, json={"on": True, "reason": " storm "}, headers=ADMIN)
    assert thrown.status_code == 200
    body = thrown.json()
    assert (body["on"], body["reason"], body["by"]) == (True, "storm", "admin:8c6976e5")
    assert body["since"].endswith("Z")
    assert (await up.client.get("/api/switches")).json()["switches"][0] == body
    assert 'amas_switch_on{name="disable-insight-writes"} 1.0' in await metrics(up)


async def test_writes_stop_and_go_on_without_a_restart(up: Standing) -> None:
    await up.client.put(WRITES, json={"on": True, "reason": "storm"}, headers=ADMIN)
    response = await up.post(raw_trace(v7()))
    assert "disable-insight-writes" in str(problem(response, 503)["detail"])
    assert response.headers["retry-after"]
    assert up.store.rows == {}
    assert 'amas_decisions_refused_total{reason="writes_disabled"} 1.0' in await metrics(up)
    await up.client.put(WRITES, json={"on": False, "reason": "over"}, headers=ADMIN)
    assert (await up.post(raw_trace(v7()))).status_code == 201


async def test_a_batch_is_answered_truthfully_when_writes_stop_in_its_middle(
    up: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "PIECE_LINES", 2)

    async def lines() -> AsyncIterator[bytes]:
        yield b"".join(raw_trace(v7()) + b"\n" for _ in range(2))
        while len(up.store.rows) < 2:
            yield b"\n"
        await up.client.put(WRITES, json={"on": True, "reason": "storm"}, headers=ADMIN)
        yield b"".join(raw_trace(v7()) + b"\n" for _ in range(3))

    sent = {"authorization": "Bearer ingest", "content-type": "application/x-ndjson"}
    body = (await up.client.post("/api/decisions", content=lines(), headers=sent)).json()
    assert [one["status"] for one in body["results"]] == [201, 201, 503, 503, 503]
    assert "disable-insight-writes" in body["results"][2]["detail"]
    assert len(up.store.rows) == 2
    assert 'amas_decisions_refused_total{reason="writes_disabled"} 3.0' in await metrics(up)


async def test_what_the_configuration_holds_on_is_409() -> None:
    async with standing(DISABLE_INSIGHT_WRITES="true") as up:
        body = problem(await up.client.put(WRITES, json={"on": False, "reason": "over"}, headers=ADMIN), 409)
        assert "amas:disableInsightWrites" in str(body["detail"])
        first = (await up.client.get("/api/switches")).json()["switches"][0]
        assert (first["on"], first["by"]) == (True, "configuration")


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"on":true}', b'{"reason":"x"}', b'{"on":1,"reason":"x"}',
     b'{"on":true,"reason":""}',
     b'{"on":true,"reason":"x","more":1}', b'{"on":true,"reason":"a\\nb"}', b"[" * 3000,
     b'{"on":true,"reason":"%s"}' % (b"x" * 201), b'{"on":true,"reason":"\xff"}'],
)  # fmt: skip
async def test_a_bad_switch_is_400_and_changes_nothing(up: Standing, body: bytes) -> None:
    problem(await up.client.put(WRITES, content=body, headers=ADMIN), 400)
    assert not up.service.switches.is_on("disable-insight-writes")


async def test_an_unknown_switch_is_404_and_a_long_body_413(up: Standing) -> None:
    wanted = {"on": True, "reason": "storm"}
    problem(await up.client.put("/api/switches/nope", json=wanted, headers=ADMIN), 404)
    problem(await up.client.put(WRITES, content=b" " * 5000, headers=ADMIN), 413)


@pytest.mark.parametrize(("method", "path"), [("PUT", WRITES), ("GET", "/api/audit")])
async def test_admin_routes_need_an_admin_key(up: Standing, method: str, path: str) -> None:
    problem(await up.client.request(method, path), 401)
    problem(await up.client.request(method, path, headers={"authorization": "Bearer ingest"}), 403)


async def test_admin_actions_are_audited_and_refused_ones_are_not(up: Standing) -> None:
    rows: list[dict[str, object]] = []

    async def keep(query: str, parameters: dict[str, object]) -> list[tuple[object, ...]]:
        rows.extend([parameters] if query == "add_audit_entry" else [])
        return []

    up.reads.rows = keep  # type: ignore[method-assign,assignment]
    sent = ADMIN | {"x-request-id": "mine"}
    await up.client.delete("/api/insights/order:1/cache", headers=sent)
    await up.client.delete("/api/runs/r1", headers={"authorization": "Bearer read"})
    await up.client.put(WRITES, content=b"{", headers=ADMIN)
    await up.client.get("/api/insights", headers=ADMIN)
    await up.service.trail.finish(1)
    assert [(one["action"], one["target"], one["result"]) for one in rows] == [
        ("DELETE /api/insights/{decisionId}/cache", "order:1", 204),
        ("PUT /api/switches/{name}", "disable-insight-writes", 400),
    ]
    assert rows[0]["by"] == "admin:8c6976e5"
    assert rows[0]["request_id"] == "mine"


async def test_the_audit_log_is_read_in_pages(up: Standing) -> None:
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    row = ("e1", at, "DELETE /api/runs/{runId}", "r1", "admin:8c6976e5", "mine", 200)
    up.reads.answers["audit_entries"] = [row, ("e0", *row[1:])]
    body = (await up.client.get("/api/audit?limit=1", headers=ADMIN)).json()
    shown = {"at": "2026-11-23T12:00:00Z", "action": "DELETE /api/runs/{runId}", "target": "r1"}
    assert body["items"] == [shown | {"by": "admin:8c6976e5", "requestId": "mine", "result": 200}]
    assert read_cursor(body["nextCursor"]) == Cursor(at, "e1")
    up.reads.answers["audit_entries"] = [row]
    cursor = write_cursor(Cursor(at, "e2"))
    body = (await up.client.get(f"/api/audit?limit=1&cursor={cursor}", headers=ADMIN)).json()
    assert body["nextCursor"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "limit=", "cursor=x", "cursor=", "before=1"]
)
async def test_a_bad_page_is_400(up: Standing, query: str) -> None:
    problem(await up.client.get(f"/api/audit?{query}", headers=ADMIN), 400)


async def test_a_key_is_taken_from_its_header_alone_and_from_one(up: Standing) -> None:
    raw, kind = raw_trace(v7()), ("content-type", "application/json")
    query = "?key=ingest&authorization=Bearer%20ingest&access_token=ingest"
    problem(await up.client.post(f"/api/decisions{query}", content=raw, headers=[kind]), 401)
    for both in (("Bearer ingest", "Bearer ingest"), ("Bearer nope", "Bearer admin"), ("", "Bearer admin")):
        headers = [kind, *(("authorization", one) for one in both)]
        problem(await up.client.post("/api/decisions", content=raw, headers=headers), 401)
        problem(await up.client.put(WRITES, json={"on": True, "reason": "x"}, headers=headers[1:]), 401)
    assert up.store.rows == {}


async def test_refused_keys_are_counted_by_reason(up: Standing) -> None:
    for sent in (
        {},
        {"authorization": "Basic x"},
        {"authorization": "Bearer x"},
        {"authorization": "Bearer read"},
    ):
        await up.client.put(WRITES, headers=sent)
    text = await metrics(up)
    for reason in ("no_key", "not_bearer", "unknown_key", "other_scope"):
        assert f'amas_keys_refused_total{{reason="{reason}"}} 1.0' in text


async def test_no_page_of_elsewhere_may_read_an_answer(up: Standing) -> None:
    sent = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    for response in (
        await up.client.get("/health", headers=sent),
        await up.client.options("/api/decisions", headers=sent),
        await up.client.options("/api/switches", headers=sent),
    ):
        assert not [name for name in response.headers if name.startswith("access-control-")]
        assert response.status_code == (200 if response.request.method == "GET" else 405)


async def test_no_answer_names_the_software_or_redirects(up: Standing) -> None:
    for path in ("/health", "/nope", "/api/switches/", "/health/"):
        response = await up.client.get(path, headers={"host": "evil.example"})
        assert not {"server", "x-powered-by", "location"} & set(response.headers)
        assert response.status_code in (200, 404)
