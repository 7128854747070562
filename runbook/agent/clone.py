"""From what the engine tells of a replica to the same again. Pure: inspect answers in, a create body out."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Attributes = Mapping[str, Any]
BURST_LABEL = "amas.burst"
# All that is taken over; a field that is not here is left at the engine's default.
_CONFIG = ("Cmd", "Entrypoint", "Env", "User", "WorkingDir", "Healthcheck", "StopSignal", "StopTimeout")
_HOST = (
    "Binds",
    "CapDrop",
    "CpuShares",
    "Init",
    "LogConfig",
    "Memory",
    "MemorySwap",
    "ReadonlyRootfs",
    "RestartPolicy",
    "SecurityOpt",
    "ShmSize",
    "Tmpfs",
    "Ulimits",
)
# What a replica never has. One that does is no template, whoever made it.
_NEVER = ("Privileged", "CapAdd", "Devices", "DeviceRequests", "DeviceCgroupRules", "VolumesFrom", "Sysctls")
_OWN_NAMESPACES = {"PidMode": "", "IpcMode": "private", "UTSMode": "", "UsernsMode": ""}


@dataclass(frozen=True)
class Replica:
    """One container of the service."""

    id: str
    name: str
    burst: bool
    running: bool
    healthy: bool
    created: str
    started: str
    memory_bytes: int
    print: str

    def age_s(self, now: datetime) -> float:
        """Since its last start; the engine writes nanoseconds."""
        whole, _, fraction = self.started.rstrip("Z").partition(".")
        return (now - datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")).total_seconds()


def replica(attributes: Attributes) -> Replica:
    state = attributes["State"]
    return Replica(
        id=attributes["Id"],
        name=attributes["Name"].lstrip("/"),
        burst=BURST_LABEL in attributes["Config"]["Labels"],
        running=state["Status"] == "running",
        healthy=state["Status"] == "running" and (state.get("Health") or {}).get("Status") == "healthy",
        created=attributes["Created"],
        started=state["StartedAt"],
        memory_bytes=int(attributes["HostConfig"]["Memory"]),
        print=fingerprint(attributes),
    )


def fingerprint(attributes: Attributes) -> str:
    """Equal for a replica and its clone, different for replicas of two releases."""
    body = _taken(attributes)
    body["Env"] = sorted(body.get("Env") or [])
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def body(attributes: Attributes, network: str, alias: str) -> dict[str, Any]:
    """The create request of one more."""
    taken = _taken(attributes)
    host = {**taken.pop("HostConfig"), "NetworkMode": network}
    labels = {**attributes["Config"]["Labels"], BURST_LABEL: "true"}
    endpoints = {network: {"Aliases": [alias]}}
    return {
        **taken,
        "Labels": labels,
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": endpoints},
    }


def faults(attributes: Attributes, network: str) -> list[str]:
    """Why it may not be cloned; nothing of it, where it holds the standard of this project."""
    host = attributes["HostConfig"]
    found = [f"it has {name}" for name in _NEVER if host.get(name)]
    found += [
        f"{name} is {host[name]!r}"
        for name, own in _OWN_NAMESPACES.items()
        if host.get(name) not in {own, None, ""}
    ]
    found += [f"it mounts {source} of the host" for source in _host_paths(attributes)]
    if set(attributes["NetworkSettings"]["Networks"] or {}) != {network}:
        found.append(f"it is not on {network} alone")
    if str(attributes["Config"].get("User") or "0").split(":")[0] in {"0", "root"}:
        found.append("it runs as root")
    if host.get("CapDrop") != ["ALL"] or not host.get("ReadonlyRootfs") or not host.get("Memory"):
        found.append("it lacks a guard: CapDrop ALL, a read-only root, a memory limit")
    if "no-new-privileges:true" not in (host.get("SecurityOpt") or []):
        found.append("no-new-privileges is not set")
    if not str(attributes["Image"]).startswith("sha256:"):
        found.append("its image has no id")
    return found


def to_remove(burst: Sequence[Replica], base: Sequence[Replica]) -> Replica | None:
    """The one of an earlier release first, then one that is ill, then the youngest."""
    alike = {one.print for one in base}
    ordered = sorted(burst, key=lambda one: (one.print not in alike, not one.healthy, one.created))
    return ordered[-1] if ordered else None


def _taken(attributes: Attributes) -> dict[str, Any]:
    config, host = attributes["Config"], attributes["HostConfig"]
    return {
        "Image": attributes["Image"],
        **{name: config[name] for name in _CONFIG if config.get(name) is not None},
        "HostConfig": {name: host[name] for name in _HOST if host.get(name) is not None},
    }


def _host_paths(attributes: Attributes) -> list[str]:
    host = attributes["HostConfig"]
    binds = [str(one).partition(":")[0] for one in host.get("Binds") or []]
    mounts = [str(one.get("Source")) for one in attributes.get("Mounts") or [] if one.get("Type") != "volume"]
    listed = [str(one.get("Source")) for one in host.get("Mounts") or [] if one.get("Type") != "volume"]
    return [one for one in binds if one.startswith(("/", ".", "~"))] + mounts + listed
