"""The order of a restore on the host, and what becomes of one that fails."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest
import stamina

from runbook.api import Api, Keys
from runbook.backup.catalog import DONE, FULL, Backup
from runbook.errors import CheckFailed
from runbook.restore import afterwards
from runbook.restore.flow import Site, closing_lines, restore, until_healthy
from runbook.restore.oneshot import OneShot
from runbook.restore.plan import Plan
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container

BUILT = {
    "backupId": "b1",
    "timeline": 2,
    "rows": 12,
    "decisions": 10,
    "newest": "2026-01-02",
    "partial": None,
}
BACKUP = Backup("b1", FULL, DONE, datetime(2026, 1, 1, tzinfo=UTC), 10)
PLAN = Plan("local", BACKUP, None, "gen-2", "gen-1", 10)


@dataclass
class Steps:
    """In place of the one-shot containers, in one list with what the engine does."""

    engine: MemoryEngine
    fails: str = ""

    def run(self, command: Sequence[str], say: Callable[[str], None], stdin: str = "") -> Mapping[str, Any]:
        del say, stdin
        self.engine.commands.append(["oneshot", *command[2:4]])
        if command[2] == self.fails:
            raise CheckFailed("the restored database is not what was backed up")
        return BUILT


@dataclass
class Service:
    """Ready at once; its collector runs with every question, and finds the spool emptier each time."""

    spooled: list[int] = field(default_factory=lambda: [3, 3, 1, 0])
    asked: int = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/api/about/monitoring":
            return httpx.Response(200)
        length = self.spooled[min(self.asked, len(self.spooled) - 1)]
        self.asked += 1
        return httpx.Response(
            200, json={"collector": {"lastRun": str(self.asked)}, "spool": {"length": length}}
        )

    def open(self) -> Api:
        return Api("http://service.test", Keys(), httpx.MockTransport(self.answer))


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(afterwards, "LOOK_EVERY_S", 0.0)
    stamina.set_testing(True, attempts=2)
    yield
    stamina.set_testing(False)


def jobs() -> list[Any]:
    ended = {"state": "exited", "restart_policy": "no", "health": None}
    return [
        container("db-roles", name="amas-local-db-roles-1", **ended),
        container("migrate", name="amas-local-migrate-1", **ended),
    ]


def site(fails: str = "") -> tuple[Site, MemoryEngine]:
    held = [container("db"), container("backup"), *jobs()]
    engine = MemoryEngine(held=held, answer=(0, json.dumps({"backupId": "b2"})))
    return Site(Stack("local"), engine, cast("OneShot", Steps(engine, fails))), engine


def done_to(engine: MemoryEngine) -> list[str]:
    return [" ".join(one[:3]) for one in engine.commands]


def test_the_steps_in_their_order() -> None:
    where, engine = site()
    done = restore(where, PLAN, Service().open, Progress())
    assert done_to(engine) == [
        "db stop",
        "backup stop",
        "oneshot build gen-2",
        "oneshot switch gen-2",
        "db start",
        "db-roles run again",
        "migrate run again",
        "backup start",
        "backup amas-backup amas",
    ]
    assert (done.generation, done.kept, done.newBackupId) == ("gen-2", "gen-1", "b2")
    assert "amas backup restore --discard-old --stack local" in "\n".join(closing_lines(done))


def test_a_restore_that_proves_nothing_leaves_the_old_database_serving() -> None:
    where, engine = site(fails="build")
    with pytest.raises(CheckFailed, match="not what was backed up"):
        restore(where, PLAN, Service().open, Progress())
    assert done_to(engine)[-2:] == ["db start", "backup start"]
    assert "oneshot switch gen-2" not in done_to(engine)


def test_one_that_fails_after_the_switch_goes_back() -> None:
    where, engine = site()
    engine.held = [one for one in engine.held if one.part != "migrate"]
    with pytest.raises(Exception, match="no job `migrate`"):
        restore(where, PLAN, Service().open, Progress())
    assert done_to(engine)[-4:] == ["db stop", "oneshot point gen-1", "db start", "backup start"]


def test_what_was_not_running_is_not_started_by_a_failure() -> None:
    where, engine = site(fails="build")
    engine.held = [container("db", state="exited"), *jobs()]
    with pytest.raises(CheckFailed):
        restore(where, PLAN, Service().open, Progress())
    assert done_to(engine) == ["oneshot build gen-2"]


def test_without_a_backup_container_it_says_that_nothing_guards_what_was_restored() -> None:
    where, engine = site()
    engine.held = [one for one in engine.held if one.part != "backup"]
    assert "NOT GUARDED" in "\n".join(closing_lines(restore(where, PLAN, Service().open, Progress())))


def test_a_spool_is_empty_when_a_newer_run_of_the_collector_says_so() -> None:
    service = Service([0, 0, 5, 0])
    with service.open() as api:
        assert afterwards.drain(api, Progress()) == 0
    service = Service([0, 5, 0])
    with service.open() as api:
        assert afterwards.drain(api, Progress()) == 5


def test_a_spool_that_does_not_empty_is_told() -> None:
    with Service([7]).open() as api, pytest.raises(CheckFailed, match="7 traces are still in the spool"):
        afterwards.drain(api, Progress(), within_s=0)


def test_a_database_that_ends_is_told_at_once() -> None:
    where, engine = site()
    engine.held = [container("db", state="exited", health="unhealthy")]
    with pytest.raises(CheckFailed, match="part `db` is unhealthy"):
        until_healthy(where, "db")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            (1, 'copying\n{"error": "barman backup: no", "exitCode": 1}\n'),
            "its full backup failed: barman backup: no",
        ),
        ((137, "copying\nKilled\n"), "its full backup failed: copying\nKilled"),
    ],
)
def test_a_backup_that_fails_says_that_the_restore_did_not(answer: tuple[int, str], said: str) -> None:
    where, engine = site()
    engine.answer = answer
    with pytest.raises(CheckFailed) as told:
        afterwards.full_backup(where.engine, container("backup"), Progress())
    assert said in told.value.message
    assert "serves" in told.value.message
    assert told.value.next_command == "amas backup now --full"


def test_the_answer_of_a_backup_stands_behind_its_progress() -> None:
    _, engine = site()
    engine.answer = (0, 'copy {1}\n  10 MB\n{\n  "backupId": "b3",\n  "rows": 1\n}\n')
    assert afterwards.full_backup(engine, container("backup"), Progress()) == "b3"
