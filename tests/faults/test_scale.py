"""Replicas come with the load and go after it, on a real engine; the agent does what it knows and no more."""

import json
import re
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from runbook.up.toolchain import tools_bin
from tests.e2e.conftest import eventually
from tests.faults.conftest import HERE, Stack, output
from tests.faults.traffic import Traffic

OUT_AFTER_S, IN_AFTER_S, COOLDOWN_S = 15, 30, 10
WINDOWS = (
    "replicas=1",
    "metricsCollectionInterval=2000",
    f"autoscaleOutAfterS={OUT_AFTER_S}",
    f"autoscaleInAfterS={IN_AFTER_S}",
    f"autoscaleCooldownS={COOLDOWN_S}",
    # So that the latency is what asks for one more, on a host that has two cores for everything.
    "autoscaleLatencyMs=25",
    "autoscaleCpuPercent=100",
)
# On one replica they wait some 80 ms each: three times the trigger.
CLIENTS = 150
LOAD_S = 55
pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def scaled(new_stack: Callable[[], Stack]) -> Iterator[Stack]:
    stack = new_stack()
    done = stack.up(*settings(*WINDOWS))
    assert done.returncode == 0, done.stderr
    yield stack
    stack.purge()
    assert stack.containers() == {}


def settings(*given: str) -> list[str]:
    return [word for setting in given for word in ("--config", setting)]


def test_a_clone_differs_from_its_template_in_name_and_label_alone(scaled: Stack) -> None:
    ordered(scaled, 2)
    template, clone = sorted((compared(one) for one in inspected(scaled)), key=lambda one: len(one["Labels"]))
    assert clone["Labels"].pop("amas.burst") == "true"
    assert clone == template


def test_up_without_a_change_keeps_the_burst(scaled: Stack) -> None:
    ordered(scaled, 2)
    before = set(scaled.containers("api"))
    done = scaled.up()
    assert done.returncode == 0, done.stderr
    assert "nothing to change" in done.stderr
    assert set(scaled.containers("api")) == before


def test_a_release_sweeps_the_burst_without_a_failed_request(
    scaled: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed secret is a new volume: the old one can go only when no burst holds it."""
    ordered(scaled, 2)
    before, volumes = set(scaled.containers("api")), scaled.volumes()
    scaled.pulumi("config", "set", "--secret", "amas:alertWebhookSecret", uuid.uuid4().hex)
    with Traffic(scaled.http_port, key(scaled), f"release-{uuid.uuid4().hex[:8]}") as traffic:
        done = scaled.up()
    assert done.returncode == 0, done.stdout + done.stderr
    told(capsys, f"a release over a burst: {traffic.figures()}")
    assert traffic.failed == []
    assert traffic.requests > 200
    assert not before & set(scaled.containers("api"))
    assert {one for one in volumes - scaled.volumes() if "api-secrets" in one}


def test_load_past_the_latency_trigger_brings_a_second_replica_and_its_end_takes_it_away(
    scaled: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scaled.amas("scale", "to", "1", "--for", "0s")
    eventually(lambda: serving(scaled) == 1, within_s=120, what="one replica again")
    began = time.monotonic()
    with loaded(scaled, tmp_path) as load:
        came_s = eventually(
            lambda: serving(scaled) >= 2, within_s=OUT_AFTER_S + 30, what="a second replica that serves"
        )
        found = json.loads(load.communicate(timeout=LOAD_S + 30)[0].splitlines()[-1])
    ended = time.monotonic()
    went_s = eventually(
        lambda: serving(scaled) == 1 and len(scaled.containers("api")) == 1, within_s=300, what="the floor"
    )
    told(
        capsys,
        f"{found['requests'] / (ended - began):.0f} requests a second, p95 {found['p95Ms']:.0f} ms: a second "
        f"replica after {came_s:.0f} s (window {OUT_AFTER_S} s), the floor {went_s:.0f} s after the load; "
        f"{found['failed']} of {found['requests']} failed",
    )
    assert found["failed"] == 0
    reasons = [line["reason"] for line in decisions(scaled) if line["action"] == "grow"]
    assert any(re.match(r"p95 \d+ ms > 25 ms for \d+ s", one) for one in reasons), reasons


def test_the_agent_refuses_what_is_not_in_its_vocabulary(scaled: Stack) -> None:
    before = scaled.containers()
    for order in (
        {"do": "burst-up", "HostConfig": {"Binds": ["/:/host"]}},
        {"do": "burst-up", "privileged": True},
        {"do": "burst-up", "image": "alpine"},
        {"do": "create"},
        {"do": "restart", "replica": container(scaled, "db")[:12]},
    ):
        answer = said(scaled, order)
        assert not answer["ok"], order
        assert "refused" in answer, order
    assert scaled.containers() == before


def test_no_container_but_the_agent_reaches_the_engine(scaled: Stack) -> None:
    engine = docker.from_env()
    holders = []
    for one in scaled.containers():
        facts = engine.api.inspect_container(one)
        if any(mount["Type"] == "bind" for mount in facts["Mounts"]):
            holders.append(facts["Config"]["Labels"]["amas.part"])
            assert list(facts["NetworkSettings"]["Networks"]) == ["none"]
            assert facts["HostConfig"]["CapAdd"] is None
    engine.close()
    assert holders == ["agent"]


def test_replicas_short_of_memory_are_restarted_one_at_a_time_with_their_diagnostics(
    scaled: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """With so little memory each is always above the limit: they take turns."""
    done = scaled.up(*settings("replicas=2", "apiMemoryMb=192", "autoscaleMemoryPercent=20"))
    assert done.returncode == 0, done.stderr
    with Traffic(scaled.http_port, key(scaled), f"memory-{uuid.uuid4().hex[:8]}") as traffic:
        eventually(
            lambda: len({line["id"] for line in decisions(scaled, "done") if "diagnostics" in line}) == 2,
            within_s=180,
            what="both restarted",
        )
    told(capsys, f"restarts for memory: {traffic.figures()}")
    assert traffic.failed == []
    kept = next(line for line in decisions(scaled, "done") if "diagnostics" in line)["diagnostics"]
    assert kept["memory"]["usage"] > 0
    assert kept["processes"]["Processes"]
    assert kept["log"]


def ordered(stack: Stack, replicas: int) -> None:
    """By a person, and come true."""
    done = stack.amas("scale", "to", str(replicas), "--for", "10m")
    assert done.returncode == 0, done.stderr
    eventually(lambda: serving(stack) == replicas, within_s=90, what=f"{replicas} replicas that serve")


def serving(stack: Stack) -> int:
    """What the load balancer sends requests to."""
    metrics = output(
        "docker", "exec", container(stack, "lb"), "wget", "-q", "-O", "-", "http://127.0.0.1:8405/metrics"
    )
    found = re.search(r'^haproxy_backend_active_servers\{proxy="api"\} (\d+)', metrics, re.MULTILINE)
    return int(found[1]) if found else 0


def container(stack: Stack, part: str) -> str:
    return next(iter(stack.containers(part)))


def inspected(stack: Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(output("docker", "inspect", *stack.containers("api")))
    return found


def compared(facts: dict[str, Any]) -> dict[str, Any]:
    """All that was asked for; not what the engine gave it, such as an address."""
    config = {name: facts["Config"][name] for name in facts["Config"] if name not in {"Hostname", "Volumes"}}
    given = {"ContainerIDFile", "NetworkMode", "ConsoleSize", "PortBindings", "Isolation"}
    # The provider says nothing where the API has an empty list.
    host = {name: value or None for name, value in facts["HostConfig"].items() if name not in given}
    networks = {
        name: [alias for alias in one["Aliases"] if alias != facts["Id"][:12]]
        for name, one in facts["NetworkSettings"]["Networks"].items()
    }
    config["Env"] = sorted(config["Env"])
    mounts = [(one["Name"], one["Destination"], one["RW"]) for one in facts["Mounts"]]
    return {**config, "Host": host, "Networks": networks, "Mounted": mounts, "Id of image": facts["Image"]}


def said(stack: Stack, order: dict[str, Any]) -> dict[str, Any]:
    """What the agent answers to the autoscaler's own user."""
    script = (
        "import os, socket, sys; line = socket.socket(socket.AF_UNIX);"
        "line.connect(os.environ['AMAS_AGENT_SOCKET']); line.sendall(sys.argv[1].encode() + b'\\n');"
        "print(line.makefile().readline())"
    )
    answer: dict[str, Any] = json.loads(
        output("docker", "exec", container(stack, "autoscaler"), "python", "-c", script, json.dumps(order))
    )
    return answer


def decisions(stack: Stack, message: str = "decided") -> list[dict[str, Any]]:
    """What the autoscaler told, in order."""
    lines = output("docker", "logs", container(stack, "autoscaler")).splitlines()
    return [line for line in map(json.loads, lines) if line["message"] == message]


def key(stack: Stack) -> str:
    return stack.amas("keys", "show", "ingest").stdout.strip()


def loaded(stack: Stack, folder: Path) -> subprocess.Popen[str]:
    file = folder / "key"
    file.write_text(key(stack))
    variables = {
        "URL": stack.url,
        "KEY_FILE": str(file),
        "PREFIX": f"scale-{uuid.uuid4().hex[:8]}",
        "CLIENTS": str(CLIENTS),
        "LASTS": f"{LOAD_S}s",
        "K6_NO_USAGE_REPORT": "true",
    }
    return subprocess.Popen(
        [tools_bin() / "k6", "run", "--quiet", HERE / "scale" / "load.js"],
        env=stack.variables(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def told(capsys: pytest.CaptureFixture[str], line: str) -> None:
    """A figure that belongs into the proof."""
    with capsys.disabled():
        print(f"\n{line}")  # noqa: T201
