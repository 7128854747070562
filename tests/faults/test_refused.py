"""What `up` refuses before it changes anything: the reason and the next command stand in the answer."""

import socket

import pytest

from tests.faults.conftest import Stack


def test_a_taken_port_is_named_with_its_holder(stack: Stack) -> None:
    before = stack.containers()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = stack.up("--config", f"httpPort={port}")
    assert done.returncode == 3
    assert f"port {port} (httpPort) is taken by " in done.stderr
    assert "(process " in done.stderr
    assert f"next: end it, or: amas up --config httpPort={port + 1}" in done.stderr
    assert stack.containers() == before
    assert stack.pulumi("config", "get", "amas:httpPort").stdout.strip() == str(stack.http_port)


def test_a_port_of_another_stack_is_named_as_a_containers(stack: Stack) -> None:
    """Prometheus and the load balancer of the same stack may not take each other's port either."""
    done = stack.up("--config", f"httpPort={stack.prometheus_port}")
    assert done.returncode == 2
    assert "already taken by amas:httpPort" in done.stderr


def test_all_bad_settings_are_listed_together_and_none_is_kept(stack: Stack) -> None:
    bad = ["replicas=99", "logLevel=loud", "dbMemoryMb=much", "replicaz=3"]
    done = stack.up(*(word for setting in bad for word in ("--config", setting)))
    assert done.returncode == 2
    for words in (
        "4 settings are not allowed",
        "amas:replicas = 99",
        "amas:logLevel = loud",
        "amas:replicaz",
    ):
        assert words in done.stderr
    assert stack.pulumi("config", "get", "amas:logLevel").stdout.strip() == "info"


def test_settings_that_contradict_what_is_set_already_are_refused(stack: Stack) -> None:
    done = stack.up("--config", "dbMaxConnections=30")
    assert done.returncode == 2
    assert "must be at least 90 for a roll of 2 replicas" in done.stderr


def test_a_wrong_passphrase_names_its_file(stack: Stack) -> None:
    file = stack.state_dir / "passphrase"
    right = file.read_text()
    file.write_text("wrong")
    try:
        done = stack.up()
    finally:
        file.write_text(right)
    assert done.returncode == 3
    assert f"{file} does not open the secrets of stack `{stack.name}`" in done.stderr
    assert "put back the passphrase file" in done.stderr


@pytest.mark.parametrize("key", ["dbOwnerPassword", "keyIngest", "amas:keyAdminPrevious", "alertWebhookUrl"])
def test_a_secret_on_the_command_line_is_refused(stack: Stack, key: str) -> None:
    done = stack.up("--config", f"{key}=hunter2")
    assert done.returncode == 2
    assert "hunter2" not in done.stderr
