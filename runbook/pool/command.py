"""`amas pool` and `amas pool relieve`: look, judge, show; end idle sessions after a consent."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from runbook import consent, engine, reach, sql_session, terminal
from runbook.consent import Yes
from runbook.errors import CheckFailed
from runbook.options import AsJson, StackName, goes_on
from runbook.pool.judge import (
    Budget,
    Check,
    Replica,
    Session,
    holders,
    is_pooled,
    judge,
    proposals,
    to_relieve,
)
from runbook.sql_session import Statements
from runbook.terminal import seconds

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True)
class Seen:
    """One look at all who take part."""

    budget: Budget
    sessions: list[Session]
    replicas: list[Replica]
    unasked: str = ""


@app.callback(invoke_without_command=True)
def show(context: typer.Context, stack: StackName, as_json: AsJson = False) -> None:
    """Who holds the database's connections, and whether they suffice. Runs on the host.

    Section 7.2 of the runbook. Exits with 1 when requests wait, or when a roll would not fit.
    """
    if goes_on(context):
        return
    seen = observe(stack)
    checks = judge(seen.budget, seen.sessions, seen.replicas)
    if as_json:
        terminal.show_json(as_facts(seen, checks))
    else:
        show_all(seen, checks)
    if any(one.state == "failed" for one in checks):
        raise typer.Exit(CheckFailed.exit_code)


@app.command()
def relieve(
    stack: StackName,
    idle_minutes: Annotated[float, typer.Option(min=0, help="Only sessions idle for longer.")] = 10,
    pools: Annotated[
        bool, typer.Option("--pools", help="Also those that living replicas keep; they open new ones.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End sessions that have been idle for long, after showing them. Runs on the host.

    Section 7.2 of the runbook. Never one that works, and none of a living replica's pool without --pools.
    """
    living = addresses(stack)
    with sql_session.of(stack) as session:
        doomed = to_relieve(sessions_of(session), idle_minutes * 60, living, pools=pools)
        if doomed and not as_json:
            terminal.show_table(["pid", "role", "application", "idle", ""], doomed_rows(doomed, living))
        if doomed:
            consent.demand(stack, f"end {len(doomed)} idle sessions", yes=yes)
        ended = [one for one in doomed if end(session, one, idle_minutes * 60)]
    if as_json:
        terminal.show_json({"idle": [facts(one) for one in doomed], "ended": len(ended)})
    else:
        terminal.show_lines([relieved_line(doomed, ended, idle_minutes)])


def observe(stack: str) -> Seen:
    with sql_session.of(stack, read_only=True) as session:
        (limits,) = session.rows("connection_limits")
        sessions = sessions_of(session)
    budget = Budget(
        most=int(limits["most"]),
        replicas=reach.integer(stack, "replicas"),
        pool=reach.integer(stack, "dbConnectionPoolSize"),
    )
    try:
        with reach.api_of(stack) as api:
            replicas = replicas_of(reach.asked(api, "/api/about/monitoring"))
    except CheckFailed as reason:
        return Seen(budget, sessions, [], f"the replicas could not be asked: {reason.message}")
    return Seen(budget, sessions, replicas)


def sessions_of(session: Statements) -> list[Session]:
    rows = session.rows("sessions")
    return [
        Session(
            pid=int(row["pid"]),
            backend_start=row["backend_start"],
            role=str(row["role"]),
            application=str(row["application"]),
            address=row["address"],
            state=str(row["state"]),
            state_s=float(row["state_s"] or 0.0),
            may_be_ended=bool(row["may_be_ended"]),
        )
        for row in rows
    ]


def replicas_of(monitoring: dict[str, object]) -> list[Replica]:
    listed = monitoring.get("replicas")
    if not isinstance(listed, list):
        raise CheckFailed("GET /api/about/monitoring: the answer has no list of replicas")
    return [Replica(str(one["id"]), **{key: int(one["pool"][key]) for key in POOL}) for one in listed]


POOL = ("open", "free", "awaited")


def addresses(stack: str) -> set[str]:
    """Of the replicas that run."""
    replicas = engine.connect().containers(stack, "api")
    return {one.address for one in replicas if one.state == "running" and one.address}


def end(session: Statements, one: Session, idle_s: float) -> bool:
    """False when it has worked or gone meanwhile."""
    rows = session.rows("end_idle_session", pid=one.pid, backend_start=one.backend_start, idle_s=idle_s)
    return any(row["ended"] for row in rows)


def show_all(seen: Seen, checks: Sequence[Check]) -> None:
    rows = [[one.name, one.state, one.value, one.target] for one in checks]
    terminal.show_table(["check", "state", "value", "target"], rows)
    terminal.show_lines([""])
    alike = [
        [one.role, one.application or "-", one.state, str(one.sessions), seconds(one.longest_s)]
        for one in holders(seen.sessions)
    ]
    terminal.show_table(["role", "application", "state", "n", "longest"], alike)
    terminal.show_lines([""])
    pools = [[one.name, str(one.open), str(one.free), str(one.awaited)] for one in seen.replicas]
    terminal.show_table(["replica", "open", "free", "awaited"], pools)
    terminal.show_lines(closing_lines(seen))


def closing_lines(seen: Seen) -> list[str]:
    budget = seen.budget
    needed = f"2 x {budget.replicas} x {budget.pool} + {budget.reserve} in reserve = {budget.needed}"
    return [
        *([seen.unasked] if seen.unasked else []),
        "",
        f"roll    {needed} of {budget.most}",
        f"limits  a pool may have {budget.largest_pool}, replicas may be {budget.most_replicas}",
        *(f"next    {command}" for command in proposals(budget, seen.replicas)),
    ]


def doomed_rows(doomed: Sequence[Session], living: set[str]) -> list[list[str]]:
    return [
        [
            str(one.pid),
            one.role,
            one.application or "-",
            seconds(one.state_s),
            "pool of a replica" if is_pooled(one, living) else "",
        ]
        for one in doomed
    ]


def relieved_line(doomed: Sequence[Session], ended: Sequence[Session], idle_minutes: float) -> str:
    if not doomed:
        return f"no session has been idle for more than {idle_minutes:g} minutes outside the replicas' pools"
    busy = f"; {len(doomed) - len(ended)} worked again or were gone" if len(ended) < len(doomed) else ""
    return f"ended {len(ended)} of {len(doomed)} idle sessions{busy}"


def as_facts(seen: Seen, checks: Sequence[Check]) -> dict[str, object]:
    budget = seen.budget
    return {
        "ok": all(one.state == "ok" for one in checks),
        "checks": [asdict(one) for one in checks],
        "budget": {**asdict(budget), "needed": budget.needed, "largest_pool": budget.largest_pool},
        "holders": [asdict(one) for one in holders(seen.sessions)],
        "replicas": [asdict(one) for one in seen.replicas],
        "next": proposals(budget, seen.replicas),
    }


def facts(one: Session) -> dict[str, object]:
    return {**asdict(one), "backend_start": one.backend_start.isoformat()}
