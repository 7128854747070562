"""`up` ended by SIGKILL together with pulumi and its plugins, while a replica was being made."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

from tests.e2e.conftest import eventually
from tests.faults.conftest import Stack


def test_a_second_up_is_refused_and_one_after_a_kill_puts_things_right(
    stack: Stack, failing_image: Callable[[str], str]
) -> None:
    before = stack.containers()
    stack.release_image(failing_image("silently"))
    first = stack.start_up()
    try:
        eventually(lambda: not set(stack.containers("api")) <= set(before), within_s=60, what="a new replica")

        second = stack.up()
        assert second.returncode == 2
        assert f"process {first.pid}" in second.stderr
        assert stack.name in second.stderr
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
    assert set(stack.containers("api")) - set(before)

    stack.release_image(None)
    repeated = stack.up()
    assert repeated.returncode == 0, repeated.stderr
    assert "which was killed" in repeated.stderr
    assert stack.containers() == before


def test_a_lock_of_a_living_pulumi_is_left_alone(stack: Stack) -> None:
    """Its process runs on when only `amas` was killed."""
    folder = stack.state_dir / "backend/.pulumi/locks/organization/amas" / stack.name
    pretends = (
        "import ctypes, time; ctypes.CDLL(None).prctl(15, b'pulumi'); print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", pretends], stdout=subprocess.PIPE) as living:
        assert living.stdout
        living.stdout.readline()
        lock = folder / "1.json"
        lock.write_text(
            f'{{"pid":{living.pid},"username":"u","hostname":"{socket.gethostname()}","timestamp":"2026"}}'
        )
        try:
            done = stack.up()
            assert done.returncode == 2
            assert f"pulumi (process {living.pid}" in done.stderr
            assert lock.exists()
        finally:
            lock.unlink()
            living.kill()
