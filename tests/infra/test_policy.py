"""Each rule of the container standard rejects what it names."""

from typing import Any

import pytest

from infra import policy

GOOD: dict[str, Any] = {
    "image": "sha256:" + "a" * 64,
    "memory": 64,
    "memory_swap": 64,
    "cpu_shares": 256,
    "ulimits": [{"name": "nproc", "soft": 64, "hard": 64}],
    "log_driver": "json-file",
    "log_opts": {"max-size": "10m", "max-file": "3"},
    "capabilities": {"drops": ["ALL"]},
    "security_opts": ["no-new-privileges:true"],
    "user": "10001:10001",
    "read_only": True,
    "healthcheck": {"tests": ["CMD", "true"]},
    "restart": "always",
    "destroy_grace_seconds": 30,
    "ports": [{"internal": 3000, "external": 3000, "ip": "127.0.0.1"}],
    "envs": ["DATABASE_URL_FILE=/secrets/database_url", "LOG_LEVEL=info"],
}


def test_a_good_container_breaks_no_rule() -> None:
    assert policy.violations(GOOD) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"memory": None}, "no memory limit"),
        ({"memory_swap": 128}, "memory_swap must equal"),
        ({"cpu_shares": None}, "no CPU share"),
        ({"ulimits": None}, "no process limit"),
        ({"log_opts": {"max-size": "10m"}}, "no log cap"),
        ({"log_driver": "journald"}, "no log cap"),
        ({"capabilities": {"drops": []}}, "drop ALL"),
        ({"security_opts": []}, "no-new-privileges"),
        ({"privileged": True}, "privileged"),
        ({"network_mode": "host"}, "host namespaces"),
        ({"image": "debian:trixie-slim"}, "not a pinned ID"),
        ({"volumes": [{"host_path": "/var/run/docker.sock"}]}, "docker.sock is mounted"),
        ({"ports": [{"external": 80, "ip": "0.0.0.0"}]}, "beyond loopback"),
        ({"ports": [{"external": 80}]}, "beyond loopback"),
        ({"envs": ["DATABASE_URL=postgresql://u:p@db/x"]}, "DATABASE_URL belongs in a file"),
        ({"envs": ["API_KEYS=ingest abc"]}, "API_KEYS belongs in a file"),
        ({"healthcheck": None}, "no health check"),
        ({"healthcheck": {"tests": ["CMD"], "start_interval": "1s"}}, "start_interval"),
        ({"restart": "unless-stopped"}, "restart must be always"),
        ({"destroy_grace_seconds": 0}, "kill at once"),
        ({"user": "0:0"}, "non-root"),
        ({"user": "postgres"}, "numeric"),
        ({"read_only": False}, "read-only"),
    ],
)
def test_a_broken_rule_is_named(change: dict[str, Any], words: str) -> None:
    found = policy.violations({**GOOD, **change})
    assert any(words in one for one in found), found


def test_what_speaks_tls_may_be_published_beyond_loopback() -> None:
    ports = [{"internal": internal, "external": internal, "ip": "0.0.0.0"} for internal in (3080, 3443)]
    assert policy.violations({**GOOD, "ports": ports}) == []
    (found,) = policy.violations(
        {**GOOD, "ports": [*ports, {"internal": 3000, "external": 3000, "ip": "::"}]}
    )
    assert found == "port 3000 is published beyond loopback without TLS"


def test_a_job_must_not_restart() -> None:
    assert policy.violations({**GOOD, "must_run": False}, job=True) == ["a job must not be restarted"]


def test_enforce_names_the_container_and_every_broken_rule() -> None:
    with pytest.raises(policy.PolicyViolation, match="container db: no memory limit; no CPU share"):
        policy.enforce("db", {**GOOD, "memory": None, "cpu_shares": None}, job=False, root_reason=None)


AGENT: dict[str, Any] = {
    **GOOD,
    "labels": [{"label": "amas.part", "value": "agent"}],
    "volumes": [{"host_path": policy.ENGINE_SOCKET, "container_path": "/engine/docker.sock"}],
    "network_mode": "none",
    "ports": [],
}


def test_the_agent_alone_may_mount_the_engines_socket() -> None:
    assert policy.violations(AGENT) == []
    other = {**AGENT, "labels": [{"label": "amas.part", "value": "autoscaler"}]}
    assert policy.violations(other) == [f"host path {policy.ENGINE_SOCKET} is mounted"]
    assert policy.violations({**AGENT, "labels": None}) == [f"host path {policy.ENGINE_SOCKET} is mounted"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"volumes": [*AGENT["volumes"], {"host_path": "/"}]}, "host path / is mounted"),
        ({"network_mode": None}, "no network and no port"),
        ({"networks_advanced": [{"name": "amas-local"}]}, "no network and no port"),
        ({"ports": [{"external": 2375, "ip": "127.0.0.1"}]}, "no network and no port"),
        ({"read_only": False}, "has a read-only root"),
        ({"capabilities": {"drops": ["ALL"], "adds": ["CAP_CHOWN"]}}, "has no capability"),
    ],
)
def test_who_owns_the_engine_has_nothing_else(change: dict[str, Any], words: str) -> None:
    found = policy.violations({**AGENT, **change}, root_reason="the socket is root's")
    assert any(words in one for one in found), found
