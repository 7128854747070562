import os
import re
import socket
from pathlib import Path

import pytest

from runbook.errors import EnvironmentMissing, UsageError
from runbook.stack import Setting, Stack
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container
from runbook.up import preflight
from runbook.up.budget import SLOT_WAL_BYTES, WAL_BYTES, Item, budget, image_sizes, total
from runbook.up.ports import holder_of, is_free
from runbook.up.preflight import (
    given,
    on_this_host,
    refuse_bad_configuration,
    refuse_bad_settings,
    refuse_taken_ports,
    require_disk,
)

DEFAULTS = refuse_bad_configuration({})
GB = 1_000_000_000


def test_every_problem_of_the_configuration_is_told_at_once() -> None:
    with pytest.raises(UsageError) as raised:
        refuse_bad_configuration({"replicas": "99", "logLevel": "loud", "replicaz": "1"})
    first, *rest = raised.value.message.splitlines()
    assert first == "3 settings are not allowed; nothing was changed"
    assert [line.split()[0] for line in rest] == ["amas:replicas", "amas:logLevel", "amas:replicaz:"]


def test_settings_are_first_judged_one_by_one() -> None:
    """Together with what the stack has set already they may well be fine."""
    refuse_bad_settings(["dbMaxConnections=50"])
    with pytest.raises(UsageError, match="1 setting is not allowed"):
        refuse_bad_settings(["amas:replicas=none"])
    with pytest.raises(UsageError, match="at least 90"):
        refuse_bad_configuration({"dbMaxConnections": "50"})


@pytest.mark.parametrize("key", ["keyAdmin", "keyAdminPrevious", "alertWebhookUrl", "amas:heartbeatUrl"])
def test_no_secret_is_taken_from_the_command_line(key: str) -> None:
    with pytest.raises(UsageError, match="never given on the command line") as raised:
        refuse_bad_settings([f"{key}=hunter2"])
    assert "hunter2" not in str(raised.value)
    assert raised.value.next_command == f"pulumi config set --secret {key}"


def test_the_budget_knows_the_write_ahead_log_of_the_image() -> None:
    configured = (Path(__file__).parents[4] / "images/db/postgresql.conf").read_text()
    (gigabytes,) = re.findall(r"^max_wal_size = (\d+)GB$", configured, re.MULTILINE)
    assert int(gigabytes) << 30 == WAL_BYTES
    (kept,) = re.findall(r"^max_slot_wal_keep_size = (\d+)GB", configured, re.MULTILINE)
    assert int(kept) << 30 == SLOT_WAL_BYTES


def test_settings_of_other_namespaces_are_not_judged() -> None:
    assert given(["docker:host=unix:///x", "amas:replicas=3", "logLevel=info"]) == {
        "replicas": "3",
        "logLevel": "info",
    }


def test_all_taken_ports_are_named_with_their_holders() -> None:
    with pytest.raises(EnvironmentMissing) as raised:
        refuse_taken_ports(DEFAULTS, [], lambda _ip, _port: False, lambda port: f"nginx (process {port})")
    assert raised.value.message.splitlines() == [
        "port 3000 (httpPort) is taken by nginx (process 3000)",
        "port 9090 (prometheusPort) is taken by nginx (process 9090)",
    ]
    assert raised.value.next_command == "end it, or: amas up --config httpPort=3001"


def test_a_port_that_is_ours_already_is_not_taken() -> None:
    ours = [container("lb", ports=("127.0.0.1:3000",)), container("prometheus", ports=("127.0.0.1:9090",))]
    refuse_taken_ports(DEFAULTS, ours, lambda _ip, _port: False)


def test_the_holder_of_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        assert f"(process {os.getpid()})" in (holder_of(port) or "")
    assert is_free("127.0.0.1", port)
    assert holder_of(port) is None


def test_a_containers_port_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    row = "0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 777 1"
    (tmp_path / "net" / "tcp").write_text(f"heading\n{row}\n")
    (tmp_path / "12" / "fd").mkdir(parents=True)
    (tmp_path / "12" / "fd" / "4").symlink_to("socket:[777]")
    (tmp_path / "12" / "comm").write_text("docker-proxy\n")
    assert holder_of(3000, tmp_path) == (
        "docker-proxy (process 12): a container, see docker ps --filter publish=3000"
    )


def test_the_budget_grows_with_the_configuration() -> None:
    usual = {item.what: item.most_bytes for item in budget(DEFAULTS, [1])}
    more = budget({**DEFAULTS, "prometheusRetentionMb": 2024, "logMaxFiles": 4, "queueMemoryMb": 1024}, [1])
    grown = {item.what for item in more if item.most_bytes > usual[item.what]}
    assert grown == {"Prometheus", "container logs", "spool of the queue"}
    assert total(budget(DEFAULTS, [])) > total(budget(DEFAULTS, [1]))


def test_without_backups_the_budget_holds_none_of_them() -> None:
    backups = {item.what for item in budget(DEFAULTS, [1])} - {
        item.what for item in budget({**DEFAULTS, "backups": False}, [1]) if item.most_bytes
    }
    assert backups == {
        "images, to be built",
        "log kept for a backup that is away",
        "backups of these",
        "a restore for proof",
        "the copy off site, where it is on this host",
    }


def test_images_that_stand_are_read_from_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "images.json"
    assert image_sizes(lock) == []
    lock.write_text('{"db": {"size_bytes": 5}, "lb": {"size_bytes": 7}}')
    assert image_sizes(lock) == [5, 7]


def disk(free_bytes: int, volumes: dict[str, int]) -> None:
    items = [Item("wal", 3 * GB), Item("Prometheus", 2 * GB)]
    require_disk(
        items,
        "/data",
        MemoryEngine(volumes=volumes),
        "local",
        Progress(),
        free_bytes=lambda _root: free_bytes,
    )


def test_the_budget_is_shown_when_the_disk_is_large_enough(capsys: pytest.CaptureFixture[str]) -> None:
    disk(6 * GB, {})
    told = capsys.readouterr().err
    assert "disk: at most 5.0 GB to come, 6.0 GB free under /data" in told
    assert "3.0 GB  wal" in told


def test_too_little_disk_is_refused_with_the_budget() -> None:
    with pytest.raises(EnvironmentMissing) as raised:
        disk(3 * GB, {"amas-local-db": GB // 2})
    assert raised.value.message.splitlines() == [
        "too little disk under /data: 3.0 GB free, 1.5 GB more needed",
        "     3.0 GB  wal",
        "     2.0 GB  Prometheus",
    ]
    assert raised.value.next_command == "free some: docker system df; df -h /data"


def test_what_the_volumes_hold_already_is_not_needed_again() -> None:
    disk(3 * GB, {"amas-local-db": 2 * GB})


@pytest.mark.parametrize(
    ("docker_host", "here"), [("", True), ("unix:///run/docker.sock", True), ("ssh://there", False)]
)
def test_an_engine_elsewhere_is_told_apart(docker_host: str, here: bool) -> None:
    assert on_this_host(docker_host) is here


def test_ports_and_disk_of_another_host_are_not_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://there:2376")
    monkeypatch.setattr(Stack, "config", lambda _stack: {"replicas": Setting("3", secret=False)})
    preflight.preflight(Stack("local"), [], MemoryEngine(), Progress())
    assert "another host" in capsys.readouterr().err
