"""Each limit is seen to work: a process that eats memory is stopped at the container's own limit."""

import subprocess
from typing import Any

import pytest

from tests.e2e.conftest import Stack, eventually, inspected

PARTS = [
    "db",
    "cache",
    "queue",
    "api",
    "lb",
    "prometheus",
    "scheduler",
    "db-exporter",
    "redis-exporter",
    "host-exporter",
]
# The kernel prefers the victim with the highest score: the part and the hog alike, so that
# sooner or later the part itself goes down and has to come back.
HOG = """
for score in /proc/[0-9]*/oom_score_adj; do echo 1000 >"$score"; done 2>/dev/null
exec tail /dev/zero
"""


@pytest.mark.full
@pytest.mark.parametrize("part", PARTS)
def test_a_memory_hog_ends_at_the_parts_limit_and_the_part_comes_back(stack: Stack, part: str) -> None:
    before = running(stack, part)
    hog = subprocess.run(
        ["docker", "exec", before["Id"], "sh", "-c", HOG], capture_output=True, timeout=120, check=False
    )
    assert hog.returncode != 0, "the hog must not live on"

    def came_back() -> bool:
        now = running(stack, part, container=before["Id"])
        restarted = bool(now["RestartCount"] > before["RestartCount"])
        return restarted and now["State"]["Health"]["Status"] == "healthy"

    took_s = eventually(came_back, within_s=60, what=f"{part} restarted and healthy")
    assert took_s <= 60
    eventually(lambda: all_healthy(stack), within_s=60, what="the other parts healthy too")


def running(stack: Stack, part: str, container: str = "") -> dict[str, Any]:
    return next(
        one
        for one in inspected(stack)
        if one["Config"]["Labels"]["amas.part"] == part and one["Id"].startswith(container)
    )


def all_healthy(stack: Stack) -> bool:
    checked = [one["State"] for one in inspected(stack) if one["State"].get("Health")]
    return all(state["Running"] and state["Health"]["Status"] == "healthy" for state in checked)
