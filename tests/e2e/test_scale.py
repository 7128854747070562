"""Scaling by itself as it stands after `up`: it sees, it is watched, and its agent knows four words."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Stack, eventually, inspected

SAY = (
    "import os, socket, sys; line = socket.socket(socket.AF_UNIX);"
    "line.connect(os.environ['AMAS_AGENT_SOCKET']); line.sendall(sys.argv[1].encode() + b'\\n');"
    "print(line.makefile().readline())"
)


def test_the_autoscaler_sees_every_replica(stack: Stack) -> None:
    def seen() -> bool:
        done = stack.amas("scale", "status", "--json", check=False)
        found = json.loads(done.stdout) if done.returncode == 0 else {"signals": None}
        replicas = (found["signals"] or {"replicas": []})["replicas"]
        return len(replicas) == 2 and all(one["cpu_percent"] is not None for one in replicas)

    # A replica knows its load when its first interval of 30 s has ended.
    eventually(seen, within_s=90, what="both replicas seen with their load")


@pytest.mark.parametrize(
    "order",
    [
        {"do": "burst-up", "HostConfig": {"Binds": ["/:/host"]}},
        {"do": "burst-up", "privileged": True},
        {"do": "burst-up", "image": "alpine"},
        {"do": "create"},
    ],
    ids=["bind mount", "privileged", "another image", "another word"],
)
def test_the_agent_refuses_what_is_not_in_its_vocabulary(stack: Stack, order: dict[str, Any]) -> None:
    before = {one["Id"] for one in inspected(stack)}
    command = ["docker", "exec", f"amas-{stack.name}-autoscaler", "python", "-c", SAY, json.dumps(order)]
    answer = json.loads(stack.run(command).stdout)
    assert not answer["ok"]
    assert "refused" in answer
    assert {one["Id"] for one in inspected(stack)} == before


def test_the_agent_alone_has_the_engines_socket(stack: Stack) -> None:
    holders = [one for one in inspected(stack) if any(mount["Type"] == "bind" for mount in one["Mounts"])]
    assert [one["Config"]["Labels"]["amas.part"] for one in holders] == ["agent"]
    assert list(holders[0]["NetworkSettings"]["Networks"]) == ["none"]
    assert holders[0]["HostConfig"]["ReadonlyRootfs"]
    assert holders[0]["HostConfig"]["CapDrop"] == ["ALL"]
