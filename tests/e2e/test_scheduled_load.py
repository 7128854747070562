"""A load test that the scheduler runs by itself, by its real crontab, and what a person meets meanwhile."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Stack, eventually

# Its minute has to come, the smoke profile takes one, and its rows are counted and purged.
WITHIN_S = 240


@pytest.fixture(scope="module")
def scheduled(new_stack: Callable[[], Stack]) -> Iterator[Stack]:
    """Every minute; a run that lasts longer makes the next one stand back."""
    stack = new_stack()
    stack.up("loadTestSchedule=* * * * *")
    yield stack
    stack.remove()


def test_the_crontab_runs_it_and_a_person_is_told_while_it_does(scheduled: Stack) -> None:
    refused: list[str] = []
    ended: dict[str, Any] = {}

    def passes() -> bool:
        """As one answer tells it: the other replica may still know of the run before."""
        ended.update(job(scheduled))
        return bool(ended["result"] == "ok")

    def is_refused() -> bool:
        """With nothing sent: two would measure each other."""
        done = scheduled.amas("loadtest", "run", "mixed", "--duration", "1", check=False)
        refused.append(done.stderr)
        return done.returncode == 2

    eventually(lambda: at_work(scheduled), within_s=WITHIN_S, what="the load test begins")
    eventually(is_refused, within_s=60, what="a run by hand is refused")
    assert "another load test of stack" in refused[-1]
    assert "amas logs scheduler" in refused[-1]
    eventually(passes, within_s=WITHIN_S, what="it passes")
    assert ended["detail"]["verdict"] == "passed"
    metrics = f"curl -fsS {scheduled.url}/api/about/metrics/prometheus"
    wanted = 'amas_loadtest_passed{profile="smoke"'

    def is_a_metric() -> bool:
        told = scheduled.shell(metrics).stdout.splitlines()
        return any(line.startswith(wanted) and line.endswith(" 1.0") for line in told)

    eventually(is_a_metric, within_s=60, what="its verdict is a metric")


def job(stack: Stack) -> dict[str, Any]:
    return stack.jobs()["load-test"]


def at_work(stack: Stack) -> bool:
    return "k6 run" in stack.shell(f"docker top amas-{stack.name}-scheduler -eo pid,args").stdout
