"""The routes of the alerts, over a whole service on twins."""

from pathlib import Path

import httpx
import pytest

from service.alerts.book import Book
from service.alerts.desk import Changed
from service.alerts.rules import DEFAULT
from service.alerts.testing import alert, event
from tests.unit.service.standing import Standing, problem, standing

pytestmark = pytest.mark.anyio

ADMIN = {"authorization": "Bearer admin"}


async def fire(up: Standing) -> str:
    one = alert(7, rule_id="decision-latency-p99")
    await up.service.alerting.desk.commit(
        lambda book: Changed(Book(serial=book.serial, alerts={one.id: one}), [event(7, rule_id=one.rule_id)])
    )
    return one.id


async def post(up: Standing, path: str, body: object, **headers: str) -> httpx.Response:
    return await up.client.post(path, json=body, headers=ADMIN | headers)


async def test_healthy_is_an_empty_list() -> None:
    async with standing() as up:
        assert (await up.client.get("/api/alerts/active")).json() == []
        assert (await up.client.get("/api/alerts/history")).json() == []
        assert (await up.client.get("/api/alerts/silences")).json() == []


async def test_a_silence_comes_and_goes_and_marks_what_it_holds() -> None:
    async with standing() as up:
        body = {"matchers": {"metric": "queue.size"}, "createdBy": "me", "comment": "test", "duration": "2h"}
        made = await post(up, "/api/alerts/silences", body)
        assert made.status_code == 201
        assert (await up.client.get("/api/alerts/silences")).json() == [made.json()]
        path = f"/api/alerts/silences/{made.json()['id']}"
        problem(await up.client.delete(path), 401)
        assert (await up.client.delete(path, headers=ADMIN)).status_code == 204
        assert (await up.client.get("/api/alerts/silences")).json() == []
        problem(await up.client.delete(path, headers=ADMIN), 404)


async def test_bad_bodies_and_unknown_alerts_are_refused() -> None:
    async with standing() as up:
        assert problem(await post(up, "/api/alerts/silences", {}), 400)["status"] == 400
        assert problem(await post(up, "/api/alerts/none/ack", {"by": "me"}), 404)["field"] == "id"
        assert problem(await post(up, "/api/alerts/none/ack", {"by": ""}), 400)["field"] == "by"
        problem(await post(up, "/api/alerts/none/ack", {"by": "me"}, authorization="Bearer read"), 403)


@pytest.mark.parametrize(
    ("query", "field"),
    [("status=open", "status"), ("severity=huge", "severity"), ("limit=201", "limit"), ("limit=0", "limit"),
     ("since=1", "since"), ("metric=", "metric")],
)  # fmt: skip
async def test_filters_are_checked(query: str, field: str) -> None:
    async with standing() as up:
        assert problem(await up.client.get(f"/api/alerts/history?{query}"), 400)["field"] == field


async def test_history_is_filtered() -> None:
    async with standing() as up:
        await fire(up)
        assert len((await up.client.get("/api/alerts/history?status=firing&limit=1")).json()) == 1
        assert (await up.client.get("/api/alerts/history?status=resolved")).json() == []


async def test_rules_are_shown_with_their_state() -> None:
    async with standing() as up:
        shown = (await up.client.get("/api/alerts/rules")).json()
    assert shown["source"] == "packaged"
    assert all(
        {"id", "metric", "threshold", "duration", "state", "value", "since"} <= one.keys()
        for one in shown["rules"]
    )


async def test_a_reload_takes_all_or_nothing(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(DEFAULT.read_text())
    async with standing(ALERT_RULES_FILE=str(file)) as up:
        before = (await up.client.get("/api/alerts/rules")).json()
        file.write_text("rules:\n- id: 1\n- id: also bad\n")
        refused = await post(up, "/api/alerts/rules/reload", None)
        assert len(problem(refused, 400)["faults"]) >= 2  # type: ignore[arg-type]
        after = (await up.client.get("/api/alerts/rules")).json()
        assert [one["id"] for one in before["rules"]] == [one["id"] for one in after["rules"]]
        file.write_text(DEFAULT.read_text())
        taken = await post(up, "/api/alerts/rules/reload", None)
        assert taken.json() == {"rules": len(before["rules"])}


async def test_monitoring_tells_of_the_engine() -> None:
    async with standing() as up:
        await up.service.alerting.engine.round()
        body = (await up.client.get("/api/about/monitoring")).json()
        assert body["leader"] == body["replica"]
        assert body["alerts"]["leader"] is True
        assert body["alerts"]["isRunning"] is True
        assert body["alerts"]["rules"] > 0
        assert body["alerts"]["lastError"] is None
