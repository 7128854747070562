"""`amas retention simulate` and `amas retention apply`: look, plan, show; take away after a consent."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from runbook import consent, sql_session, terminal
from runbook.consent import Yes
from runbook.errors import CheckFailed
from runbook.growth import command as growth
from runbook.growth import look
from runbook.growth.disk import judge
from runbook.options import AsJson, StackName
from runbook.retention import apply as applying
from runbook.retention.plan import Chunk, Plan, is_late, plan
from runbook.sql_session import Statements
from runbook.terminal import seconds, size

SHOWN_LATER = 7
# Vacuum of a large key table takes longer than any statement of the service may.
LIMIT_S = 3600.0

app = typer.Typer(
    help="Old decisions, taken away by whole days.", no_args_is_help=True, rich_markup_mode=None
)
Days = Annotated[
    int | None,
    typer.Option("--days", min=1, max=3650, help="Default: amas:insightsRetentionDays of the stack."),
]


@dataclass(frozen=True)
class Seen:
    """The plan with what it would take besides chunks, and when it was last done."""

    plan: Plan
    rows: int
    keys: int
    letters: int
    last: datetime | None
    now: datetime

    @property
    def late(self) -> bool:
        return is_late(self.now, self.last, self.plan)

    @property
    def nothing(self) -> bool:
        return not (self.plan.due or self.keys or self.letters)


@app.command()
def simulate(stack: StackName, days: Days = None, as_json: AsJson = False) -> None:
    """What would go now and when the rest will; touches nothing. Runs on the host and inside the network.

    Section 8.2 of the runbook. Exits with 1 when days are due and none went for two days.
    """
    with sql_session.of(stack, read_only=True) as session:
        seen = look_at(session, days or look.retention_days(stack), datetime.now(UTC))
    disk = growth.observe(stack)
    full = judge(disk.days, seen.now.date(), disk.disk.free_bytes, seen.plan.days)
    if as_json:
        terminal.show_json({**as_facts(seen), "days_to_full": full.days_to_full})
    else:
        show(seen)
        terminal.show_lines([f"full      {growth.until(full)}", *next_lines(seen)])
    if seen.late:
        raise typer.Exit(CheckFailed.exit_code)


@app.command()
def apply(stack: StackName, days: Days = None, yes: Yes = False, as_json: AsJson = False) -> None:
    """Drop the days that are old enough, then vacuum. Runs on the host and inside the network.

    Section 8.2 of the runbook. The service does it daily by itself. Its DELETE with VACUUM would write
    every row once more and give no disk back; a dropped chunk gives it back at once.
    """
    progress = terminal.Progress()
    with sql_session.of(stack, LIMIT_S) as session:
        seen = look_at(session, days or look.retention_days(stack), datetime.now(UTC))
        if seen.nothing:
            done = applying.Applied(0, 0, 0)
        else:
            if not as_json:
                show(seen)
            consent.demand(stack, f"take away {seen.rows:,} decisions for good", yes=yes)
            done = applying.apply(session, seen.plan, progress)
    if as_json:
        terminal.show_json({**as_facts(seen), "applied": asdict(done)})
    else:
        terminal.show_lines([applied_line(seen, done)])


def look_at(session: Statements, days: int, now: datetime) -> Seen:
    wanted = plan(now, chunks_of(session), days)
    last = session.rows("retention_last")
    (beside,) = session.rows("retention_beside", keys_before=wanted.keys_before, cutoff=wanted.cutoff)
    counted = session.rows("retention_rows", before=wanted.drop_before) if wanted.due else [{"rows": 0}]
    return Seen(
        plan=wanted,
        rows=int(counted[0]["rows"]),
        keys=int(beside["keys"]),
        letters=int(beside["letters"]),
        last=last[0]["finished_at"] if last else None,
        now=now,
    )


def chunks_of(session: Statements) -> list[Chunk]:
    return [
        Chunk(row["range_start"], row["range_end"], int(row["size_bytes"]), int(row["about_rows"]))
        for row in session.rows("chunk_sizes")
        if row["hypertable"] == look.DECISIONS
    ]


def show(seen: Seen) -> None:
    wanted = seen.plan
    rows = chunk_rows(wanted.due, "now", wanted.days) + chunk_rows(
        wanted.later[:SHOWN_LATER], "", wanted.days
    )
    terminal.show_table(["day", "goes", "size", "rows ~"], rows)
    terminal.show_lines(closing_lines(seen))


def chunk_rows(chunks: Sequence[Chunk], when: str, days: int) -> list[list[str]]:
    return [
        [
            f"{one.start:%Y-%m-%d}",
            when or f"{one.goes_at(days):%Y-%m-%d}",
            size(one.size_bytes),
            f"{one.about_rows:,}",
        ]
        for one in chunks
    ]


def closing_lines(seen: Seen) -> list[str]:
    wanted = seen.plan
    last = f"{seconds((seen.now - seen.last).total_seconds())} ago" if seen.last else "never"
    return [
        "",
        f"kept      {wanted.days} days; before {wanted.cutoff:%Y-%m-%d %H:%M} UTC whole days go",
        f"due       {len(wanted.due)} chunks, {seen.rows:,} rows, {size(wanted.size_bytes)}",
        f"beside    {seen.keys:,} keys, {seen.letters:,} dead letters",
        f"oldest    {oldest(wanted)}",
        f"last run  {last}{', LATE' if seen.late else ''}",
    ]


def oldest(wanted: Plan) -> str:
    age_s = wanted.oldest_age.total_seconds()
    return f"{seconds(age_s)} since the end of the oldest day" if age_s else "no stored day is over yet"


def next_lines(seen: Seen) -> list[str]:
    return ["next      amas retention apply"] if seen.plan.due else []


def applied_line(seen: Seen, done: applying.Applied) -> str:
    if seen.nothing:
        return f"nothing is older than {seen.plan.days} days"
    freed = size(seen.plan.size_bytes)
    return f"gone: {done.chunks} chunks ({freed}), {done.keys:,} keys, {done.letters:,} dead letters"


def as_facts(seen: Seen) -> dict[str, Any]:
    wanted = seen.plan
    return {
        "ok": not seen.late,
        "days": wanted.days,
        "cutoff": wanted.cutoff.isoformat(),
        "due": [chunk_facts(one, wanted.days) for one in wanted.due],
        "later": [chunk_facts(one, wanted.days) for one in wanted.later],
        "rows": seen.rows,
        "size_bytes": wanted.size_bytes,
        "keys": seen.keys,
        "letters": seen.letters,
        "oldest_age_s": wanted.oldest_age.total_seconds(),
        "last_success": seen.last.isoformat() if seen.last else None,
    }


def chunk_facts(one: Chunk, days: int) -> dict[str, Any]:
    return {
        "start": one.start.isoformat(),
        "goes_at": one.goes_at(days).isoformat(),
        "size_bytes": one.size_bytes,
        "about_rows": one.about_rows,
    }
