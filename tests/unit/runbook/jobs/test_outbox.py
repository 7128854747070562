"""A record is written once the database takes it, by this run or by the next."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
import stamina
from typer.testing import CliRunner

from runbook import sql_session
from runbook.cli import app
from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.jobs import outbox
from runbook.jobs.record import Outcome, Record

AT = datetime(2026, 3, 1, tzinfo=UTC)


class Desk:
    """A database that can be away, for as many openings as it is told."""

    def __init__(self) -> None:
        self.away = 0
        self.refuses = False
        self.said: list[tuple[str, dict[str, Any]]] = []

    def open(self, *_: object) -> Self:
        if self.away:
            self.away -= 1
            raise EnvironmentMissing("the database does not let us in: gone", "amas status")
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def rows(self, name: str, **parameters: object) -> list[dict[str, Any]]:
        if self.refuses:
            raise CheckFailed("record_job_run: no such table")
        self.said.append((name, parameters))
        return []

    @property
    def recorded(self) -> list[object]:
        return [parameters["job"] for name, parameters in self.said if name == "record_job_run"]


@pytest.fixture(autouse=True)
def no_waiting() -> None:
    stamina.set_testing(True, attempts=3)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    desk = Desk()
    monkeypatch.setattr(sql_session, "of", desk.open)
    return desk


@pytest.fixture
def amas(desk: Desk) -> Callable[..., Any]:
    return lambda *words: CliRunner().invoke(app, ["job", *words])


def record(job: str, run_id: str = "one") -> Record:
    return Record(run_id, job, AT, AT, Outcome.OK, 0, {"größe": 1})


def test_a_record_goes_with_its_detail_as_text_and_old_ones_are_pruned(desk: Desk, jobs_dir: Path) -> None:
    outbox.keep(record("backup"))
    assert outbox.deliver("local") == 1
    (name, fields), (then, _) = desk.said
    assert (name, then) == ("record_job_run", "prune_job_runs")
    assert fields["detail"] == '{"größe": 1}'
    assert fields["started_at"] == "2026-03-01T00:00:00+00:00"
    assert list(jobs_dir.iterdir()) == []


def test_nothing_to_write_opens_nothing(desk: Desk) -> None:
    desk.away = 1
    assert outbox.deliver("local") == 0


def test_a_database_that_comes_back_in_time_is_waited_for(desk: Desk) -> None:
    outbox.keep(record("backup"))
    desk.away = 2
    assert outbox.deliver("local", retry_for_s=10) == 1
    assert desk.recorded == ["backup"]


def test_a_record_that_could_not_be_written_is_written_by_the_next_run(
    desk: Desk, jobs_dir: Path, amas: Callable[..., Any]
) -> None:
    desk.away = 1_000_000
    first = amas("run", "health", "--limit-s", "5", "--record-for-s", "0.01", "--", "true")
    assert isinstance(first.exception, CheckFailed)
    assert "waits for the next run" in first.exception.message
    assert "job health: ok" in first.output
    desk.away = 0
    assert amas("run", "backup", "--limit-s", "5", "--", "true").exit_code == 0
    assert sorted(map(str, desk.recorded)) == ["backup", "health"]
    assert not list(jobs_dir.glob("*.record"))


def test_a_database_that_refuses_keeps_the_record_waiting(desk: Desk, jobs_dir: Path) -> None:
    outbox.keep(record("backup"))
    desk.refuses = True
    with pytest.raises(CheckFailed, match="no such table"):
        outbox.deliver("local", retry_for_s=0.01)
    assert len(list(jobs_dir.glob("*.record"))) == 1


def test_the_command_runs_what_stands_behind_the_dashes_and_tells_of_a_failure(
    desk: Desk, amas: Callable[..., Any]
) -> None:
    done = amas("run", "backup", "--limit-s", "5", "--", "sh", "-c", "echo --limit-s >&2; exit 4", "--json")
    assert done.exit_code == 1
    assert "job backup: failed" in done.output
    (_, fields), _ = desk.said
    assert (fields["outcome"], fields["exit_code"]) == ("failed", 4)


def test_a_database_without_the_table_yet_is_waited_for(
    desk: Desk, jobs_dir: Path, amas: Callable[..., Any]
) -> None:
    file = jobs_dir / "crontab"
    file.write_text("0 1 * * * amas job run backup --limit-s 300 -- amas backup now --json\n")
    desk.away = 2
    assert amas("declare", str(file), "--runner", "backup", "--wait-s", "10").exit_code == 0
    assert [name for name, _ in desk.said] == ["declare_jobs"]


def test_declared_is_what_the_crontab_runs_for_its_runner(
    desk: Desk, jobs_dir: Path, amas: Callable[..., Any]
) -> None:
    file = jobs_dir / "crontab"
    file.write_text("0 */4 * * * amas job run health --limit-s 300 -- amas health --json\n")
    assert amas("declare", str(file), "--runner", "scheduler").output == "scheduler runs health\n"
    ((name, fields),) = desk.said
    assert (name, fields["runner"]) == ("declare_jobs", "scheduler")
    assert fields["jobs"] == (
        '[{"job": "health", "schedule": "0 */4 * * *", "limit_s": 300, "due_within_s": 16140}]'
    )
