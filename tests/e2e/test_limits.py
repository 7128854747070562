"""Each limit is seen to work: a process that eats memory is stopped at the container's own limit."""

import subprocess
import time
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
    "autoscaler",
    "agent",
    "backup",
    "db-exporter",
    "redis-exporter",
    "host-exporter",
]
# The kernel ends the process with the highest score first: here the part's own, and the hog only after
# them, so that it is the part that has to come back.
HOG = """
for process in /proc/[0-9]*; do
    [ "$process" = "/proc/$$" ] || echo 1000 >"$process/oom_score_adj"
done 2>/dev/null
exec tail /dev/zero
"""


@pytest.mark.full
@pytest.mark.parametrize("part", PARTS)
def test_a_memory_hog_ends_at_the_parts_limit_and_the_part_comes_back(stack: Stack, part: str) -> None:
    before = running(stack, part)
    since = int(time.time())
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
    assert ran_out_of_memory(before["Id"], since)
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


def ran_out_of_memory(container: str, since: int) -> bool:
    """What the engine saw: a kill at the container's own limit."""
    command = ["docker", "events", "--since", str(since), "--until", str(int(time.time()) + 1)]
    filters = ["--filter", f"container={container}", "--filter", "event=oom", "--format", "{{.Action}}"]
    events = subprocess.run([*command, *filters], capture_output=True, text=True, timeout=60, check=True)
    return "oom" in events.stdout
