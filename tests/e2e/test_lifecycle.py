"""A stack's life in order: up, reboot, down, up again with its data, purge."""

import json
import os
import subprocess
from collections.abc import Callable

import pytest

from runbook.up import docker_engine
from tests.e2e.conftest import Stack, eventually, inspected

TRACE = '{"decisionId":"kept-1","userId":"u","occurredAt":"%s","action":"show","durationMs":1}'


def test_a_stack_lives_through_reboot_down_and_up_and_ends_with_purge(new_stack: Callable[[], Stack]) -> None:
    stack = new_stack()
    stack.up()
    stack.shell(
        f"curl -fsS {stack.url}/api/decisions -H 'Content-Type: application/json'"
        ' -H "Authorization: Bearer $(amas keys show ingest)"'
        f" -d \"$(printf '{TRACE}' $(date -u +%FT%TZ))\""
    )

    reboot()
    eventually(lambda: all_healthy(stack), within_s=60, what="all healthy after a reboot")
    stack.shell("pulumi preview --expect-no-changes && pulumi refresh --preview-only --expect-no-changes")

    assert stack.run(["scripts/down", "--stack", stack.name]).returncode == 0
    assert leftovers(stack) == data_volumes(stack)

    stack.up()
    assert stored(stack) == "kept-1"

    refused = stack.amas("down", "--purge", "another-name", check=False)
    assert refused.returncode == 2
    assert all_healthy(stack), "a refused purge touches nothing"

    stack.amas("down", "--purge", stack.name)
    assert leftovers(stack) == set()


def test_plain_destroy_keeps_the_data_and_plain_up_finds_it(new_stack: Callable[[], Stack]) -> None:
    stack = new_stack()
    stack.up()
    stack.amas("db", "psql", "--", "-c", "CREATE TABLE left_by_me AS SELECT 1 AS one")
    stack.shell("pulumi destroy --yes --skip-preview --non-interactive")
    assert leftovers(stack) == data_volumes(stack)
    stack.shell("pulumi up --yes --skip-preview --non-interactive")
    assert all_healthy(stack)
    assert stack.amas("db", "psql", "--", "-Atc", "SELECT one FROM left_by_me").stdout.strip() == "1"


def reboot() -> None:
    """The engine's part of a reboot, where the engine is the tests' to restart."""
    if not docker_engine.SYSTEMD.is_dir():
        docker_engine.restart_engine(print)
    elif os.environ.get("CI"):
        subprocess.run(["systemctl", "restart", "docker"], check=True)
    else:
        pytest.skip("the engine serves this whole host: its restart is tested in CI")


def all_healthy(stack: Stack) -> bool:
    states = [container["State"] for container in inspected(stack)]
    services = [state for state in states if state.get("Health")]
    return len(services) >= 11 and all(
        state["Running"] and state["Health"]["Status"] == "healthy" for state in services
    )


def stored(stack: Stack) -> str:
    answer = stack.shell(f"curl -fsS {stack.url}/api/insights/kept-1").stdout
    return str(json.loads(answer)["decisionId"])


def data_volumes(stack: Stack) -> set[str]:
    return {f"amas-{stack.name}-{part}" for part in ("db", "queue", "prometheus", "backup", "offsite")}


def leftovers(stack: Stack) -> set[str]:
    """Names of everything on the engine that carries the stack's label."""
    kinds = {
        "ps": ["docker", "ps", "-a", "--format", "{{.Names}}"],
        "volume": ["docker", "volume", "ls", "--format", "{{.Name}}"],
        "network": ["docker", "network", "ls", "--format", "{{.Name}}"],
    }
    label = ["--filter", f"label=amas.stack={stack.name}"]
    return {
        name
        for command in kinds.values()
        for name in subprocess.check_output([*command, *label], text=True).split()
    }
