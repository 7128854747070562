"""What the engine and Pulumi's state must be after a release that failed. Pure: facts in, a plan out.

A replacement that is healthy before its predecessor goes (the replicas, loaders, secret volumes) leaves both
in the state when the release fails: the predecessor marked `delete`. The plan makes the predecessor live
again and drops the newcomer. A part that is stopped first (database, queue, load balancer) has no predecessor
left: its newcomer stays when it is well, or still at work on its data, and is dropped otherwise.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbook.engine import Container
from runbook.volumes import DATA_PARTS, data_volumes

Resource = Mapping[str, Any]
Deployment = Mapping[str, Any]

CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"
NETWORK = "docker:index/network:Network"
REPLICAS = "api"
MOST_RESTARTS = 3  # of a container that may still become well
# Its loader's work is in force in a volume that both releases share: the state must name the one that did it.
LASTING = "lb-config"


@dataclass(frozen=True)
class Held:
    """What the engine holds for the stack. `earlier`: containers from before the run, id to part."""

    stack: str
    containers: Sequence[Container]
    volumes: frozenset[str]
    networks: frozenset[str]
    earlier: Mapping[str, str] | None = None

    def has(self, resource: Resource) -> bool:
        match resource["type"]:
            case "docker:index/container:Container":
                return self.container(resource) is not None
            case "docker:index/volume:Volume":
                return resource.get("id") in self.volumes
            case "docker:index/network:Network":
                return resource.get("id") in self.networks
        return True

    def container(self, resource: Resource) -> Container | None:
        return next((one for one in self.containers if one.id == resource.get("id")), None)


@dataclass(frozen=True)
class Repair:
    """The state to import, and what has no place in it."""

    deployment: Deployment
    containers: tuple[Container, ...] = ()
    volumes: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()


def plan_repair(deployment: Deployment, held: Held) -> Repair:
    """Earlier containers stay, those of the failed release go, and the state says exactly that."""
    resources: list[Resource] = list(deployment.get("resources") or [])
    if rolled_over(held):
        return Repair(_with(deployment, resources))
    held = replace(held, earlier=_earlier(resources, held))
    chosen = [_as_live(one) for one in _chosen(resources, held)]
    ids = {one["id"] for one in chosen if one.get("id")}
    doomed = [
        one for one in held.containers if one.id not in ids and _is_ours_to_remove(one, resources, held)
    ]
    used = {name for one in held.containers if one not in doomed for name in one.volumes}
    return Repair(
        _with(deployment, in_order(chosen)),
        tuple(doomed),
        tuple(sorted(_disposable(resources, held) - ids - used)),
        tuple(sorted(held.networks - ids)) if len(doomed) == len(held.containers) else (),
    )


def needs_repair(deployment: Deployment) -> bool:
    """True for the marks of a run that did not end well."""
    resources = deployment.get("resources") or []
    return bool(deployment.get("pending_operations")) or any(
        one.get("delete") or one.get("initErrors") or one.get("pendingReplacement") for one in resources
    )


def rolled_over(held: Held) -> bool:
    """True once an earlier replica has been taken down because all the new ones were well.

    Then the new ones serve, and what is left to delete is the next run's to finish.
    """
    if held.earlier is None:
        return False
    old = {one for one, part in held.earlier.items() if part == REPLICAS}
    replicas = [one for one in held.containers if one.part == REPLICAS]
    new = [one for one in replicas if one.id not in old]
    return bool(new) and all(map(is_well, new)) and not old <= {one.id for one in replicas}


def is_well(container: Container) -> bool:
    if container.is_job and container.state == "exited":
        return container.exit_code == 0
    return container.state == "running" and container.health in {None, "healthy"}


def in_order(resources: Sequence[Resource]) -> list[Resource]:
    """Each after all it refers to, else as given; references to what is not there are dropped."""
    present = {one["urn"] for one in resources}
    pruned = [_pruned(one, present) for one in resources]
    waiting, placed, ordered = list(pruned), set[str](), list[Resource]()
    while waiting:
        ready = [one for one in waiting if placed.issuperset(set(references(one)) - {one["urn"]})]
        if not ready:  # a circle: the CLI's own check names it better than this could
            return [*ordered, *waiting]
        ordered += ready
        placed |= {one["urn"] for one in ready}
        waiting = [one for one in waiting if one["urn"] not in placed]
    return ordered


def references(resource: Resource) -> Iterator[str]:
    """URNs that must stand before it in the state."""
    if resource.get("parent"):
        yield resource["parent"]
    if resource.get("provider"):
        yield resource["provider"].rpartition("::")[0]
    if resource.get("deletedWith"):
        yield resource["deletedWith"]
    yield from resource.get("dependencies") or []
    for urns in (resource.get("propertyDependencies") or {}).values():
        yield from urns or []


def _with(deployment: Deployment, resources: Sequence[Resource]) -> Deployment:
    """Operations cut short are forgotten: whatever they left in the engine has been looked at."""
    kept = {key: value for key, value in deployment.items() if key != "pending_operations"}
    return {**kept, "resources": list(resources)}


def _earlier(resources: Sequence[Resource], held: Held) -> Mapping[str, str]:
    """Without a record of the run: what stands beside a newcomer, or stands well and alone."""
    if held.earlier is not None:
        return held.earlier
    old = {one["urn"] for one in resources if one.get("delete") and held.has(one)}
    newcomers = {one.get("id") for one in resources if one["urn"] in old and not one.get("delete")}
    ill = {one.get("id") for one in resources if one.get("initErrors")}
    return {one.id: one.part for one in held.containers if one.id not in newcomers | ill}


def _chosen(resources: Sequence[Resource], held: Held) -> Iterator[Resource]:
    kept = _kept_newcomers(resources, held)
    for urn in dict.fromkeys(one["urn"] for one in resources):
        entries = [one for one in resources if one["urn"] == urn]
        if _is_external(entries[0]):
            yield from _choice(entries, held, keep_new=urn in kept)
        else:
            yield from entries


def _choice(entries: Sequence[Resource], held: Held, *, keep_new: bool) -> Sequence[Resource]:
    """At most one of the entries of a resource: the first in the order of preference that stands."""
    live = [one for one in entries if not one.get("delete") and held.has(one)]
    old = sorted((one for one in entries if one.get("delete") and held.has(one)), key=_made)
    old.sort(key=lambda one: not _is_earlier(one, held))
    if keep_new or any(_lasts(one, held) for one in live):
        return live[:1] or old[:1]
    return (old or [one for one in live if _may_stay(one, held)])[:1]


def _may_stay(resource: Resource, held: Held) -> bool:
    container = held.container(resource)
    if container is None or _is_earlier(resource, held):
        return True
    return container.part != REPLICAS and (is_well(container) or _is_at_work(container))


def _lasts(resource: Resource, held: Held) -> bool:
    container = held.container(resource)
    return container is not None and container.part == LASTING and is_well(container)


def _is_at_work(container: Container) -> bool:
    """Slow on its own data, as in a recovery: stopping it would only begin the same work again."""
    running = container.state == "running" and container.restarts <= MOST_RESTARTS
    return container.part in DATA_PARTS and running


def _kept_newcomers(resources: Sequence[Resource], held: Held) -> set[str]:
    """URNs of newcomers without a predecessor that stay, and of all that these were made with."""
    live = {one["urn"]: one for one in resources if not one.get("delete")}
    replaced = {one["urn"] for one in resources if one.get("delete") and held.has(one)}
    waiting = [
        urn
        for urn, one in live.items()
        if one["type"] == CONTAINER and urn not in replaced and _is_kept_newcomer(one, held)
    ]
    kept: set[str] = set()
    while waiting:
        urn = waiting.pop()
        if urn in kept:
            continue
        kept.add(urn)
        waiting += [one for one in references(live[urn]) if one in live and _is_external(live[one])]
    return kept


def _is_kept_newcomer(resource: Resource, held: Held) -> bool:
    there = held.container(resource) is not None
    return there and not _is_earlier(resource, held) and _may_stay(resource, held)


def _is_ours_to_remove(container: Container, resources: Sequence[Resource], held: Held) -> bool:
    """Known to the state, or come during the run; another's container of the stack is left alone."""
    known = any(one.get("id") == container.id for one in resources)
    return known or (held.earlier is not None and container.id not in held.earlier)


def _disposable(resources: Sequence[Resource], held: Held) -> frozenset[str]:
    """Volumes of files, which can be made again; never one with data."""
    known = {str(one.get("id")) for one in resources if one["type"] == VOLUME and not one.get("protect")}
    return (held.volumes & known) - set(data_volumes(held.stack))


def _is_earlier(resource: Resource, held: Held) -> bool:
    """A volume or network that stands beside its replacement is always the earlier one."""
    return resource["type"] != CONTAINER or resource.get("id") in (held.earlier or ())


def _is_external(resource: Resource) -> bool:
    return resource["type"] in {CONTAINER, VOLUME, NETWORK}


def _made(resource: Resource) -> str:
    return str(resource.get("created", ""))


def _as_live(resource: Resource) -> Resource:
    marks = {"delete", "pendingReplacement"}
    return resource if not _is_external(resource) else {k: v for k, v in resource.items() if k not in marks}


def _pruned(resource: Resource, present: Collection[str]) -> Resource:
    pruned = dict(resource)
    if pruned.get("dependencies"):
        pruned["dependencies"] = [urn for urn in pruned["dependencies"] if urn in present]
    if pruned.get("propertyDependencies"):
        pruned["propertyDependencies"] = {
            name: [urn for urn in urns or [] if urn in present]
            for name, urns in pruned["propertyDependencies"].items()
        }
    if pruned.get("deletedWith") not in {None, *present}:
        del pruned["deletedWith"]
    return pruned
