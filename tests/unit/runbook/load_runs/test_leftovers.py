"""Rows that a load test left behind when it was killed go a day later, and nobody else's do."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Self

import pytest
from typer.testing import CliRunner

from loadtests.catalog import catalog
from loadtests.plan import begun_at
from loadtests.results import UNFINISHED_FOR
from runbook import sql_session
from runbook.errors import UsageError
from runbook.load_runs import leftovers
from runbook.load_runs.leftovers import cut_off, purge
from runbook.loadtest import command
from tests.unit.loadtests.testing_facts import AT, planned

OLD = "loadtest-20260102T023000-0a1b2c"


class Database:
    """Knows run ids of rows that no record has."""

    def __init__(self, *run_ids: str) -> None:
        self._run_ids = run_ids

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def rows(self, name: str) -> list[dict[str, Any]]:
        assert name == "runs_without_record"
        return [{"run_id": one} for one in self._run_ids]


class Service:
    """Holds rows by run id."""

    def __init__(self, held: dict[str, int] | None = None) -> None:
        self.held = held or {}

    def stored_of_run(self, run_id: str) -> int:
        return self.held.get(run_id, 0)

    def purge_run(self, run_id: str) -> int:
        return self.held.pop(run_id, 0)

    def read(self, *_: object) -> Any:
        pytest.fail("nothing else is asked")


def test_a_run_that_was_killed_is_purged_and_one_at_work_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    new = "loadtest-20260103T020000-ffffff"
    monkeypatch.setattr(sql_session, "of", lambda *_, **__: Database(OLD, new, "smoke-1"))
    service = Service({OLD: 720_000, new: 9, "smoke-1": 3})
    assert purge("local", service, AT + timedelta(hours=25), {}) == {OLD: 0}
    assert service.held == {new: 9, "smoke-1": 3}


@pytest.mark.parametrize(
    ("run_id", "after", "gone"),
    [
        (OLD, timedelta(hours=25), True),
        (OLD, timedelta(hours=23), False),
        ("smoke-20260102T023000-0a1b2c", timedelta(days=9), False),
        ("loadtest-mine", timedelta(days=9), False),
    ],
)
def test_only_load_tests_that_began_long_ago_were_cut_off(
    run_id: str, after: timedelta, *, gone: bool
) -> None:
    assert cut_off([run_id], AT + after) == ([run_id] if gone else [])


def test_the_id_of_a_run_tells_when_it_began() -> None:
    assert begun_at(planned().run_id) == AT
    assert begun_at(OLD) == datetime(2026, 1, 2, 2, 30, tzinfo=UTC)


def test_no_run_that_is_allowed_lasts_so_long() -> None:
    longest_s = max(rules.most_duration_s for rules in catalog().kinds.values())
    assert timedelta(seconds=longest_s) * 2 < UNFINISHED_FOR


def test_rows_of_another_place_are_not_looked_for_in_this_stack() -> None:
    with pytest.raises(UsageError, match="another place's"):
        purge("local", Service(), AT, {"AMAS_ADMIN_KEY_FILE": "/home/me/staging-admin"})


def test_inside_the_network_the_service_is_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in the scheduler, which has no stack to ask."""
    asked: list[object] = []

    def opened(_stack: str, url: str | None, _out: object) -> SimpleNamespace:
        asked.append(url)
        return SimpleNamespace(service=Service())

    monkeypatch.setattr(command, "opened", opened)
    monkeypatch.setattr(leftovers, "purge", lambda *_: {OLD: 3})
    done = CliRunner().invoke(command.app, ["purge", "--json"], env={"AMAS_URL": "http://lb:3000"})
    assert (done.exit_code, asked) == (1, ["http://lb:3000"])
    assert json.loads(done.stdout) == {"left": {OLD: 3}}
