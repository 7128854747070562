"""What scaling by itself is built from: who may ask the engine, and within which bounds."""

from typing import Any

import pytest

from infra import policy
from infra.config import RESERVED_CONNECTIONS, Config, parse
from runbook.scale.decide import most_replicas
from runbook.scale.settings import BOUNDS, VARIABLES
from tests.infra.conftest import Recorded, Run, snake
from tests.infra.test_program import environment, uploads


def mounted(inputs: dict[str, Any]) -> dict[str, bool]:
    """Volume to whether it is read-only."""
    return {
        one["volume_name"]: one["read_only"] for one in snake(inputs)["volumes"] if one.get("volume_name")
    }


def test_the_agent_alone_has_the_engines_socket_and_no_network(asked: Recorded) -> None:
    holders = {
        name
        for name, inputs in asked.containers.items()
        if any(one.get("host_path") for one in snake(inputs).get("volumes") or [])
    }
    assert holders == {"agent"}
    agent = snake(asked.containers["agent"])
    assert [one["host_path"] for one in agent["volumes"] if one.get("host_path")] == [policy.ENGINE_SOCKET]
    assert agent["network_mode"] == "none"
    assert not agent.get("networks_advanced")
    assert agent["capabilities"] == {"drops": ["ALL"]}
    assert agent["read_only"]


def test_only_the_autoscaler_shares_the_agents_socket(asked: Recorded) -> None:
    sharing = {
        name: mounted(one)
        for name, one in asked.containers.items()
        if "amas-test-agent-socket" in mounted(one)
    }
    assert {name: one["amas-test-agent-socket"] for name, one in sharing.items()} == {
        "agent": False,
        "autoscaler": True,
    }
    users = {name: snake(asked.containers[name])["user"] for name in sharing}
    # The group of the socket is the autoscaler's own, and nobody else's.
    assert users == {"agent": "0:10007", "autoscaler": "10007:10007"}
    assert [name for name, one in asked.containers.items() if "10007" in str(snake(one).get("user"))] == [
        *users
    ]


def test_every_rule_of_the_autoscaler_is_configured(run: Run) -> None:
    given = environment(run(autoscaleLatencyMs="55", autoscaleDryRun="true").containers["autoscaler"])
    assert {*VARIABLES.values(), *BOUNDS.values()} <= set(given)
    assert (given["AMAS_SCALE_LATENCY_MS"], given["AMAS_SCALE_DRY_RUN"]) == ("55", "true")


@pytest.mark.parametrize(
    ("config", "most"),
    [
        ({}, 6),
        ({"replicas": "1"}, 7),
        ({"replicas": "4", "maxReplicas": "8"}, 4),
        ({"dbMaxConnections": "100"}, 2),
        ({"maxReplicas": "16", "dbConnectionPoolSize": "10"}, 14),
    ],
)
def test_the_bounds_are_what_places_and_connections_leave_beside_a_roll(
    config: dict[str, str], most: int
) -> None:
    values, problems = parse(config.get)
    assert problems == []
    held = Config(values, {})
    assert held.most_replicas == most
    places, connections = held.integer("maxReplicas"), held.integer("dbMaxConnections")
    pool, least = held.integer("dbConnectionPoolSize"), held.integer("replicas")
    assert most == most_replicas(places, connections, RESERVED_CONNECTIONS, pool, least)


def test_agent_and_autoscaler_know_the_same_bounds(run: Run) -> None:
    containers = run(replicas="3", maxReplicas="12", dbMaxConnections="300").containers
    scaler, agent = environment(containers["autoscaler"]), environment(containers["agent"])
    assert (scaler["AMAS_SCALE_LEAST"], scaler["AMAS_SCALE_MOST"]) == ("3", "9")
    assert agent["AMAS_MOST_BURST"] == "6"
    assert agent["AMAS_STACK"] == "test"


def test_without_it_nobody_has_the_engines_socket_and_nobody_looks_for_it(run: Run, asked: Recorded) -> None:
    without = run(autoscale="false")
    assert not {"agent", "autoscaler"} & set(without.containers)
    assert "amas job run autoscaler" in uploads(asked, "scheduler-config")["crontab"]
    assert "amas job run autoscaler" not in uploads(without, "scheduler-config")["crontab"]
