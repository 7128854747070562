import json
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx
import pytest

from runbook import sql_session
from runbook.api import Api, Keys
from runbook.errors import EnvironmentMissing
from runbook.stack import Setting
from runbook.testing import MemoryEngine, container
from runbook.triage import collect
from runbook.triage.collect import Place, evidence, proposed, receivers

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FAILED = json.dumps(
    {"message": "Webhook failed after 3 retries; it is kept and tried again", "reason": "h: status 404"}
)
ANSWERS: dict[str, Any] = {
    "/api/about/values": {"values": {"cache.hit_rate": {"value": 50.0, "samples": 400}}},
    "/api/switches": {"switches": [{"name": "disable-notifications", "on": True}]},
    "/api/alerts/active": [{"silenced": True}, {"silenced": False}],
    "/api/alerts/test": {
        "destinations": [
            {"destination": "l1", "delivered": False, "status": 404, "reason": "h: status 404"},
            {"destination": "l2", "delivered": True, "status": 200, "reason": "i: status 200"},
        ]
    },
}


class Database:
    """A session that answers the one statement."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def rows(self, name: str, **_: object) -> list[dict[str, Any]]:
        assert name == "triage_facts"
        return [{"takes_no_writes": 0, "active_s": 2.5}]


def place(answers: dict[str, Any], engine: MemoryEngine | None = None) -> Place:
    def answer(request: httpx.Request) -> httpx.Response:
        found = answers.get(request.url.path)
        return httpx.Response(404 if found is None else 200, json=found)

    api = Api("http://service.test", Keys(admin="a"), httpx.MockTransport(answer))
    held = engine or MemoryEngine(
        held=[container("api"), container("db", health="unhealthy")],
        logs={"api": [f"2026-01-01T11:59:00.0Z {FAILED}", f"2026-01-01T11:00:00.0Z {FAILED}"]},
    )
    config = {"alertWebhookUrl": Setting("https://h", secret=True)}
    return Place("local", api, held, config, NOW, timedelta(minutes=15))


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_session, "of", lambda *_, **__: Database())


def test_every_source_gives_its_facts() -> None:
    found = evidence(place(ANSWERS), "webhooks")
    wanted = {
        "cache.hit_rate": 50.0,
        "cache.reads": 400.0,
        "switch.disable-notifications": 1.0,
        "alerts.firing": 2.0,
        "alerts.silenced": 1.0,
        "receivers.configured": 1.0,
        "sql.takes_no_writes": 0.0,
        "sql.active_s": 2.5,
        "containers.unhealthy": 1.0,
        "log.webhook_failed": 1.0,
        "webhook.unknown": 1.0,
    }
    assert {name: found.facts.get(name) for name in wanted} == wanted
    assert found.missing == []
    assert len(found.quotes) == 1


def test_a_source_that_is_away_is_told_and_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(stack: str, limit_s: float) -> Database:
        raise EnvironmentMissing("the database does not run here")

    monkeypatch.setattr(sql_session, "of", away)
    found = evidence(place({}), "latency")
    assert [one.split(":")[0] for one in found.missing] == [
        "values of the service",
        "switches",
        "alerts",
        "database",
    ]
    assert found.facts["containers.unhealthy"] == 1


def test_a_test_message_tells_who_took_it_and_why_not() -> None:
    found = evidence(place(ANSWERS), "webhooks", test=True)
    assert found.facts["test.failed"] == 1
    assert found.quotes[-2:] == [
        "l1 did not take the test message: h: status 404",
        "l2 took the test message: i: status 200",
    ]


def test_no_test_message_is_sent_unless_asked_for() -> None:
    assert "test.failed" not in evidence(place(ANSWERS), "webhooks").facts


def test_settings_that_are_in_force_are_raised_by_half() -> None:
    config = {"dbConnectionPoolSize": Setting("40", secret=False), "replicas": Setting("3", secret=False)}
    found = proposed(config, "http://service.test")
    assert (found["pool"], found["replicas"], found["connections"]) == ("60", "4", "300")
    assert (found["fewer"], found["url"]) == ("6", "http://service.test")


def test_an_empty_address_is_no_receiver() -> None:
    assert receivers({"alertWebhookUrl": Setting("", secret=True)}) == {"receivers.configured": 0}


def test_a_disk_of_another_host_is_not_measured(tmp_path: object) -> None:
    assert collect.of_disk(f"{tmp_path}/none") == {}
    assert 0 < collect.of_disk(str(tmp_path))["disk.free_percent"] <= 100
