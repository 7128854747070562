import sys
from datetime import UTC, datetime
from typing import Any

import docker
import pytest

from runbook import engine
from runbook.errors import EnvironmentMissing
from runbook.testing import MemoryEngine, container


def inspected(**state: Any) -> dict[str, Any]:
    return {
        "Id": "abc",
        "Name": "/amas-local-lb",
        "RestartCount": 2,
        "Config": {"Labels": {"amas.part": "lb", "amas.stack": "local"}, "Image": "sha256:aa"},
        "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
        "State": {"Status": "running", "ExitCode": 0, "StartedAt": "2026-01-02T03:04:05.123456789Z", **state},
        "NetworkSettings": {
            "Networks": {"amas-local": {"IPAddress": "172.18.0.9"}},
            "Ports": {"3000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "3000"}], "8405/tcp": None},
        },
    }


def test_a_container_is_reduced_to_what_the_runbook_asks() -> None:
    assert engine.container_facts(inspected(Health={"Status": "healthy"})) == engine.Container(
        id="abc",
        name="amas-local-lb",
        part="lb",
        image="sha256:aa",
        state="running",
        health="healthy",
        exit_code=0,
        restarts=2,
        restart_policy="unless-stopped",
        started_at=datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
        address="172.18.0.9",
        ports=("127.0.0.1:3000",),
        networks=("amas-local",),
    )


@pytest.mark.parametrize(
    "stamp", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000001Z", "2026-01-02T03:04:05.0Z"]
)
def test_times_of_any_precision_are_read(stamp: str) -> None:
    assert engine.engine_time(stamp) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_container_that_never_started_has_no_start() -> None:
    assert engine.container_facts(inspected(StartedAt="0001-01-01T00:00:00Z")).started_at is None


def test_without_the_sdk_the_environment_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(EnvironmentMissing, match="runs on the host"):
        engine.connect()


def test_an_engine_that_does_not_answer_is_a_missing_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise docker.errors.DockerException("connection refused")

    monkeypatch.setattr(docker, "from_env", refused)
    with pytest.raises(EnvironmentMissing, match="does not answer") as raised:
        engine.connect()
    assert raised.value.next_command == "./scripts/up"


def test_a_part_that_does_not_run_is_a_missing_environment() -> None:
    with pytest.raises(EnvironmentMissing, match="`db`"):
        engine.require_part(MemoryEngine(held=[container("db", state="exited")]), "local", "db")


def test_a_command_inside_gets_a_terminal_only_when_we_have_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: "/bin/docker")
    assert engine.exec_command(container("db"), ["psql"], terminal=True) == [
        "/bin/docker", "exec", "--interactive", "--tty", "id-db", "psql",
    ]  # fmt: skip
    assert "--tty" not in engine.exec_command(container("db"), ["psql"], terminal=False)


def test_without_the_docker_command_the_next_step_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(EnvironmentMissing) as raised:
        engine.exec_command(container("db"), ["psql"], terminal=False)
    assert raised.value.next_command == "apt-get install docker-cli"


@pytest.mark.parametrize(
    ("configured", "gateway"),
    [
        ([{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.9"}], "172.17.0.9"),
        ([{"Subnet": "172.17.0.0/16"}], "172.17.0.1"),
        ([{"Subnet": "fd00::/64"}, {"Subnet": "10.1.0.0/24"}], "10.1.0.1"),
        ([{"Subnet": "fd00::/64"}], None),
        ([], None),
    ],
)
def test_the_hosts_address_in_a_network_is_known_without_being_told(
    configured: list[dict[str, str]], gateway: str | None
) -> None:
    assert engine.gateway_of(configured) == gateway
