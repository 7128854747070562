"""`amas db slow`: the statements that take the database's time, and the plan of the worst."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated

import typer

from runbook import sql_session, terminal
from runbook.errors import CheckFailed
from runbook.options import AsJson, StackName
from runbook.sql_session import Row, Statements

PLANNED = ("select", "insert", "update", "delete", "with")
LITTLE_HIT = 0.9
SLOW_MS = 200.0
WORDS = 70


class Order(StrEnum):
    """What counts as worst."""

    TOTAL = "total"
    MEAN = "mean"


@dataclass(frozen=True)
class Slow:
    """One statement, normalised: where constants stood are $1, $2."""

    id: int
    role: str
    calls: int
    total_ms: float
    mean_ms: float
    max_ms: float
    rows: int
    share: float
    hit_share: float | None
    temp_blocks: int
    query: str

    def cells(self) -> list[str]:
        hit = "" if self.hit_share is None else f"{self.hit_share:.0%}"
        words = f"{self.role}: {' '.join(bare(self.query).split())}"
        return [f"{self.share:.0%}", f"{self.calls:,}", f"{self.mean_ms:.1f}", hit, words[:WORDS]]


def show(
    stack: StackName,
    by: Annotated[Order, typer.Option(help="By all of their time, or by the time of one.")] = Order.TOTAL,
    most: Annotated[int, typer.Option(min=1, max=100, help="So many statements.")] = 10,
    as_json: AsJson = False,
) -> None:
    """The slowest statements and the plan of the worst. Runs on the host and inside the network.

    Nothing is executed for the plan, and no constant of a statement is shown.
    """
    with sql_session.of(stack, read_only=True) as session:
        found = [statement_of(row) for row in session.rows("slow_statements", by=by, most=most)]
        plan = plan_of(session, found[0]) if found else []
    notes = advice(found[0], plan) if found else []
    if as_json:
        terminal.show_json({"statements": [asdict(one) for one in found], "plan": plan, "notes": notes})
        return
    terminal.show_table(["time", "calls", "mean ms", "hit", "statement"], [one.cells() for one in found])
    if found:
        terminal.show_lines(["", "plan of the first", *(f"  {line}" for line in plan), *notes])


def statement_of(row: Row) -> Slow:
    touched = int(row["blocks_hit"]) + int(row["blocks_read"])
    return Slow(
        id=int(row["id"]),
        role=str(row["role"]),
        calls=int(row["calls"]),
        total_ms=round(float(row["total_ms"]), 3),
        mean_ms=round(float(row["mean_ms"]), 3),
        max_ms=round(float(row["max_ms"]), 3),
        rows=int(row["rows"]),
        share=float(row["share"] or 0.0),
        hit_share=int(row["blocks_hit"]) / touched if touched else None,
        temp_blocks=int(row["temp_blocks"]),
        query=str(row["query"]).strip(),
    )


def plan_of(session: Statements, slow: Slow) -> list[str]:
    """Generic, so that no constant is needed; empty with the reason where there is none."""
    if not can_be_planned(slow.query):
        return ["no plan: only a single SELECT, INSERT, UPDATE or DELETE has one"]
    try:
        rows = session.run(f"EXPLAIN (GENERIC_PLAN) {slow.query}", "EXPLAIN")
    except CheckFailed as reason:
        return [f"no plan: {reason.message}"]
    return [str(row["QUERY PLAN"]) for row in rows]


def can_be_planned(query: str) -> bool:
    """One statement of a kind that EXPLAIN takes: a second one behind a semicolon would be run."""
    words = bare(query).split(maxsplit=1)
    return bool(words) and words[0].lower() in PLANNED and ";" not in query.strip().rstrip(";")


def bare(query: str) -> str:
    """Without comments."""
    return re.sub(r"--[^\n]*\n|/\*.*?\*/", " ", f"{query}\n", flags=re.DOTALL)


def advice(slow: Slow, plan: Sequence[str]) -> list[str]:
    """What stands out; nothing when the worst is not bad."""
    scanned = sorted({name for line in plan for name in re.findall(r"\bSeq Scan on (\S+)", line)})
    chunks = [name for name in scanned if name.startswith("_hyper_")]
    notes = []
    if chunks and len(chunks) > 1:
        notes.append(f"reads {len(chunks)} chunks from end to end: give it a bound on created_at")
    elif scanned and slow.mean_ms >= SLOW_MS:
        notes.append(f"reads {', '.join(scanned)} from end to end: an index may help")
    if slow.hit_share is not None and slow.hit_share < LITTLE_HIT:
        notes.append(f"only {slow.hit_share:.0%} of its blocks are in memory: amas:dbMemoryMb")
    if slow.temp_blocks:
        notes.append(f"sorted on disk: {slow.temp_blocks:,} blocks of temporary files")
    if slow.mean_ms >= SLOW_MS:
        notes.append(f"takes {slow.mean_ms:.0f} ms on average, beyond the {SLOW_MS:.0f} ms of the objective")
    return notes
