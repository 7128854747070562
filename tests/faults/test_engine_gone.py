"""The engine stops while `up` waits for a replica."""

import os
import signal
from collections.abc import Callable

import pytest

from tests.e2e.conftest import eventually
from tests.faults.conftest import Stack
from tests.faults.engine_proxy import EngineProxy


@pytest.mark.full
def test_it_is_named_and_up_again_goes_on_from_there(
    stack: Stack, failing_image: Callable[[str], str]
) -> None:
    before = stack.containers()
    stack.release_image(failing_image("silently"))
    with EngineProxy() as proxy:
        first = stack.start_up(DOCKER_HOST=proxy.address)
        try:
            eventually(
                lambda: not set(stack.containers("api")) <= set(before), within_s=90, what="a new replica"
            )
            proxy.cut()
            told, _ = first.communicate(timeout=200)
        finally:
            if first.poll() is None:
                os.killpg(first.pid, signal.SIGKILL)
        assert first.returncode == 3, told
        assert f"the Docker engine stopped answering on {proxy.address}" in told
        assert "next: ./scripts/up again" in told

    stack.release_image(None)
    repeated = stack.up()
    assert repeated.returncode == 0, repeated.stderr
    assert stack.containers() == before
