"""What every contender stands on: one database, one cache, one queue, in containers of our images."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.models.containers import Container

from loadtests import generator
from service import migrate
from tests.integration.service.conftest import (
    APP_ROLE,
    DB,
    ROLES,
    Cache,
    Database,
    running,
    running_redis,
)
from tests.integration.service.standing import KEYS


@dataclass(frozen=True)
class Ground:
    database: Database
    cache: Cache
    queue: Cache

    def environment(self, **changed: str) -> dict[str, str]:
        ours = {
            "DATABASE_URL": self.database.url("app"),
            "REDIS_URL": self.cache.url,
            "QUEUE_URL": self.queue.url,
            "API_KEYS": KEYS,
        }
        return {**os.environ, **ours, **changed}

    def emptied(self) -> None:
        self.database.rows("TRUNCATE decision_keys, decision_insights")
        # So that nobody pays for the rows of the contender before.
        self.database.rows("CHECKPOINT", role="owner")


@contextlib.contextmanager
def ground(of: str = "") -> Iterator[Ground]:
    """The stores by their own addresses: a port of the loopback goes through a proxy process."""
    name = f"amas-bench-{os.getpid()}{of and f'-{of}'}"
    password = {role: secrets.token_urlsafe(12) for role in ROLES}
    files = {f"{role}_password": text for role, text in password.items()} | {"app_role": APP_ROLE}
    with contextlib.ExitStack() as made:
        engine = made.enter_context(contextlib.closing(docker.from_env()))
        network = engine.networks.create(name, driver="bridge")
        made.callback(network.remove)
        container, _ = made.enter_context(running(engine, name, DB, files, data="/var/lib/amas/db"))
        database = Database(container, DB.port, password, host=address(container, name))
        until_roles(container)
        database.await_ready()
        database.superuser("GRANT pg_checkpoint TO amas_owner")
        migrate.migrate(database.url("owner"), migrate.files(migrate.MIGRATIONS), lambda _: None)
        cache = made.enter_context(running_redis(engine, name, "cache"))
        queue = made.enter_context(running_redis(engine, name, "queue"))
        yield Ground(database, cache, queue)


def until_roles(container: Container) -> None:
    deadline = time.monotonic() + 60
    while True:
        code, output = container.exec_run(["amas-db-roles"])
        if code == 0:
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: {output!r}")
        time.sleep(0.2)


def address(container: Container, network: str) -> str:
    container.reload()
    return str(container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"])


def container_cpu_s(container: Container) -> float:
    """CPU seconds of all its processes so far, told at once: else the engine watches for a second."""
    stats: Any = container.stats(stream=False, one_shot=True)
    return float(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


@dataclass(frozen=True)
class Served:
    """A server process of a contender."""

    url: str
    process_id: int

    def cpu_s(self) -> float:
        return generator.used_s(self.process_id)

    def rss_mb(self) -> float:
        pages = int(Path(f"/proc/{self.process_id}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def served(module: Sequence[str], environment: dict[str, str]) -> Iterator[Served]:
    """`python -m MODULE… PORT`, once it answers /health."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", *module, str(port)], env=environment, stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{url}/health")
                break
            if time.monotonic() > deadline or server.poll() is not None:
                raise SystemExit(f"bench: {' '.join(module)} did not start")
            time.sleep(0.1)
        yield Served(url, server.pid)
    finally:
        server.terminate()
        server.wait()
