"""The Docker engine as the runbook needs it: containers by stack and part, their logs, commands inside them.

The sole importer of the Docker SDK, and only when a verb connects: the other verbs run without it.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any, Protocol

from runbook.errors import EnvironmentMissing
from runbook.volumes import data_volumes

if TYPE_CHECKING:
    import docker

STACK_LABEL = "amas.stack"
PART_LABEL = "amas.part"
BURST_LABEL = "amas.burst"
BEGIN_WITH = "./scripts/up"
# What runs once asks a package source at most.
ONCE_WITHIN_S = 300
JOB_S = 300
CONFLICT = 409


@dataclass(frozen=True)
class Container:
    """One container of a stack, as the engine saw it when asked."""

    id: str
    name: str
    part: str
    image: str
    state: str
    health: str | None
    exit_code: int
    restarts: int
    restart_policy: str
    started_at: datetime | None
    address: str | None
    ports: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    # Made by the agent: pulumi does not know it.
    burst: bool = False

    @property
    def is_job(self) -> bool:
        """Runs once and ends: a migration, a loader of files."""
        return self.restart_policy in {"", "no"}


@dataclass(frozen=True)
class Inspected:
    """What somebody may have changed about a container; what comes from its image is left out.

    `networks`: aliases by network; `volumes`: names by path.
    """

    id: str
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LogLine:
    """One line, with the engine's own stamp (RFC 3339, nanoseconds), which sorts as text."""

    stamp: str
    container: str
    text: str


@dataclass(frozen=True)
class Leftovers:
    """Names of everything in the engine that carries a stack's label."""

    containers: tuple[str, ...]
    networks: tuple[str, ...]
    volumes: tuple[str, ...]


class Engine(Protocol):
    """The seam: the real engine, or a twin in the tests."""

    def containers(self, stack: str, part: str | None = None) -> list[Container]: ...
    def inspected(self, stack: str) -> list[Inspected]: ...
    def log_lines(
        self, container: Container, *, since: datetime | None, tail: int | None
    ) -> list[LogLine]: ...
    def follow_log(self, container: Container, since: datetime) -> Iterator[LogLine]: ...
    def run_inside(self, container: Container, command: Sequence[str]) -> tuple[int, str]: ...
    def run_again(self, container: Container) -> int: ...
    def start(self, container: Container) -> None: ...
    def stop(self, container: Container, grace_s: int) -> None: ...
    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None: ...
    def volume_sizes(self, stack: str) -> dict[str, int]: ...
    def leftovers(self, stack: str) -> Leftovers: ...
    def remove_volumes(self, names: Sequence[str]) -> None: ...
    def remove_container(self, container: Container, grace_s: int) -> None: ...
    def run_once(
        self, image_id: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> tuple[int, str]: ...
    def stop_container(self, container: Container, grace_s: int) -> None: ...
    def start_container(self, container: Container) -> None: ...
    def network_ids(self, stack: str) -> tuple[str, ...]: ...
    def remove_networks(self, ids: Sequence[str]) -> None: ...
    def disk_root(self) -> str: ...
    def gateway(self, network: str) -> str | None: ...
    def missing_images(self, ids: Sequence[str]) -> list[str]: ...
    def image_ids(self) -> dict[str, str]: ...


def connect() -> Engine:
    try:
        import docker  # noqa: PLC0415 - host only: absent from the runbook image
    except ModuleNotFoundError:
        raise EnvironmentMissing("this verb runs on the host: there is no Docker SDK here") from None
    try:
        client = docker.from_env(timeout=60)
        client.ping()
    except (docker.errors.DockerException, OSError) as reason:
        raise EnvironmentMissing(f"the Docker engine does not answer: {reason}", BEGIN_WITH) from None
    return DockerEngine(client)


def require_part(engine: Engine, stack: str, part: str) -> Container:
    """A running container of the part; the environment is missing when there is none."""
    found = [container for container in engine.containers(stack, part) if container.state == "running"]
    if not found:
        raise EnvironmentMissing(f"no container of part `{part}` runs in stack `{stack}`", "amas status")
    return found[0]


class DockerEngine:
    """The engine behind DOCKER_HOST or the local socket."""

    def __init__(self, client: "docker.DockerClient") -> None:
        self._client = client

    def containers(self, stack: str, part: str | None = None) -> list[Container]:
        found = self._client.containers.list(
            all=True, filters={"label": _labels(stack, part)}, ignore_removed=True
        )
        return sorted((container_facts(one.attrs) for one in found), key=lambda one: (one.part, one.name))

    def inspected(self, stack: str) -> list[Inspected]:
        found = self._client.containers.list(
            all=True, filters={"label": _labels(stack, None)}, ignore_removed=True
        )
        held = {one.attrs["Image"] for one in found}
        images = {one: self._client.images.get(one).attrs["Config"] for one in held}
        return [inspected_facts(one.attrs, images[one.attrs["Image"]]) for one in found]

    def log_lines(self, container: Container, *, since: datetime | None, tail: int | None) -> list[LogLine]:
        raw: bytes = self._client.api.logs(
            container.id, timestamps=True, since=_epoch(since), tail="all" if tail is None else tail
        )
        return [log_line(container, line) for line in raw.decode(errors="replace").splitlines() if line]

    def follow_log(self, container: Container, since: datetime) -> Iterator[LogLine]:
        chunks = self._client.api.logs(
            container.id, timestamps=True, stream=True, follow=True, since=_epoch(since)
        )
        pending = b""
        for chunk in chunks:
            *whole, pending = (pending + chunk).split(b"\n")
            yield from (log_line(container, line.decode(errors="replace")) for line in whole if line)

    def run_inside(self, container: Container, command: Sequence[str]) -> tuple[int, str]:
        created = self._client.api.exec_create(container.id, list(command))
        output: bytes = self._client.api.exec_start(created["Id"])
        exit_code: int = self._client.api.exec_inspect(created["Id"])["ExitCode"]
        return exit_code, output.decode(errors="replace")

    def run_again(self, container: Container) -> int:
        """A job that has ended, from its start to its end; returns the exit code."""
        one = self._client.containers.get(container.id)
        one.start()
        return int(one.wait(timeout=JOB_S)["StatusCode"])

    def start(self, container: Container) -> None:
        self._client.containers.get(container.id).start()

    def stop(self, container: Container, grace_s: int) -> None:
        """It stays stopped until it is started, whatever its restart policy."""
        self._client.containers.get(container.id).stop(timeout=grace_s)

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """An existing one is left as it is."""
        self._client.volumes.create(name, labels=dict(labels))

    def volume_sizes(self, stack: str) -> dict[str, int]:
        mine = {volume.name for volume in self._volumes(stack)}
        listed = self._client.df().get("Volumes") or []
        return {one["Name"]: max(0, one["UsageData"]["Size"]) for one in listed if one["Name"] in mine}

    def leftovers(self, stack: str) -> Leftovers:
        return Leftovers(
            containers=tuple(container.name for container in self.containers(stack)),
            networks=tuple(
                sorted(str(one.name) for one in self._client.networks.list(filters=_filter(stack)))
            ),
            volumes=tuple(sorted(str(one.name) for one in self._volumes(stack))),
        )

    def remove_volumes(self, names: Sequence[str]) -> None:
        for name in names:
            self._client.volumes.get(name).remove()

    def remove_container(self, container: Container, grace_s: int) -> None:
        """Stopped first, so that it may drain; one that has gone meanwhile is as good."""
        with _gone_is_as_good():
            one = self._client.containers.get(container.id)
            one.stop(timeout=grace_s)
            one.remove(force=True)

    def run_once(
        self, image_id: str, command: Sequence[str], environment: Mapping[str, str]
    ) -> tuple[int, str]:
        """In a container of its own, as root and with a way out, which is gone afterwards."""
        one = self._client.containers.create(
            image_id, list(command), user="0:0", environment=dict(environment), entrypoint=[]
        )
        try:
            one.start()
            exit_code = int(one.wait(timeout=ONCE_WITHIN_S)["StatusCode"])
            return exit_code, one.logs().decode(errors="replace")
        finally:
            one.remove(force=True)

    def stop_container(self, container: Container, grace_s: int) -> None:
        """It stays stopped, whatever its restart policy, until it is started or the engine is."""
        self._client.api.stop(container.id, timeout=grace_s)

    def start_container(self, container: Container) -> None:
        self._client.api.start(container.id)

    def network_ids(self, stack: str) -> tuple[str, ...]:
        return tuple(sorted(str(one.id) for one in self._client.networks.list(filters=_filter(stack))))

    def remove_networks(self, ids: Sequence[str]) -> None:
        for one in ids:
            self._client.networks.get(one).remove()

    def gateway(self, network: str) -> str | None:
        """The host's own address in a network, by the network's name; None where there is no such network."""
        found = [one for one in self._client.networks.list(names=[network]) if one.name == network]
        return gateway_of(found[0].attrs["IPAM"]["Config"] or []) if found else None

    def disk_root(self) -> str:
        """The folder of images, volumes and logs on the engine's host."""
        return str(self._client.info()["DockerRootDir"])

    def missing_images(self, ids: Sequence[str]) -> list[str]:
        held = {one["Id"] for one in self._client.api.images(all=True)}
        return [one for one in ids if one not in held]

    def image_ids(self) -> dict[str, str]:
        """By tag."""
        return {tag: str(one.id) for one in self._client.images.list() for tag in one.tags}

    def _volumes(self, stack: str) -> list[Any]:
        """By label; by name too what holds data: removed by hand, it is made again without a label."""
        named = data_volumes(stack)
        found = [
            *self._client.volumes.list(filters=_filter(stack)),
            *(one for one in self._client.volumes.list() if one.name in named),
        ]
        return list({one.name: one for one in found}.values())


def pass_through(container: Container, command: Sequence[str]) -> int:
    """Runs a command inside with our own stdin, stdout and stderr, and a terminal when we have one."""
    return subprocess.run(exec_command(container, command, terminal=has_terminal()), check=False).returncode


def exec_command(container: Container, command: Sequence[str], *, terminal: bool) -> list[str]:
    return [
        docker_client(),
        "exec",
        "--interactive",
        *(["--tty"] if terminal else []),
        container.id,
        *command,
    ]


def docker_client() -> str:
    client = shutil.which("docker")
    if not client:
        raise EnvironmentMissing("the docker command is not on PATH", "apt-get install docker-cli")
    return client


def has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def container_facts(attributes: dict[str, Any]) -> Container:
    """The engine's inspect answer, reduced."""
    state, config = attributes["State"], attributes["Config"]
    networks = attributes["NetworkSettings"]["Networks"] or {}
    addresses = [network["IPAddress"] for network in networks.values() if network.get("IPAddress")]
    return Container(
        id=attributes["Id"],
        name=attributes["Name"].lstrip("/"),
        part=config["Labels"].get(PART_LABEL, "?"),
        image=config["Image"],
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status"),
        exit_code=state["ExitCode"],
        restarts=attributes.get("RestartCount", 0),
        restart_policy=attributes["HostConfig"]["RestartPolicy"]["Name"],
        started_at=engine_time(state["StartedAt"]),
        address=addresses[0] if addresses else None,
        ports=published(attributes["NetworkSettings"].get("Ports") or {}),
        networks=tuple(sorted(networks)),
        volumes=tuple(sorted(one["Name"] for one in attributes.get("Mounts") or [] if one.get("Name"))),
        burst=BURST_LABEL in config["Labels"],
    )


def inspected_facts(attributes: Mapping[str, Any], image: Mapping[str, Any]) -> Inspected:
    """The engine's inspect answers of a container and its image, reduced."""
    config = attributes["Config"]
    given = [one for one in config["Env"] or [] if one not in (image.get("Env") or [])]
    of_image = image.get("Labels") or {}
    networks = attributes["NetworkSettings"]["Networks"] or {}
    return Inspected(
        id=attributes["Id"],
        name=attributes["Name"].lstrip("/"),
        environment={name: value for name, _, value in (one.partition("=") for one in given)},
        labels={name: value for name, value in config["Labels"].items() if of_image.get(name) != value},
        networks={name: tuple(one.get("Aliases") or ()) for name, one in networks.items() if name != "none"},
        volumes={
            one["Destination"]: one.get("Name") or one["Source"]
            for one in attributes.get("Mounts") or []
            if one.get("Type") in {"volume", "bind"}
        },
    )


def gateway_of(configured: Sequence[Mapping[str, str]]) -> str | None:
    """Of the IPv4 part; an engine that does not tell it has taken the first address."""
    for one in configured:
        subnet = ip_network(one["Subnet"])
        if subnet.version == 4:
            return one.get("Gateway") or str(subnet[1])
    return None


def published(ports: dict[str, list[dict[str, str]] | None]) -> tuple[str, ...]:
    """By the container's ports, in their order."""
    return tuple(
        f"{bound['HostIp']}:{bound['HostPort']}"
        for _, bindings in sorted(ports.items())
        for bound in bindings or []
    )


def engine_time(stamp: str) -> datetime | None:
    """The engine writes nanoseconds, and year 1 for never."""
    if stamp.startswith("0001"):
        return None
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")


def log_line(container: Container, line: str) -> LogLine:
    stamp, _, text = line.partition(" ")
    return LogLine(stamp, container.name, text)


def _labels(stack: str, part: str | None) -> list[str]:
    return [f"{STACK_LABEL}={stack}", *([f"{PART_LABEL}={part}"] if part else [])]


def _filter(stack: str) -> dict[str, str]:
    return {"label": f"{STACK_LABEL}={stack}"}


@contextlib.contextmanager
def _gone_is_as_good() -> Iterator[None]:
    """Also one that somebody else, such as the agent, is just removing."""
    import docker  # noqa: PLC0415 - host only: absent from the runbook image

    try:
        yield
    except docker.errors.NotFound:
        pass
    except docker.errors.APIError as error:
        if error.status_code != CONFLICT or "already in progress" not in str(error):
            raise


def _epoch(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
