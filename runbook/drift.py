"""What is not as the last release left it: what the provider finds, and what it cannot see.

The provider reads back neither environment, labels, mounts nor networks of a container, so those are compared
here: the state's inputs with the engine's own answer. Pure but for `look`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbook.engine import BURST_LABEL, Engine, Inspected
from runbook.stack import Stack

Resource = Mapping[str, Any]
CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"
UNCHANGED = frozenset({"same", "read", "refresh"})
SHOWN = 120


@dataclass(frozen=True)
class Difference:
    """One property of one resource, in words; without values it is the resource as a whole."""

    resource: str
    what: str
    released: str = ""
    found: str = ""

    def line(self) -> str:
        values = f": released {_shown(self.released)}, found {_shown(self.found)}"
        return f"{self.resource}: {self.what}{values if self.released or self.found else ''}"


def look(stack: Stack, engine: Engine) -> list[Difference]:
    """Both halves; the provider's is its refresh, only previewed."""
    resources = [one for one in stack.export().get("resources") or [] if not one.get("delete")]
    refreshed = list(seen_by_the_provider(stack.refresh_preview()))
    told = {one.resource for one in refreshed}
    return [
        *refreshed,
        *(one for one in unseen(resources, engine.inspected(stack.name)) if one.resource not in told),
        *lost_volumes(resources, engine.leftovers(stack.name).volumes, told),
    ]


def seen_by_the_provider(steps: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    """What a refresh would write into the state; only names of properties, since values may be secret."""
    for step in steps:
        name, op = str(step["urn"]).rpartition("::")[2], step["op"]
        if op == "delete":
            yield Difference(name, "is gone")
        elif op not in UNCHANGED:
            before, after = (_inputs(step.get(state)) for state in ("oldState", "newState"))
            changed = sorted(key for key in before if before[key] != after.get(key) and key != "__defaults")
            yield Difference(name, f"was changed: {', '.join(changed) or op}")


def unseen(resources: Sequence[Resource], found: Sequence[Inspected]) -> Iterator[Difference]:
    """Containers by what the provider does not read back, and those that are not the program's."""
    by_id = {one.id: one for one in found}
    known = [one for one in resources if one["type"] == CONTAINER]
    for resource in known:
        container = by_id.get(str(resource.get("id")))
        if container is None:
            yield Difference(_name(resource), "is gone")
        else:
            yield from _container(_name(resource), _inputs(resource), container)
    ids = {str(one.get("id")) for one in known}
    for one in found:
        if one.id not in ids and BURST_LABEL not in one.labels:
            yield Difference(one.name, "is not the program's")


def lost_volumes(
    resources: Sequence[Resource], volumes: Sequence[str], told: set[str]
) -> Iterator[Difference]:
    for one in resources:
        if one["type"] == VOLUME and one.get("id") not in volumes and _name(one) not in told:
            yield Difference(_name(one), "is gone")


def _container(name: str, inputs: Mapping[str, Any], found: Inspected) -> Iterator[Difference]:
    if isinstance(inputs.get("envs") or [], list):
        yield from _mapping(name, "environment", _pairs(inputs.get("envs") or []), found.environment)
    labels = {one["label"]: one["value"] for one in inputs.get("labels") or []}
    yield from _mapping(name, "label", labels, found.labels)
    mounts = {
        one["containerPath"]: one.get("volumeName") or one["hostPath"] for one in inputs.get("volumes") or []
    }
    yield from _mapping(name, "mount", mounts, found.volumes)
    if inputs.get("networkMode") != "none":
        yield from _networks(name, inputs, found)


def _networks(name: str, inputs: Mapping[str, Any], found: Inspected) -> Iterator[Difference]:
    """Docker adds aliases of its own, so only those of the program must be there."""
    wanted = {one["name"]: set(one.get("aliases") or []) for one in inputs.get("networksAdvanced") or []}
    for network in sorted(wanted.keys() - found.networks.keys()):
        yield Difference(name, f"is not in network {network}")
    for network in sorted(found.networks.keys() - wanted.keys()):
        yield Difference(name, f"is in network {network} besides")
    for network in sorted(wanted.keys() & found.networks.keys()):
        missing = wanted[network] - set(found.networks[network])
        if missing:
            yield Difference(name, f"is not called {', '.join(sorted(missing))} in network {network}")


def _mapping(
    name: str, what: str, released: Mapping[str, str], found: Mapping[str, str]
) -> Iterator[Difference]:
    for key in sorted(released.keys() | found.keys()):
        before, now = released.get(key, ""), found.get(key, "")
        if before != now or (key in released) != (key in found):
            yield Difference(name, f"{what} {key}", before or "nothing", now or "nothing")


def _pairs(entries: Sequence[str]) -> dict[str, str]:
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def _inputs(resource: Mapping[str, Any] | None) -> Mapping[str, Any]:
    inputs: Mapping[str, Any] = (resource or {}).get("inputs") or {}
    return inputs


def _name(resource: Resource) -> str:
    return str(resource["urn"]).rpartition("::")[2]


def _shown(value: str) -> str:
    return value if len(value) <= SHOWN else f"{value[:SHOWN]}…"
