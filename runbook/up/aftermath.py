"""After a release that failed: its logs are kept, its containers go, the state is put right."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from runbook.engine import Container, Engine
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.up.burst import sweep
from runbook.up.failed_logs import keep_log
from runbook.up.record import forget_record, read_record
from runbook.up.repair import REPLICAS, Held, Repair, is_well, needs_repair, plan_repair

DRAIN_S = 45  # the load balancer notices, then the write queue empties
STOP_S = 30
AT_ONCE = 4


@dataclass(frozen=True)
class Aftermath:
    """What was done, and who serves now."""

    logs: Path | None
    removed: tuple[str, ...]
    serving: int
    kept_ill: tuple[str, ...]


def clear_away(stack: Stack, engine: Engine, logs: Path, progress: Progress) -> Aftermath:
    """Leaves the earlier replicas alone in service, and a state the next run starts from.

    `logs` is the folder that keeps what containers said; it is made when there is something to keep.
    """
    held = held_by(engine, stack.name, read_record(stack.name))
    for one in worth_keeping(held):
        keep_log(engine, one, logs)
    repair = plan_repair(stack.export(), held)
    _remove(repair, engine, progress)
    if repair.networks:  # nothing else stands any more
        sweep(engine, [one for one in engine.containers(stack.name) if one.burst], progress)
    stack.put_state(repair.deployment)
    engine.remove_volumes(repair.volumes)
    engine.remove_networks(repair.networks)
    forget_record(stack.name)
    left = engine.containers(stack.name)
    return Aftermath(
        logs if logs.exists() else None,
        tuple(one.name for one in repair.containers),
        sum(one.part == REPLICAS and is_well(one) for one in left),
        tuple(one.name for one in left if not is_well(one)),
    )


def clear_away_earlier(stack: Stack, engine: Engine, logs: Path, progress: Progress) -> None:
    """The same for a run that was killed, or one of plain `pulumi up`, before a new one begins."""
    if read_record(stack.name) is None and not needs_repair(stack.export()):
        return
    progress.say("an earlier run did not end well: putting the state right first")
    done = clear_away(stack, engine, logs, progress)
    for line in told(done):
        progress.say(line)


def told(done: Aftermath) -> list[str]:
    """For a person: where the logs are, what has gone, who serves."""
    lines = [f"last log lines of the containers concerned are kept in {done.logs}"] if done.logs else []
    if done.removed:
        lines.append(f"removed of the failed release: {', '.join(done.removed)}")
    if done.kept_ill:
        lines.append(f"left as it is, without an earlier one to go back to: {', '.join(done.kept_ill)}")
    serving = f"{done.serving} replicas serve, as before" if done.serving else "no replica serves"
    return [*lines, serving]


def held_by(engine: Engine, stack: str, earlier: Mapping[str, str] | None) -> Held:
    return Held(
        stack=stack,
        containers=[one for one in engine.containers(stack) if not one.burst],
        volumes=frozenset(engine.leftovers(stack).volumes),
        networks=frozenset(engine.network_ids(stack)),
        earlier=earlier,
    )


def worth_keeping(held: Held) -> list[Container]:
    """Every one that is ill, and all that came with the run; the latter's jobs that went well are not."""
    earlier = held.earlier if held.earlier is not None else {one.id: one.part for one in held.containers}
    return [
        one
        for one in held.containers
        if not is_well(one) or (one.id not in earlier and (one.part != "files" or one.exit_code))
    ]


def _remove(repair: Repair, engine: Engine, progress: Progress) -> None:
    """At once, since each that serves takes its time to drain."""
    for one in repair.containers:
        progress.say(f"removing {one.name}, of the failed release")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda one: engine.remove_container(one, _grace_s(one)), repair.containers))


def _grace_s(container: Container) -> int:
    return DRAIN_S if container.part == REPLICAS else STOP_S
