"""One proof at a time; nothing of a killed one stays."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.backup.alone import Ended, alone, ended_by_signals, sweep, within
from runbook.backup.place import Place
from runbook.errors import UsageError


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "home", run=tmp_path / "run")


@pytest.fixture
def left_over(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with the folder of a proof in its command line, as a server there has."""
    program = "import time; print('up', flush=True); time.sleep(60)"
    words = [sys.executable, "-c", program, str(tmp_path / "proof" / "data")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        yield process
        process.kill()


def test_a_second_proof_is_refused_while_one_runs(place: Place) -> None:
    with alone(place), pytest.raises(UsageError, match="another proof is running"), alone(place):
        pytest.fail("two proofs at once")
    with alone(place):
        pass


def test_a_killed_proof_leaves_no_lock_and_its_folder_is_swept(place: Place) -> None:
    pid = os.fork()
    if pid == 0:
        with alone(place) as folder:
            (folder / "data").mkdir()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert (place.scratch / "proof" / "data").exists()
    with alone(place) as folder:
        assert list(folder.iterdir()) == []
    assert not folder.exists()


def test_a_server_left_there_is_ended(tmp_path: Path, left_over: subprocess.Popen[bytes]) -> None:
    data = tmp_path / "proof" / "data"
    data.mkdir(parents=True)
    sweep(tmp_path / "proof")
    assert left_over.wait(10) == -signal.SIGKILL
    assert not data.exists()


def test_a_copy_that_still_writes_there_is_ended_too(tmp_path: Path) -> None:
    folder = tmp_path / "proof"
    writes = 'while :; do mkdir -p "$0/data"; echo >"$0/data/file"; done'
    with subprocess.Popen(["sh", "-c", writes, str(folder)]) as copy:
        while not folder.exists():
            assert copy.poll() is None
        sweep(folder)
        assert copy.wait(10) == -signal.SIGKILL
    assert not folder.exists()


def test_nobody_is_left_who_could_write_again_after_the_files_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_over: subprocess.Popen[bytes]
) -> None:
    folder = tmp_path / "proof"
    scans = iter([[left_over.pid], []])
    monkeypatch.setattr("runbook.backup.alone.at_work_in", lambda _: next(scans))
    # What the child of a killed one may do yet.
    monkeypatch.setattr("runbook.backup.alone.time.sleep", lambda _: (folder / "data").mkdir(parents=True))
    sweep(folder)
    assert next(scans, None) is None
    assert not folder.exists()


def test_a_stranger_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "input()", "another"], stdin=subprocess.PIPE)
    (tmp_path / "proof").mkdir()
    sweep(tmp_path / "proof")
    stranger.communicate(b"\n")
    assert stranger.returncode == 0


def test_a_proof_that_hangs_is_ended_by_its_limit() -> None:
    with pytest.raises(Ended, match="the proof hung: it was not over within 0 s"), within(0.01):
        signal.pause()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_proof_that_is_told_to_stop_says_so() -> None:
    with pytest.raises(Ended, match="ended by SIGTERM"), ended_by_signals():
        signal.raise_signal(signal.SIGTERM)
