"""The one way a container comes into being: every limit and guard is set here, then the policy looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_docker as docker

from infra import policy
from infra.naming import Naming

# The provider has no pids limit. This one counts all processes of the part's user on the host, which
# stops a fork bomb as well; it is far above what every part of a few stacks needs together.
_PROCESSES = 4096
_SCRATCH = ("/run", "/tmp")  # noqa: S108  (a tmpfs of each container's own)
# 5.2.0 accepts edits to these as in-place updates and then does nothing; replacing is the truth.
_REPLACE_ON = ["healthcheck", "init", "tmpfs", "cpuPeriod", "cpuQuota"]


@dataclass(frozen=True)
class Health:
    """A command that proves work, with its clock; 8 failures in a row make a container unhealthy."""

    command: Sequence[str]
    interval_s: int = 5
    timeout_s: int = 5
    start_period_s: int = 30
    retries: int = 8

    def wait_timeout_s(self) -> int:
        return self.start_period_s + self.retries * (self.interval_s + self.timeout_s)


@dataclass(frozen=True)
class Mount:
    volume: pulumi.Input[str]
    path: str
    read_only: bool = True


@dataclass(frozen=True)
class Port:
    internal: int
    external: int
    ip: str


@dataclass(frozen=True)
class Platform:
    """What every container of a stack shares."""

    naming: Naming
    network: pulumi.Input[str]
    loader_image: str
    log_max_size_mb: int
    log_max_files: int


@dataclass(frozen=True)
class Spec:
    """One long-running container. `cpu_shares` weighs it against the others when the CPU is short."""

    part: str
    image: str
    uid: int
    memory_mb: int
    health: Health
    cpu_shares: int = 512
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    ports: Sequence[Port] = ()
    grace_s: int = 30
    shm_mb: int = 64
    tmpfs_mb: int = 16
    # Its group, where another part is to share a socket with it.
    gid: int | None = None
    # For the one part that may own the engine: why it is root, and that it has no network.
    root_reason: str | None = None
    engine_socket: str | None = None


def service(
    platform: Platform, spec: Spec, *, name: str | None = None, opts: pulumi.ResourceOptions
) -> docker.Container:
    """Run a part with one container under a fixed name; it is replaced stop-first."""
    logical = name or spec.part
    inputs = {**_inputs(platform, spec), "name": platform.naming.of(logical)}
    policy.enforce(logical, inputs, job=False, root_reason=spec.root_reason)
    own = pulumi.ResourceOptions(delete_before_replace=True, replace_on_changes=_REPLACE_ON)
    return docker.Container(logical, opts=pulumi.ResourceOptions.merge(opts, own), **inputs)


def replica(platform: Platform, spec: Spec, *, name: str, opts: pulumi.ResourceOptions) -> docker.Container:
    """One of several: no fixed name, so that the new one is healthy before the old one goes."""
    inputs = _inputs(platform, spec)
    policy.enforce(name, inputs, job=False, root_reason=None)
    # "*" also replaces a replica whose last start never became healthy.
    own = pulumi.ResourceOptions(delete_before_replace=False, replace_on_changes=["*"])
    return docker.Container(name, opts=pulumi.ResourceOptions.merge(opts, own), **inputs)


def job(
    platform: Platform,
    *,
    name: str,
    part: str,
    inputs: Mapping[str, Any],
    root_reason: str | None = None,
    opts: pulumi.ResourceOptions,
) -> pulumi.Output[str]:
    """Run a container once, to its end, before its dependents start; a non-zero exit fails the `up`.

    Returns the job's container ID, known only after success.
    """
    full = {**_shared(platform, part), **_RUN_ONCE, **inputs}
    policy.enforce(name, full, job=True, root_reason=root_reason)
    own = pulumi.ResourceOptions(delete_before_replace=False, replace_on_changes=["*"])
    container = docker.Container(name, opts=pulumi.ResourceOptions.merge(opts, own), **full)
    return pulumi.Output.all(container.id, container.exit_code, container.container_logs).apply(
        lambda done: _succeeded(name, *done)
    )


def http_get(url: str) -> list[str]:
    """Health command: the address answers 2xx."""
    return ["wget", "-q", "-T", "3", "-O", "/dev/null", url]


def http_shows(url: str, line: str) -> list[str]:
    """Health command: a line of the answer matches."""
    return ["sh", "-c", f"wget -q -T 4 -O - '{url}' | grep -q '{line}'"]


def environment(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(values.items())]


def go_duration(seconds: int) -> str:
    """The form the engine gives back ("1m30s"), so that a refresh sees no change."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def volume(mount: Mount) -> dict[str, Any]:
    return {"volume_name": mount.volume, "container_path": mount.path, "read_only": mount.read_only}


def unprivileged(uid: int, tmpfs_mb: int = 16, gid: int | None = None) -> dict[str, Any]:
    return {
        "user": f"{uid}:{uid if gid is None else gid}",
        "read_only": True,
        "tmpfs": dict.fromkeys(_SCRATCH, f"rw,noexec,nosuid,nodev,size={tmpfs_mb}m,mode=1777"),
    }


_RUN_ONCE: dict[str, Any] = {
    "attach": True,
    "logs": True,
    "must_run": False,
    "restart": "no",
    "cpu_shares": 512,
}


def _inputs(platform: Platform, spec: Spec) -> dict[str, Any]:
    return {
        **_shared(platform, spec.part),
        **unprivileged(spec.uid, spec.tmpfs_mb, spec.gid),
        "image": spec.image,
        "command": list(spec.command) or None,
        "envs": environment(spec.environment),
        "memory": spec.memory_mb,
        "memory_swap": spec.memory_mb,
        "cpu_shares": spec.cpu_shares,
        "shm_size": spec.shm_mb,
        "healthcheck": _healthcheck(spec.health),
        "wait": True,
        "wait_timeout": spec.health.wait_timeout_s(),
        # Not unless-stopped: after a crash of the engine, 20.10 leaves those containers down.
        "restart": "always",
        "destroy_grace_seconds": spec.grace_s,
        "volumes": [volume(mount) for mount in spec.mounts],
        "ports": [_port(port) for port in sorted(spec.ports, key=lambda port: port.internal)],
        **(_alone_with_the_engine(spec) if spec.engine_socket else {}),
    }


def _alone_with_the_engine(spec: Spec) -> dict[str, Any]:
    """The engine's socket in place of every network."""
    socket = {"host_path": policy.ENGINE_SOCKET, "container_path": spec.engine_socket, "read_only": False}
    return {
        "network_mode": "none",
        "networks_advanced": None,
        "volumes": [*(volume(mount) for mount in spec.mounts), socket],
    }


def _shared(platform: Platform, part: str) -> dict[str, Any]:
    return {
        "labels": platform.naming.labels(part),
        "networks_advanced": [{"name": platform.network, "aliases": [part]}],
        "capabilities": {"drops": ["ALL"]},
        "security_opts": ["no-new-privileges:true"],
        "init": True,
        "ulimits": [{"name": "nproc", "soft": _PROCESSES, "hard": _PROCESSES}],
        "log_driver": "json-file",
        "log_opts": {
            "max-size": f"{platform.log_max_size_mb}m",
            "max-file": str(platform.log_max_files),
        },
    }


def _healthcheck(health: Health) -> dict[str, Any]:
    return {
        "tests": ["CMD", *health.command],
        "interval": go_duration(health.interval_s),
        "timeout": go_duration(health.timeout_s),
        "start_period": go_duration(health.start_period_s),
        "retries": health.retries,
    }


def _port(port: Port) -> dict[str, Any]:
    return {"internal": port.internal, "external": port.external, "ip": port.ip, "protocol": "tcp"}


def _succeeded(name: str, container_id: str, exit_code: int | None, logs: str | None) -> str:
    """During a preview the exit code is not known and this is not called."""
    if exit_code:
        raise JobFailed(f"{name} ended with exit code {exit_code}:\n{(logs or '').strip()}")
    return container_id


class JobFailed(Exception):
    """A one-shot container of the `up` did not succeed."""
