"""Real stores for these tests: containers of our own images, under names of their own, always removed."""

import contextlib
import hashlib
import io
import json
import os
import secrets
import socket
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import docker
import psycopg
import pytest
import redis
from docker.errors import DockerException
from docker.models.containers import Container
from docker.types import Mount

from runbook import places
from service import migrate

READY_WITHIN_S = 90.0
ROLES = ("owner", "app", "reader", "monitor", "jobs", "backup")
# The service's login is a member of amas_app, not amas_app itself.
APP_ROLE = "amas_app_0a1b2c3d"

# Every table of ours as its migration left it: one row in the book of alerts, none anywhere else.
EMPTY = """
DO $$ BEGIN
    EXECUTE (
        SELECT 'TRUNCATE ' || string_agg(format('%I.%I', schemaname, tablename), ', ')
        FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'
    );
    INSERT INTO alert_book (revision, book) VALUES (0, '{}');
END $$
"""


@dataclass(frozen=True)
class Kind:
    """An image of ours, the user its files belong to, and the port it serves."""

    image: str
    uid: int
    port: int


DB = Kind("db", 10001, 5432)
REDIS = Kind("redis", 10002, 6379)


@dataclass
class Part:
    """One container with a port, by default of the loopback, that stays the same over its restarts."""

    container: Container
    port: int
    password: dict[str, str]
    host: str = "127.0.0.1"

    def kill(self) -> None:
        self.container.kill("SIGKILL")
        self.container.wait()

    def start(self) -> None:
        self.container.start()


@dataclass
class Database(Part):
    """The db part, and one database in it."""

    name: str = "danci"

    def url(self, role: str) -> str:
        login = APP_ROLE if role == "app" else f"amas_{role}"
        return f"postgresql://{login}:{self.password[role]}@{self.host}:{self.port}/{self.name}"

    def rows(self, statement: str, role: str = "owner") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(role), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def superuser(self, *statements: str) -> str:
        """As the server's own user, over the socket inside the container."""
        arguments = [word for one in statements for word in ("-c", one)]
        code, output = self.container.exec_run(
            ["psql", "-X", "-q", "-U", "postgres", "-d", self.name, *arguments]
        )
        assert isinstance(output, bytes)
        assert code == 0, output.decode()
        return output.decode()

    @contextlib.contextmanager
    def waiting_for_a_standby(self) -> Iterator[None]:
        """Commits wait for one that never comes."""
        self.superuser("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
        try:
            yield
        finally:
            self.superuser(
                "SET synchronous_commit = local",
                "ALTER SYSTEM RESET synchronous_standby_names",
                "SELECT pg_reload_conf()",
            )

    def await_ready(self) -> None:
        _until(lambda: self.rows("SELECT 1"), psycopg.Error)


@dataclass
class Cache(Part):
    """The redis image, as a cache or as the queue."""

    @property
    def url(self) -> str:
        return f"redis://:{self.password['default']}@{self.host}:{self.port}/0"

    def await_ready(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            _until(client.ping, redis.RedisError)


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        pytest.fail(f"no Docker engine answers ({error}); next: start it")
    with contextlib.closing(client):
        yield client


@pytest.fixture(scope="session")
def network(engine: docker.DockerClient) -> Iterator[str]:
    """One of our own: nothing here depends on what others do to the default bridge."""
    name = f"amas-test-{os.getpid()}-{secrets.token_hex(3)}"
    made = engine.networks.create(name, driver="bridge", labels={"amas.test": name})
    yield name
    made.remove()


@pytest.fixture(scope="session")
def bare_database(engine: docker.DockerClient, network: str) -> Iterator[Database]:
    """A server without our schema."""
    password = {role: secrets.token_urlsafe(12) for role in ROLES}
    files = {f"{role}_password": text for role, text in password.items()} | {"app_role": APP_ROLE}
    with running(engine, network, DB, files, data="/var/lib/amas/db") as (container, port):
        database = Database(container, port, password)
        code, output = container.exec_run(["amas-db-roles"])
        assert code == 0, output
        database.await_ready()
        yield database


@pytest.fixture(scope="session")
def migrated(bare_database: Database) -> Database:
    migrate.migrate(bare_database.url("owner"), migrate.files(migrate.MIGRATIONS), lambda _: None)
    return bare_database


@pytest.fixture
def database(migrated: Database) -> Iterator[Database]:
    """With our schema and without rows."""
    migrated.await_ready()
    migrated.rows(EMPTY)
    yield migrated
    migrated.container.reload()
    if migrated.container.status != "running":
        migrated.start()
    migrated.await_ready()


@pytest.fixture(scope="session")
def running_cache(engine: docker.DockerClient, network: str) -> Iterator[Cache]:
    with running_redis(engine, network, "cache") as cache:
        yield cache


@pytest.fixture(scope="session")
def running_queue(engine: docker.DockerClient, network: str) -> Iterator[Cache]:
    with running_redis(engine, network, "queue") as queue:
        yield queue


@contextlib.contextmanager
def running_redis(engine: docker.DockerClient, network: str, role: str, disk_mb: int = 0) -> Iterator[Cache]:
    """With `disk_mb` its data lies on a disk of that size."""
    password = {"default": secrets.token_urlsafe(12)}
    users = (
        f"user default on #{hashlib.sha256(password['default'].encode()).hexdigest()} ~* &* +@all\n"
        "user health on nopass resetkeys ~health:* -@all +ping +set\n"
    )
    environment = {"AMAS_MAXMEMORY_MB": "32"}
    with running(
        engine,
        network,
        REDIS,
        {"users.acl": users},
        command=["amas-redis", role],
        environment=environment,
        data="/var/lib/amas/queue" if role == "queue" else None,
        disk={"type": "tmpfs", "device": "tmpfs", "o": f"size={disk_mb}m,uid={REDIS.uid}"}
        if disk_mb
        else None,
    ) as (container, port):
        cache = Cache(container, port, password)
        cache.await_ready()
        yield cache


@pytest.fixture
def cache(running_cache: Cache) -> Iterator[Cache]:
    yield from emptied(running_cache)


@pytest.fixture
def queue(running_queue: Cache) -> Iterator[Cache]:
    yield from emptied(running_queue)


def emptied(part: Cache) -> Iterator[Cache]:
    part.await_ready()
    with redis.Redis.from_url(part.url) as client:
        client.flushall()
    yield part
    part.container.reload()
    if part.container.status != "running":
        part.start()
    part.await_ready()


@contextlib.contextmanager
def running(
    engine: docker.DockerClient,
    network: str,
    kind: Kind,
    files: dict[str, str],
    *,
    command: list[str] | None = None,
    environment: dict[str, str] | None = None,
    data: str | None = None,
    disk: dict[str, str] | None = None,
) -> Iterator[tuple[Container, int]]:
    """A container as infra runs it: read-only root, no capabilities, secrets in a volume of its own."""
    name = f"amas-test-{os.getpid()}-{kind.image}-{secrets.token_hex(3)}"
    label = {"amas.test": name}
    tag, published, owned = image_of(engine, kind.image), _free_port(), f"uid={kind.uid},gid={kind.uid}"
    with contextlib.ExitStack() as made:
        mounts = []
        for target in ["/secrets", *([data] if data else [])]:
            options = disk if target == data else None
            volume = engine.volumes.create(
                f"{name}{target.replace('/', '-')}", labels=label, driver_opts=options
            )
            made.callback(volume.remove, force=True)
            mounts.append(Mount(target, volume.name, read_only=target == "/secrets"))
        _load(engine, tag, f"{name}-secrets", kind.uid, files)
        container = engine.containers.create(
            tag,
            command,
            name=name,
            init=True,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            tmpfs={"/tmp": "noexec,nosuid,size=64m", "/run": f"noexec,nosuid,size=16m,{owned}"},
            shm_size="128m",
            environment=environment or {},
            mounts=mounts,
            network=network,
            ports={f"{kind.port}/tcp": ("127.0.0.1", published)},
            labels=label,
        )
        made.callback(container.remove, force=True)
        container.start()
        yield container, published


def image_of(engine: docker.DockerClient, name: str) -> str:
    """The image of the lock, else the newest of that name."""
    if places.image_lock().exists():
        locked = json.loads(places.image_lock().read_text()).get(name)
        if locked:
            return str(locked["id"])
    found = sorted(engine.images.list(f"amas/{name}"), key=lambda one: str(one.attrs["Created"]))
    if not found:
        pytest.fail(f"no image amas/{name} here; next: build the images")
    return str(found[-1].id)


def _load(engine: docker.DockerClient, image: str, volume: str, uid: int, files: dict[str, str]) -> None:
    """Put secrets into a volume by a container that never runs."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid, member.gid = len(text.encode()), 0o400, uid, uid
            tar.addfile(member, io.BytesIO(text.encode()))
    loader = engine.containers.create(image, mounts=[Mount("/secrets", volume)])
    try:
        loader.put_archive("/secrets", archive.getvalue())
    finally:
        loader.remove(force=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until(works: Callable[[], object], errors: type[Exception]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            works()
        except errors:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
