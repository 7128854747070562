"""The list of the schedule: the unwell first, each with its next and its last run."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from runbook import health
from runbook.api import Api
from runbook.cli import app
from runbook.errors import CheckFailed
from runbook.schedule.standing import closing_line, standings

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def told(job: str, hours_ago: float | None = 1.0, outcome: str = "ok", **changes: Any) -> dict[str, Any]:
    ended = NOW - timedelta(hours=hours_ago or 0)
    last = {
        "startedAt": (ended - timedelta(seconds=90)).isoformat(),
        "finishedAt": ended.isoformat(),
        "outcome": outcome,
        "exitCode": 0,
        "detail": changes.pop("detail", {}),
    }
    one = {
        "job": job,
        "runner": "scheduler",
        "schedule": "0 */4 * * *",
        "limitSeconds": 300,
        "late": False,
        "lateSeconds": 0,
        "last": last if hours_ago is not None else None,
        "lastSuccess": None,
    }
    return one | changes


def test_a_job_is_told_with_its_next_and_its_last_run() -> None:
    (one,) = standings({"jobs": [told("health")]}, NOW)
    assert (one.next, one.last, one.took_s) == (NOW + timedelta(hours=4), NOW - timedelta(hours=1), 90)
    assert one.cells(NOW) == ["health", "in 4 h 00 min", "1 h 00 min ago", "ok", ""]


def test_late_and_failed_ones_come_first_with_the_reason() -> None:
    jobs = [
        told("health"),
        told("backup", 30.0, late=True, lateSeconds=7200),
        told("proof", outcome="failed", detail={"reason": "no backup"}),
        told("by-hand", schedule=None, runner=None),
        told("audit", None, schedule="30 7 1 */3 *"),
    ]
    found = standings({"jobs": jobs}, NOW)
    assert [one.job for one in found] == ["backup", "proof", "health", "audit", "by-hand"]
    assert [one.cells(NOW)[-1] for one in found[:2]] == ["late by 2 h 00 min", "no backup"]
    assert found[-2].cells(NOW)[1:4] == ["in 21 d 19 h", "-", "never"]
    assert found[-1].cells(NOW)[1] == "-"
    assert closing_line(found) == "not well: backup, proof"
    assert closing_line(found[2:]) == "3 jobs, all in time"


def test_a_schedule_of_another_version_is_shown_without_a_next_run() -> None:
    (one,) = standings({"jobs": [told("x", schedule="@sometimes")]}, NOW)
    assert (one.schedule, one.next) == ("@sometimes", None)


@pytest.fixture
def amas(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    def asked(status: int, body: dict[str, Any], *words: str) -> Any:
        transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
        monkeypatch.setattr(health, "api_of", lambda _: Api("http://service.test", transport=transport))
        return CliRunner().invoke(app, ["schedule", *words])

    return asked


def test_the_verb_fails_while_a_job_is_unwell(amas: Callable[..., Any]) -> None:
    well = amas(200, {"jobs": [told("health")]})
    assert (well.exit_code, "all in time" in well.output) == (0, True)
    assert amas(200, {"jobs": [told("health", outcome="timed_out")]}).exit_code == 1
    assert '"result": "ok"' in amas(200, {"jobs": [told("health")]}, "--json").output
    assert isinstance(amas(503, {}).exception, CheckFailed)


def test_a_stack_that_runs_nothing_yet_says_so(amas: Callable[..., Any]) -> None:
    assert "nothing is scheduled yet" in amas(200, {"jobs": []}).output
