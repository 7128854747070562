import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from runbook import alerts, silences, storm
from runbook.api import Api, Keys
from runbook.errors import CheckFailed, UsageError

NOW = datetime(2026, 1, 1, 10, 30, tzinfo=UTC)


def alert(**changes: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "id": "alert-1",
        "ruleId": "decision-latency-p99",
        "metric": "decision.latency.p99",
        "status": "firing",
        "severity": "high",
        "value": 850.0,
        "threshold": 500.0,
        "operator": ">",
        "occurredAt": "2026-01-01T10:15:00.000Z",
        "message": "Decision latency P99 exceeds 500ms",
        "labels": {},
        "runbook": "amas triage latency",
        "acknowledged": None,
        "silenced": False,
        "escalation": 1,
    }
    return usual | changes


def api(answer: Callable[[httpx.Request], httpx.Response]) -> Api:
    return Api("http://service.test", Keys(admin="a", read="r"), httpx.MockTransport(answer))


def test_an_alert_is_told_with_value_limit_age_and_next_command() -> None:
    assert alerts.active_lines([alert()], NOW) == [
        "HIGH  decision-latency-p99  for 15 min 00 s",
        "  Decision latency P99 exceeds 500ms",
        "  decision.latency.p99 = 850, limit > 500",
        "  alert-1: L1",
        "  next: amas triage latency",
    ]


def test_who_looks_after_it_and_what_holds_it_back_are_told() -> None:
    one = alert(acknowledged={"by": "ada"}, silenced=True, value=None, runbook="", escalation=2)
    assert alerts.alert_lines(one, NOW)[2:] == [
        "  decision.latency.p99 = no data, limit > 500",
        "  alert-1: L2, acknowledged by ada, silenced",
    ]


def test_nothing_that_fires_is_said() -> None:
    assert alerts.active_lines([], NOW) == ["no alert is firing"]


@pytest.mark.parametrize("name", ["alert-1", "decision-latency-p99"])
def test_an_alert_is_named_by_its_id_or_its_rule(name: str) -> None:
    assert alerts.chosen([alert(id="other", ruleId="other"), alert()], name)["id"] == "alert-1"


def test_an_alert_that_does_not_fire_is_refused_with_those_that_do() -> None:
    with pytest.raises(
        UsageError, match=r"no alert 'x' is firing; firing now: decision-latency-p99 \(alert-1\)"
    ):
        alerts.chosen([alert()], "x")


def test_the_history_asks_for_what_is_wanted_only() -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=[alert(status="resolved")])

    with api(answer) as service:
        rows = alerts.history_rows(alerts.past(service, 5, "queue.size"))
    assert dict(asked[0].url.params) == {"limit": "5", "metric": "queue.size"}
    assert rows == [["2026-01-01 10:15:00 UTC", "resolved", "high", "decision-latency-p99"]]


def test_an_answer_that_is_no_list_is_an_error() -> None:
    with api(lambda _: httpx.Response(200, json={})) as service, pytest.raises(CheckFailed, match="a list"):
        alerts.active(service)


def test_a_silence_names_what_it_is_of_and_ends() -> None:
    which = silences.matchers("queue.size", None, silences.Severity.HIGH)
    assert silences.asked(which, "1h30m", "disk swap", "ada") == {
        "matchers": {"metric": "queue.size", "severity": "high"},
        "duration": "5400s",
        "comment": "disk swap",
        "createdBy": "ada",
    }


def test_everything_is_never_silenced() -> None:
    with pytest.raises(UsageError, match="would hide an outage"):
        silences.matchers(None, None, None)


@pytest.mark.parametrize("lasts", ["0s", "31d", "soon", ""])
def test_a_silence_that_would_not_end_in_time_is_refused(lasts: str) -> None:
    with pytest.raises(UsageError, match="--for"):
        silences.asked({"metric": "x"}, lasts, "why", "ada")


def test_a_silence_is_a_row() -> None:
    one = {
        "id": "silence-1",
        "matchers": {"metric": "queue.size"},
        "endsAt": "2026-01-01T10:45:00Z",
        "comment": "disk swap",
        "createdBy": "ada",
    }
    assert silences.rows([one]) == [
        ["silence-1", "metric=queue.size", "2026-01-01 10:45:00 UTC", "disk swap (ada)"]
    ]


def test_a_quiet_minute_is_no_storm_and_proposes_nothing() -> None:
    found = storm.judge([alert()], 1.0)
    assert (found.storming, found.commands, found.common) == (False, (), "metric = decision.latency.p99")
    assert storm.lines(storm.judge([], None)) == [
        "no alert storm: began in the last minute unknown, limit 50; firing 0"
    ]


def test_a_storm_proposes_the_silence_and_the_cooldown_of_what_is_in_common() -> None:
    firing = [
        *(alert(id=f"a{one}", ruleId=f"rule-{one}", metric="queue.size") for one in range(3)),
        alert(),
    ]
    found = storm.judge(firing, 51.0)
    assert (found.storming, found.sharing) == (True, 3)
    silence, history, cooldown = found.commands
    assert silence.startswith("amas silence add --metric queue.size --for 10m --reason ")
    assert history == "amas alerts history --metric queue.size"
    assert "cooldown: 600000 for rule-0, rule-1, rule-2" in cooldown


def test_what_the_service_saw_of_a_storm_goes_first() -> None:
    seen = {
        "firings": 60,
        "common": "team",
        "value": "payments",
        "sharing": 55,
        "ruleIds": ["rule-9"],
        "cooldown": 600_000,
        "silence": {"matchers": {"metric": "spool.age_s"}, "duration": "10m"},
    }
    found = storm.judge([alert(metric=storm.PER_MINUTE, storm=seen), alert()], 2.0)
    assert (found.storming, found.common, found.sharing) == (True, "team = payments", 55)
    assert "spool.age_s" in found.commands[0]


def test_a_storm_that_has_passed_is_told_by_where_it_stands() -> None:
    assert "none of them fires any more" in " ".join(storm.lines(storm.judge([], 60.0)))


def test_an_ack_goes_to_the_alert_with_who_and_why(
    configured: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(
            200, json=[alert()] if request.method == "GET" else alert(acknowledged={"by": "me"})
        )

    monkeypatch.setattr(alerts, "api_of", lambda _: api(answer))
    alerts.ack("decision-latency-p99", "local", "me", "looking", as_json=True)
    assert asked[1].url.path == "/api/alerts/alert-1/ack"
    assert json.loads(asked[1].content) == {"by": "me", "comment": "looking"}
    assert json.loads(capsys.readouterr().out)["acknowledged"] == {"by": "me"}
