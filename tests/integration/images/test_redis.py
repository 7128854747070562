"""The Redis image: a cache that may forget, a queue that may not, and neither open to strangers."""

import hashlib
import re
import time
from typing import Any

import pytest
from docker.models.containers import Container

from tests.integration.images.conftest import Lab, ask, ended, eventually, log

UID = 10002
PASSWORD = "correct horse"
ACL = (
    f"user default on #{hashlib.sha256(PASSWORD.encode()).hexdigest()} ~* &* +@all\n"
    "user health on nopass resetkeys ~health:* -@all +ping +set\n"
).encode()


def start(
    lab: Lab, part: str, secret: str, volume: str | None = None, *, maxmemory_mb: str = "16", **options: Any
) -> Container:
    volumes = {secret: "/secrets"} | ({volume: "/var/lib/amas/queue"} if volume else {})
    environment = {"AMAS_MAXMEMORY_MB": maxmemory_mb}
    return lab.run("redis", ["amas-redis", part], volumes=volumes, environment=environment, **options)


def healthy(redis: Container) -> bool:
    return ask(redis, "amas-redis-health").exit_code == 0


def cli(redis: Container, *command: str, password: str = PASSWORD) -> str:
    connect = ["redis-cli", "--no-auth-warning", "-h", "127.0.0.1"]
    return ask(redis, *connect, *command, environment={"REDISCLI_AUTH": password}).text.strip()


def fill(redis: Container) -> None:
    """As full as it can be: less memory than the server itself takes."""
    assert cli(redis, "CONFIG", "SET", "maxmemory-clients", "0", "maxmemory", "100kb") == "OK"


@pytest.fixture
def secret(lab: Lab) -> str:
    return lab.volume({"users.acl": ACL}, uid=UID)


@pytest.fixture
def cache(lab: Lab, secret: str) -> Container:
    redis = start(lab, "cache", secret)
    eventually(lambda: healthy(redis), redis)
    return redis


@pytest.fixture
def volume(lab: Lab) -> str:
    return lab.volume()


@pytest.fixture
def queue(lab: Lab, secret: str, volume: str) -> Container:
    redis = start(lab, "queue", secret, volume)
    eventually(lambda: healthy(redis), redis)
    return redis


def test_cache_evicts_and_keeps_nothing(cache: Container) -> None:
    assert cli(cache, "CONFIG", "GET", "maxmemory-policy").split() == ["maxmemory-policy", "allkeys-lru"]
    assert cli(cache, "CONFIG", "GET", "maxmemory").split() == ["maxmemory", str(16 * 1024 * 1024)]
    assert cli(cache, "CONFIG", "GET", "appendonly").split() == ["appendonly", "no"]
    assert cli(cache, "CONFIG", "GET", "save").split() == ["save"]


def test_queue_syncs_every_write_and_evicts_nothing(queue: Container) -> None:
    assert cli(queue, "CONFIG", "GET", "maxmemory-policy").split() == ["maxmemory-policy", "noeviction"]
    assert cli(queue, "CONFIG", "GET", "appendonly").split() == ["appendonly", "yes"]
    assert cli(queue, "CONFIG", "GET", "appendfsync").split() == ["appendfsync", "always"]


def test_full_queue_refuses_new_entries_and_keeps_the_old(queue: Container) -> None:
    cli(queue, "XADD", "spool", "*", "first", "kept")
    fill(queue)
    assert "OOM command not allowed" in cli(queue, "XADD", "spool", "*", "second", "refused")
    assert cli(queue, "XLEN", "spool") == "1"


def test_wrong_password_and_none_are_refused(cache: Container) -> None:
    assert "WRONGPASS" in cli(cache, "PING", password="guess")
    assert "NOAUTH" in ask(cache, "redis-cli", "PING").text


def test_health_user_touches_only_its_own_keys(cache: Container) -> None:
    as_health = ["redis-cli", "--user", "health", "--pass", "any", "--no-auth-warning"]
    assert ask(cache, *as_health, "SET", "health:probe", "1", "EX", "60").text.strip() == "OK"
    for command in (
        ["SET", "decision_insight:1", "x"],
        ["GET", "health:probe"],
        ["FLUSHALL"],
        ["ACL", "LIST"],
    ):
        assert "NOPERM" in ask(cache, *as_health, *command).text


def test_health_fails_when_no_write_is_taken(queue: Container) -> None:
    fill(queue)
    answer = ask(queue, "amas-redis-health")
    assert answer.exit_code == 1
    assert "OOM" in answer.text


@pytest.mark.parametrize("part", ["cache", "queue"])
@pytest.mark.parametrize("files", [{}, {"users.acl": b""}])
def test_no_start_without_users(lab: Lab, part: str, files: dict[str, bytes]) -> None:
    redis = start(lab, part, lab.volume(files, uid=UID), lab.volume())
    assert ended(redis) == 1
    assert "/secrets/users.acl is missing, empty or unreadable for UID 10002" in log(redis)


def test_unknown_part_and_bad_memory_are_refused_by_name(lab: Lab, secret: str) -> None:
    redis = start(lab, "buffer", secret)
    assert ended(redis) == 1
    assert "part is 'buffer'; allowed: cache, queue" in log(redis)
    redis = start(lab, "cache", secret, maxmemory_mb="16mb")
    assert ended(redis) == 1
    assert "AMAS_MAXMEMORY_MB is '16mb'; allowed:" in log(redis)


def test_queue_keeps_every_acknowledged_entry_through_kill_9(lab: Lab, secret: str, volume: str) -> None:
    network = lab.network()
    queue = start(lab, "queue", secret, volume, **lab.alias(network, "queue"))
    eventually(lambda: healthy(queue), queue)
    entries = "i=0; while i=$((i+1)); do echo XADD spool '*' n $i; done"
    client = lab.run(
        "redis",
        ["sh", "-c", f"{entries} | redis-cli --no-auth-warning -h queue"],
        environment={"REDISCLI_AUTH": PASSWORD},
        network=network,
    )
    eventually(lambda: log(client).count("\n") > 3000, client)
    queue.kill("KILL")
    ended(queue)
    client.stop(timeout=1)
    acknowledged = re.findall(r"^(\d+-\d+)\n", log(client), re.MULTILINE)
    again = start(lab, "queue", secret, volume)
    eventually(lambda: healthy(again), again)
    kept = set(cli(again, "XRANGE", "spool", "-", "+").split())
    assert len(acknowledged) > 3000
    assert not [entry for entry in acknowledged if entry not in kept]


def test_second_queue_on_the_same_volume_waits_for_the_first(
    lab: Lab, queue: Container, secret: str, volume: str
) -> None:
    second = start(lab, "queue", secret, volume)
    time.sleep(1)
    assert not healthy(second)
    queue.kill("KILL")
    eventually(lambda: healthy(second), second)


def test_stop_ends_cleanly(queue: Container) -> None:
    cli(queue, "XADD", "spool", "*", "n", "1")
    queue.stop(timeout=20)
    assert ended(queue) == 0
