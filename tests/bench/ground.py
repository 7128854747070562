"""What every contender stands on: one database, one cache, one queue, in containers of our images."""

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
import httpx
from docker.models.containers import Container
from docker.types import Mount

from loadtests import generator
from service import migrate
from tests.integration.service.conftest import (
    APP_ROLE,
    DB,
    REDIS,
    ROLES,
    Cache,
    Database,
    image_of,
    running,
    running_redis,
)
from tests.integration.service.standing import KEYS

PLAIN = Path(__file__).with_name("plain.py")
PORT = 8000


@dataclass(frozen=True)
class Ground:
    engine: docker.DockerClient
    network: str
    database: Database
    cache: Cache
    queue: Cache

    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database.url("app"),
            "REDIS_URL": self.cache.url,
            "QUEUE_URL": self.queue.url,
            "API_KEYS": KEYS,
        }

    def emptied(self) -> None:
        self.database.rows("TRUNCATE decision_keys, decision_insights")
        # So that nobody pays for the rows of the contender before.
        self.database.rows("CHECKPOINT", role="owner")


@contextlib.contextmanager
def ground(of: str = "") -> Iterator[Ground]:
    """The stores by their own addresses, which are the same for a contender and for those who look on."""
    name = f"amas-bench-{os.getpid()}{of and f'-{of}'}"
    password = {role: secrets.token_urlsafe(12) for role in ROLES}
    files = {f"{role}_password": text for role, text in password.items()} | {"app_role": APP_ROLE}
    with contextlib.ExitStack() as made:
        engine = made.enter_context(contextlib.closing(docker.from_env()))
        network = engine.networks.create(name, driver="bridge")
        made.callback(network.remove)
        container, _ = made.enter_context(running(engine, name, DB, files, data="/var/lib/amas/db"))
        database = Database(container, DB.port, password, host=address(container, name))
        until(lambda: has_roles(container), container)
        database.await_ready()
        database.superuser("GRANT pg_checkpoint TO amas_owner")
        migrate.migrate(database.url("owner"), migrate.files(migrate.MIGRATIONS), lambda _: None)
        cache = made.enter_context(own_redis(engine, name, "cache"))
        queue = made.enter_context(own_redis(engine, name, "queue"))
        yield Ground(engine, name, database, cache, queue)


@contextlib.contextmanager
def own_redis(engine: docker.DockerClient, network: str, role: str) -> Iterator[Cache]:
    with running_redis(engine, network, role) as one:
        yield replace(one, host=address(one.container, network), port=REDIS.port)


def until(holds: Callable[[], bool], container: Container, within_s: float = 60.0) -> None:
    """Ends with the container's last lines when it has ended, or what is waited for does not come."""
    deadline = time.monotonic() + within_s
    while not holds():
        container.reload()
        if time.monotonic() > deadline or container.status != "running":
            raise SystemExit(f"bench: {container.name} is not ready: {container.logs(tail=20).decode()}")
        time.sleep(0.1)


def has_roles(container: Container) -> bool:
    return container.exec_run(["amas-db-roles"]).exit_code == 0


def answers(url: str) -> bool:
    try:
        httpx.get(f"{url}/health")
    except httpx.TransportError:
        return False
    return True


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
def served(ground: Ground, *module: str, **environment: str) -> Iterator[Served]:
    """`python -m MODULE…` in a container of the service's image, once it answers /health.

    So that the Python, the libraries and the network are those that ship, for every contender.
    """
    container = ground.engine.containers.create(
        image_of(ground.engine, "service"),
        ["python", "-m", *module],
        environment=ground.environment() | environment,
        network=ground.network,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        mounts=[Mount("/opt/amas/plain.py", str(PLAIN), type="bind", read_only=True)],
    )
    try:
        container.start()
        url = f"http://{address(container, ground.network)}:{PORT}"
        until(lambda: answers(url), container)
        yield Served(url, int(container.attrs["State"]["Pid"]))
    finally:
        container.remove(force=True)
