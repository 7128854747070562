"""`amas overload`: look, judge, show; stop what can wait after a consent, and put it back."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from runbook import consent, reach, terminal
from runbook import switches as switch_page
from runbook.api import Api
from runbook.consent import Yes
from runbook.engine import Engine, connect
from runbook.errors import AmasError, CheckFailed, UsageError
from runbook.options import AsJson, StackName
from runbook.overload.judge import (
    CAN_WAIT,
    COLLECTION,
    REASON,
    Host,
    Load,
    Relief,
    Seen,
    proposals,
    reliefs,
    to_start,
    to_stop,
    why_not_more,
)
from runbook.pool.judge import Budget
from runbook.switches import Switch
from runbook.terminal import Progress, size

GRACE_S = 30


def overload(
    stack: StackName,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these of what can wait.")
    ] = None,
    relieve: Annotated[bool, typer.Option("--relieve", help="Stop what can wait.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Put back what was stopped.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """How loaded the replicas are, and what can wait. Runs on the host.

    Section 7.1 of the runbook. Exits with 1 while a replica is overloaded: CPU over 90 % of a core, event
    loop later than 250 ms, or more than 500 traces in its queue.
    """
    chosen = checked(names or [])
    if relieve and undo:
        raise UsageError("--relieve and --undo exclude each other", "amas overload --help")
    engine, progress = connect(), Progress()
    with reach.api_of(stack) as api:
        thrown = switches_of(api)
        found = reliefs(engine.containers(stack), thrown)
        if relieve:
            done = relieved(engine, api, stack, to_stop(found, chosen), progress, yes=yes, as_json=as_json)
            show_done("stopped", done, [], as_json=as_json)
        elif undo:
            wanted, kept = to_start(found, chosen, thrown)
            put_back(engine, api, stack, wanted, progress)
            show_done("put back", wanted, kept, as_json=as_json)
        else:
            show(observe(stack, api), found, as_json=as_json)


def checked(names: Sequence[str]) -> Sequence[str]:
    known = (*CAN_WAIT, COLLECTION)
    unknown = [one for one in names if one not in known]
    if unknown:
        raise UsageError(f"{', '.join(unknown)} cannot wait; one of {', '.join(known)}", "amas overload")
    return names


def observe(stack: str, api: Api) -> Seen:
    replicas = reach.integer(stack, "replicas")
    budget = Budget(
        reach.integer(stack, "dbMaxConnections"), replicas, reach.integer(stack, "dbConnectionPoolSize")
    )
    slo = reach.asked(api, "/api/about/slo")
    # A roll has old and new side by side.
    most = min(budget.most_replicas // 2, reach.integer(stack, "maxReplicas") // 2)
    return Seen(
        loads=loads_of(reach.asked(api, "/api/about/monitoring")),
        host=Host(os.cpu_count() or 1, os.getloadavg()[0]),
        throughput=throughput_of(slo),
        replicas=replicas,
        most_replicas=most,
    )


def loads_of(monitoring: Any) -> list[Load]:
    try:
        return [
            Load(
                str(one["id"]),
                None if one["cpuPercent"] is None else float(one["cpuPercent"]),
                1000 * float(one["eventLoopLagSeconds"]),
                int(one["queue"]["size"]),
                int(one["rssBytes"]),
            )
            for one in monitoring["replicas"]
        ]
    except (KeyError, TypeError, ValueError):
        raise CheckFailed("GET /api/about/monitoring: the answer has no replicas", "amas health") from None


def throughput_of(slo: Any) -> float | None:
    rows = slo.get("rows", []) if isinstance(slo, dict) else []
    return next((one["value"] for one in rows if one.get("id") == "throughput"), None)


def switches_of(api: Api) -> list[Switch]:
    """None where the service is too busy to tell: the parts can be stopped all the same."""
    try:
        return switch_page.switches_of(api)
    except AmasError:
        return []


def relieved(  # noqa: PLR0913 - the options that it answers to
    engine: Engine,
    api: Api,
    stack: str,
    wanted: list[Relief],
    progress: Progress,
    *,
    yes: bool,
    as_json: bool,
) -> list[Relief]:
    if not wanted:
        return []
    if not as_json:
        terminal.show_table(["stops", "missed meanwhile"], [[one.name, one.missed] for one in wanted])
    consent.demand(stack, f"stop {len(wanted)} things that can wait", yes=yes)
    for one in wanted:
        with progress.step(f"stop {one.name}"):
            if one.name == COLLECTION:
                throw(api, on=True, reason=f"{REASON} --relieve")
            else:
                for container in engine.containers(stack, one.name):
                    engine.stop_container(container, GRACE_S)
    return wanted


def put_back(engine: Engine, api: Api, stack: str, wanted: Sequence[Relief], progress: Progress) -> None:
    for one in wanted:
        with progress.step(f"put back {one.name}"):
            if one.name == COLLECTION:
                throw(api, on=False, reason=f"{REASON} --undo")
            else:
                for container in engine.containers(stack, one.name):
                    engine.start_container(container)


def throw(api: Api, *, on: bool, reason: str) -> None:
    path = f"{switch_page.ROUTE}/{COLLECTION}"
    answer = api.put(path, {"on": on, "reason": reason})
    if answer.status != 200:
        raise CheckFailed(f"PUT {path}: {answer.status} {answer.text[:200]}", "amas switch list")


def show(seen: Seen, found: Sequence[Relief], *, as_json: bool) -> None:
    proposed, obstacle = proposals(seen, found), why_not_more(seen)
    if as_json:
        facts = {"ok": not seen.overloaded, "canWait": [asdict(one) for one in found]}
        terminal.show_json({**facts, **asdict(seen), "obstacle": obstacle, "next": proposed})
    else:
        terminal.show_table(["replica", "state", "cpu", "lag", "queue", "memory"], load_rows(seen))
        terminal.show_lines([""])
        terminal.show_table(["can wait", "", "missed meanwhile"], relief_rows(found))
        terminal.show_lines(closing_lines(seen, obstacle, proposed))
    if seen.overloaded:
        raise typer.Exit(CheckFailed.exit_code)


def load_rows(seen: Seen) -> list[list[str]]:
    return [
        [
            one.replica,
            "failed" if one.overloaded else "ok",
            "-" if one.cpu_percent is None else f"{one.cpu_percent:.0f} %",
            f"{one.lag_ms:.0f} ms",
            f"{one.queue_rows:,}",
            size(one.rss_bytes),
        ]
        for one in seen.loads
    ]


def relief_rows(found: Sequence[Relief]) -> list[list[str]]:
    return [[one.name, "stopped" if one.stopped else "runs", one.missed] for one in found]


def closing_lines(seen: Seen, obstacle: str | None, proposed: Sequence[str]) -> list[str]:
    throughput = "not known" if seen.throughput is None else f"{seen.throughput:.1f} requests a second"
    return [
        "",
        f"load      {seen.host.load:.1f} on {seen.host.cores} cores; {throughput}",
        *([f"but       {obstacle}"] if obstacle else []),
        *(f"next      {one}" for one in proposed),
    ]


def show_done(what: str, done: Sequence[Relief], kept: Sequence[Relief], *, as_json: bool) -> None:
    names = [one.name for one in done]
    if as_json:
        terminal.show_json({what: names, "kept": [one.name for one in kept]})
        return
    terminal.show_lines([f"{what}: {', '.join(names) or 'nothing'}"])
    terminal.show_lines([f"{one.name} stays: it was thrown for another reason" for one in kept])
    if what == "stopped" and done:
        terminal.show_lines(["next      amas overload --undo, when the load is over"])
