import json
import multiprocessing
import os
from pathlib import Path

import pytest

from runbook.errors import UsageError
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.up import sole
from runbook.up.sole import PulumiLock, free_stale_lock, pulumi_locks, refuse_living, runs_pulumi, sole_run

LOCK = PulumiLock(4242, "here", "ada", "2026-01-02T03:04:05")


@pytest.fixture
def lock_file(state_dir: Path) -> Path:
    file = state_dir / "backend/.pulumi/locks/organization/amas/local/1.json"
    file.parent.mkdir(parents=True)
    content = {"pid": 4242, "hostname": "here", "username": "ada", "timestamp": "2026-01-02T03:04:05.6Z"}
    file.write_text(json.dumps(content))
    return file


def test_a_second_run_is_refused_with_the_first_ones_process_and_stack(state_dir: Path) -> None:
    with (
        sole_run("local"),
        pytest.raises(UsageError, match=f"process {os.getpid()}.*`local`"),
        sole_run("local"),
    ):
        pass


def test_another_stack_may_run_beside_it_and_the_same_one_after_it(state_dir: Path) -> None:
    with sole_run("local"), sole_run("other"):
        pass
    with sole_run("local"):
        pass


def test_a_killed_run_holds_nothing(state_dir: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(_hold, ("local", str(state_dir)))
    with sole_run("local"):
        pass


def _hold(stack: str, state_dir: str) -> None:
    os.environ["AMAS_STATE_DIR"] = state_dir
    sole_run(stack).__enter__()


def test_the_lock_of_a_dead_process_is_freed(lock_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[str] = []
    monkeypatch.setattr(Stack, "cancel", lambda stack: freed.append(stack.name))
    monkeypatch.setattr("socket.gethostname", lambda: "here")
    monkeypatch.setattr(sole, "runs_pulumi", lambda _pid: False)
    free_stale_lock(Stack("local"), Progress())
    free_stale_lock(Stack("other"), Progress())
    assert freed == ["local"]


def test_the_lock_of_a_living_process_or_another_host_is_left_alone(
    lock_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stack, "cancel", lambda _stack: pytest.fail("freed"))
    monkeypatch.setattr(sole, "runs_pulumi", lambda _pid: True)
    for host, words in (("here", r"pulumi \(process 4242"), ("there", "ada on here")):
        monkeypatch.setattr("socket.gethostname", lambda host=host: host)
        with pytest.raises(UsageError, match=words):
            free_stale_lock(Stack("local"), Progress())


def test_a_refusal_names_the_next_command() -> None:
    with pytest.raises(UsageError) as raised:
        refuse_living(LOCK, "local", "here", lambda _pid: True)
    assert raised.value.next_command == "wait until it has ended: tail --pid 4242 -f /dev/null"


def test_a_lock_that_cannot_be_read_is_left_to_pulumi(lock_file: Path, state_dir: Path) -> None:
    assert pulumi_locks(state_dir / "backend", "local") == [LOCK]
    lock_file.write_text("{")
    assert pulumi_locks(state_dir / "backend", "local") == []


def test_a_process_id_of_another_program_is_not_pulumi() -> None:
    assert not runs_pulumi(os.getpid())
    assert not runs_pulumi(2**22 + 1)
