"""Whole stacks under names and ports of their own, brought up as a user would, removed whatever happens."""

import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# For one command.
WITHIN_S = 600
Completed = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Stack:
    """A stack by name; its commands run as typed in this checkout."""

    name: str
    http_port: int
    prometheus_port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.http_port}"

    def up(self, *settings: str) -> Completed:
        """With settings beside its ports, each as `KEY=VALUE`."""
        ports = f"httpPort={self.http_port}", f"prometheusPort={self.prometheus_port}"
        config = [word for one in (*ports, *settings) for word in ("--config", one)]
        return self.run([str(ROOT / "scripts/up"), "--stack", self.name, *config])

    def shell(self, script: str, *, check: bool = True, typed: str = "") -> Completed:
        """Run what a person would type after `. scripts/env`."""
        command = ["bash", "-c", f"set -o pipefail; . {ROOT}/scripts/env; {script}"]
        return self.run(command, check=check, typed=typed)

    def amas(self, *words: str, check: bool = True, typed: str = "", within_s: int = WITHIN_S) -> Completed:
        return self.run([str(ROOT / ".venv/bin/amas"), *words], check=check, typed=typed, within_s=within_s)

    def run(
        self, command: list[str], *, check: bool = True, typed: str = "", within_s: int = WITHIN_S
    ) -> Completed:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "AMAS_STACK": self.name, "NO_COLOR": "1"},
            input=typed,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"{command} exited {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}")
        return done

    def jobs(self) -> dict[str, dict[str, Any]]:
        """What `amas schedule` tells, by job."""
        listed = json.loads(self.amas("schedule", "--json", check=False).stdout)["jobs"]
        return {one["job"]: one for one in listed}

    def remove(self) -> None:
        self.amas("down", "--purge", self.name, check=False)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First a stack as it came up: verbs leave a history. Last the lifecycle: it restarts the engine."""
    items.sort(key=lambda item: ("test_lifecycle" in item.nodeid) - ("test_standing" in item.nodeid))


@pytest.fixture(scope="session")
def new_stack() -> Iterator[Callable[[], Stack]]:
    """Make stacks not yet up; all are purged at the end."""
    made: list[Stack] = []

    def make() -> Stack:
        made.append(Stack(f"e2e-{secrets.token_hex(3)}", *free_ports(2)))
        return made[-1]

    yield make
    for stack in made:
        stack.remove()


@pytest.fixture(scope="session")
def stack(new_stack: Callable[[], Stack]) -> Stack:
    """One standing stack that the tests share and leave as they found it."""
    standing = new_stack()
    standing.up()
    return standing


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def eventually(holds: Callable[[], bool], *, within_s: float, what: str) -> float:
    """Wait for a condition; returns the seconds it took."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > within_s:
            pytest.fail(f"not within {within_s} s: {what}")
        time.sleep(0.5)
    return time.monotonic() - started


def inspected(stack: Stack) -> list[dict[str, Any]]:
    """`docker inspect` of every container of the stack, jobs included."""
    ids = subprocess.run(
        ["docker", "ps", "-aq", "--filter", f"label=amas.stack={stack.name}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if not ids:
        return []
    found = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True)
    containers: list[dict[str, Any]] = json.loads(found.stdout)
    return containers


__all__ = ["Stack", "eventually", "inspected"]
