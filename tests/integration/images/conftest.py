"""Runs the images the way the stack does: read-only root, no capabilities, secrets in a volume."""

import io
import secrets
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import docker
import pytest
from docker.errors import DockerException
from docker.models.containers import Container
from docker.models.networks import Network

from runbook.errors import EnvironmentMissing
from runbook.terminal import Progress
from runbook.up.image_plan import Lock
from runbook.up.images import ensure_images
from runbook.up.toolchain import tools_bin


@dataclass(frozen=True)
class Answer:
    """What a command in a container returned."""

    exit_code: int
    text: str


@dataclass
class Lab:
    """Containers, volumes and networks of one test, under names nobody else has; all are removed after it."""

    engine: docker.DockerClient
    lock: Lock
    name: str = field(default_factory=lambda: f"amas-test-{secrets.token_hex(4)}")
    containers: list[Container] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)

    def run(
        self,
        image: str,
        command: Sequence[str] | None = None,
        *,
        volumes: Mapping[str, str] | None = None,
        memory_mb: int = 256,
        **options: Any,
    ) -> Container:
        container = self.engine.containers.create(
            self.lock[image]["id"],
            list(command) if command else None,
            name=f"{self.name}-{len(self.containers)}",
            volumes={name: bind(path) for name, path in (volumes or {}).items()},
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            tmpfs={"/tmp": "noexec,nosuid", "/run": "noexec,nosuid"},
            init=True,
            mem_limit=f"{memory_mb}m",
            memswap_limit=f"{memory_mb}m",
            **options,
        )
        self.containers.append(container)
        container.start()
        return container

    def volume(self, files: Mapping[str, bytes] | None = None, *, uid: int = 0) -> str:
        """A volume with files as the stack's loader leaves them: 0400, owned by the one who reads them."""
        name = f"{self.name}-v{len(self.volumes)}"
        self.engine.volumes.create(name)
        self.volumes.append(name)
        if files:
            self.put(name, files, uid=uid)
        return name

    def small_volume(self, size_mb: int, *, uid: int) -> str:
        """In memory, and full soon."""
        name = f"{self.name}-v{len(self.volumes)}"
        options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={size_mb}m,uid={uid},mode=0700"}
        self.engine.volumes.create(name, driver_opts=options)
        self.volumes.append(name)
        return name

    def put(self, volume: str, files: Mapping[str, bytes], *, uid: int) -> None:
        loader = self.engine.containers.create(
            self.lock["base"]["id"], "true", volumes={volume: {"bind": "/into", "mode": "rw"}}
        )
        try:
            loader.put_archive("/into", archive(files, uid))
        finally:
            loader.remove()

    def network(self) -> str:
        name = f"{self.name}-n{len(self.networks)}"
        self.networks.append(self.engine.networks.create(name))
        return name

    def alias(self, network: str, name: str) -> dict[str, Any]:
        """Options that put a container on a network under a DNS name."""
        endpoint = self.engine.api.create_endpoint_config(aliases=[name])
        return {"network": network, "networking_config": {network: endpoint}}

    def close(self) -> None:
        for container in self.containers:
            container.remove(force=True)
        for network in self.networks:
            network.remove()
        for volume in self.volumes:
            self.engine.volumes.get(volume).remove()


def bind(path: str) -> dict[str, str]:
    """`/path` or `/path:ro`; what is handed in is never written to."""
    path, _, mode = path.partition(":")
    return {"bind": path, "mode": mode or ("ro" if path in {"/secrets", "/config"} else "rw")}


def archive(files: Mapping[str, bytes], uid: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o400, uid, uid
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def ask(container: Container, *command: str, environment: Mapping[str, str] | None = None) -> Answer:
    exit_code, output = container.exec_run(list(command), environment=dict(environment or {}))
    assert isinstance(exit_code, int)
    assert isinstance(output, bytes)
    return Answer(exit_code, output.decode())


def log(container: Container) -> str:
    return container.logs().decode()


def ended(container: Container, timeout_s: int = 60) -> int:
    """The exit code, once there is one."""
    return int(container.wait(timeout=timeout_s)["StatusCode"])


def eventually(holds: Callable[[], bool], container: Container | None = None, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        if container is not None:
            container.reload()
            assert container.status in {"created", "running"}, log(container)
        assert time.monotonic() < deadline, log(container) if container else "it never held"
        time.sleep(0.1)


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    try:
        client = docker.from_env()
    except DockerException as reason:
        pytest.fail(f"no Docker engine answers: {reason}")
    with closing(client):
        yield client


@pytest.fixture(scope="session")
def lock() -> Lock:
    try:
        return ensure_images(Progress(), tools_bin())
    except EnvironmentMissing as reason:
        pytest.fail(reason.message)


@pytest.fixture
def lab(engine: docker.DockerClient, lock: Lock) -> Iterator[Lab]:
    yield from closed_after(Lab(engine, lock))


@pytest.fixture(scope="module")
def shared_lab(engine: docker.DockerClient, lock: Lock) -> Iterator[Lab]:
    """For tests that leave what they find as it is."""
    yield from closed_after(Lab(engine, lock))


def closed_after(lab: Lab) -> Iterator[Lab]:
    try:
        yield lab
    finally:
        lab.close()
