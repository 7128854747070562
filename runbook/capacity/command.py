"""`amas capacity`: look, foretell, show, draw."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from runbook import reach, sql_session, terminal
from runbook.capacity import forecast, plot
from runbook.capacity.forecast import Cost, Demand, HeldLoad, Limit, LoadDay, ReplicaLimit
from runbook.errors import CheckFailed
from runbook.growth import command as growth
from runbook.growth.disk import Growth, judge
from runbook.options import AsJson, StackName
from runbook.pool.judge import Budget
from runbook.scale import decide
from runbook.sql_session import Statements
from runbook.terminal import size

QUARTER_DAYS = 90
MOST_HOURS = 500
MB = 1_000_000


@dataclass(frozen=True)
class Seen:
    """What the database kept, and how the stack is configured."""

    today: date
    days: list[LoadDay]
    costs: list[Cost]
    tested: HeldLoad | None
    stored: growth.Seen
    budget: Budget
    places: int
    # None where replicas do not come by themselves.
    most_by_itself: int | None

    @property
    def most_by_slots(self) -> int:
        return self.places // 2


@dataclass(frozen=True)
class Foretold:
    """The judgement, with what it was made from."""

    coming: Demand
    replica: ReplicaLimit
    grown: Growth
    limits: list[Limit]


def capacity(
    stack: StackName,
    least_days: Annotated[
        int, typer.Option(min=0, metavar="DAYS", help="Fails when something ends in fewer.")
    ] = QUARTER_DAYS,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Write the curves as SVG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How long disk, connections and replicas hold, if it goes on like this. Runs on the host.

    Sections 5.2 and 8.3 of the runbook. Exits with 1 when one of them holds for fewer than 90 days.
    """
    seen = observe(stack)
    found = foretell(seen)
    if plot_file:
        plot_file.write_text(plot.svg(panels(seen, found)), encoding="utf-8")
    if as_json:
        terminal.show_json(as_facts(seen, found, least_days))
    else:
        show(seen, found)
        terminal.show_lines([f"plot      {plot_file}"] if plot_file else [])
    if ends_too_soon(found, least_days):
        raise typer.Exit(CheckFailed.exit_code)


def observe(stack: str) -> Seen:
    stored = growth.observe(stack)
    with sql_session.of(stack, read_only=True) as session:
        (limits,) = session.rows("connection_limits")
        days, costs, tested = load_days(session), load_costs(session), highest_good(session)
    budget = Budget(
        int(limits["most"]),
        reach.integer(stack, "replicas"),
        reach.integer(stack, "dbConnectionPoolSize"),
    )
    places = reach.integer(stack, "maxReplicas")
    by_itself = most_replicas_of(budget, places) if reach.flag(stack, "autoscale") else None
    return Seen(datetime.now(UTC).date(), days, costs, tested, stored, budget, places, by_itself)


def most_replicas_of(budget: Budget, places: int) -> int:
    return decide.most_replicas(places, budget.most, budget.reserve, budget.pool, budget.replicas)


def load_days(session: Statements) -> list[LoadDay]:
    return [
        LoadDay(row["day"].astimezone(UTC).date(), float(row["peak"]), float(row["mean"]))
        for row in session.rows("load_days")
    ]


def load_costs(session: Statements) -> list[Cost]:
    rows = session.rows("load_costs", most=MOST_HOURS)
    return [Cost(float(row["requests"]), float(row["cpu_percent"])) for row in rows]


def highest_good(session: Statements) -> HeldLoad | None:
    """None where no rising load was ever sent."""
    for row in session.rows("highest_good_run"):
        day = row["finished_at"].astimezone(UTC).date()
        return HeldLoad(float(row["requests"]), int(row["replicas"]), day, row["gave_way"])
    return None


def foretell(seen: Seen) -> Foretold:
    coming = forecast.demand(seen.days, seen.today)
    replica = forecast.replica_limit(seen.costs, seen.tested)
    stored = seen.stored
    grown = judge(stored.days, seen.today, stored.disk.free_bytes, stored.retention_days)
    return Foretold(
        coming,
        replica,
        grown,
        forecast.limits(coming, replica, seen.budget.replicas, most_replicas(seen), disk_limit(seen, grown)),
    )


def most_replicas(seen: Seen) -> int:
    """A roll has old and new side by side, in the connections and in the load balancer's places."""
    return max(1, min(seen.budget.most_replicas // 2, seen.most_by_slots))


def disk_limit(seen: Seen, grown: Growth) -> Limit:
    stored = seen.stored
    return Limit(
        "disk",
        grown.days_to_full,
        f"{size(round(grown.bytes_a_day))} a day",
        f"{size(stored.disk.free_bytes)} free",
        f"decisions of {grown.days} whole days, kept for {stored.retention_days}; "
        "WAL, backups and logs stay as large as they are",
    )


def ends_too_soon(found: Foretold, least_days: int) -> bool:
    return any(one.days is not None and one.days < least_days for one in found.limits)


def show(seen: Seen, found: Foretold) -> None:
    rows = [[one.name, in_days(one.days), one.now, one.most] for one in found.limits]
    terminal.show_table(["what", "holds for", "now", "most"], rows)
    terminal.show_lines(["", *(f"{one.name:<12}{one.basis}" for one in found.limits)])
    terminal.show_lines(closing_lines(seen, found))


def in_days(days: int | None) -> str:
    if days is None:
        return "no end in sight"
    return f"{days} days" if days else "exceeded"


def closing_lines(seen: Seen, found: Foretold) -> list[str]:
    budget, later = seen.budget, found.coming.at(QUARTER_DAYS)
    peaks, stored = [one.peak for one in seen.days], [one.size_bytes for one in seen.stored.days]
    needed = forecast.replicas_needed(later, found.replica)
    return [
        "",
        f"budget      {budget.needed} of {budget.most} connections in a roll of {budget.replicas} replicas",
        *by_itself_lines(seen),
        f"peaks       |{plot.text(peaks)}| of {len(peaks)} days",
        f"stored      |{plot.text(stored)}| of {len(stored)} days",
        f"in {QUARTER_DAYS} days  {later:,.1f} req/s at the peak; replicas needed: {needed}",
        *tested_lines(seen.tested),
        "assumed     days go on along the line through the last four weeks",
    ]


def by_itself_lines(seen: Seen) -> list[str]:
    most, budget = seen.most_by_itself, seen.budget
    if most is None:
        return ["by itself   no replica comes: amas:autoscale is false"]
    needed = f"{budget.needed_with(most)} of {budget.most} connections then, with a roll on top"
    return [f"by itself   up to {most} replicas, of {seen.places} places; {needed}"]


def tested_lines(tested: HeldLoad | None) -> list[str]:
    if tested is None:
        return []
    held = f"tested      {tested.requests:,.0f} req/s held with {tested.replicas} replicas on {tested.day}"
    return [held, f"gave way    {tested.gave_way or 'nothing'}"]


def panels(seen: Seen, found: Foretold) -> list[plot.Panel]:
    first = min([(one.day - seen.today).days for one in seen.days] or [0])
    ends = ((float(first), found.coming.at(first)), (float(QUARTER_DAYS), found.coming.at(QUARTER_DAYS)))
    stored = [((one.day - seen.today).days, one.size_bytes / MB) for one in seen.stored.days]
    return [
        plot.Panel(
            "Peak of the day",
            "requests a second",
            [((one.day - seen.today).days, one.peak) for one in seen.days],
            ends,
            seen.budget.replicas * found.replica.requests,
        ),
        plot.Panel("Decisions of the day", "MB", stored),
    ]


def as_facts(seen: Seen, found: Foretold, least_days: int) -> dict[str, Any]:
    return {
        "ok": not ends_too_soon(found, least_days),
        "limits": [asdict(one) for one in found.limits],
        "replica": asdict(found.replica),
        "tested": {**asdict(seen.tested), "day": seen.tested.day.isoformat()} if seen.tested else None,
        "peak_now": found.coming.at(0),
        "peak_slope_a_day": found.coming.line.slope,
        "growth": asdict(found.grown),
        "budget": {
            **asdict(seen.budget),
            "needed": seen.budget.needed,
            "most_by_itself": seen.most_by_itself,
            "needed_by_itself": seen.most_by_itself and seen.budget.needed_with(seen.most_by_itself),
        },
        "days": [{**asdict(one), "day": one.day.isoformat()} for one in seen.days],
    }
