"""`amas insights` (sections 3.3 and 6.3): how many are written, one of them, and whether it is cached."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Annotated, Any
from urllib.parse import quote

import typer

from runbook import cache_page, reach, terminal
from runbook.errors import CheckFailed
from runbook.options import AsJson, StackName

# What the runbook calls usual; said, not judged: it depends on the traffic.
USUAL = (100, 500)
BAR = 30
FEW_SHARE = 0.1

app = typer.Typer(help="The stored decisions.", no_args_is_help=True, rich_markup_mode=None)


@dataclass(frozen=True)
class Hour:
    """Insights filed under one hour."""

    hour: str
    written: int


@dataclass(frozen=True)
class Rate:
    """The hours with writes, newest first, and what they say."""

    hours: list[Hour]
    median_an_hour: float
    newest_is_low: bool


@app.command()
def rate(
    stack: StackName,
    window: Annotated[str, typer.Option(metavar="SPAN", help="1h to 168h, or 1d to 7d.")] = "24h",
    as_json: AsJson = False,
) -> None:
    """Insights written an hour, newest first. Runs on the host and inside the network.

    Section 6.3 of the runbook; rows of load and smoke runs do not count.
    """
    with reach.api_of(stack) as api:
        found = judged(reach.asked(api, "/api/insights/rate", {"window": window}))
    if as_json:
        terminal.show_json({"window": window, **asdict(found)})
        return
    most = max((one.written for one in found.hours), default=0)
    rows = [[one.hour[:16], f"{one.written:,}", "#" * round(BAR * one.written / most)] for one in found.hours]
    terminal.show_table(["hour", "written", ""], rows)
    terminal.show_lines(rate_lines(found, window))


@app.command()
def get(
    decision_id: Annotated[str, typer.Argument(metavar="ID")], stack: StackName, as_json: AsJson = False
) -> None:
    """One insight as it is answered. Runs on the host and inside the network."""
    path = f"/api/insights/{quote(decision_id, safe='')}"
    with reach.api_of(stack) as api:
        answer = api.read(path)
    body = answer.json()
    if answer.status not in {200, 202}:
        detail = body.get("detail") if isinstance(body, dict) else answer.text[:200]
        raise CheckFailed(f"GET {path}: {answer.status} {detail}", "amas insights rate")
    if as_json:
        terminal.show_json({"status": answer.status, "cache": answer.cache, "insight": body})
        return
    terminal.show_json(body)
    terminal.show_lines([where(answer.status, answer.cache)])


@app.command("cache")
def cached(
    decision_id: Annotated[str, typer.Argument(metavar="ID")], stack: StackName, as_json: AsJson = False
) -> None:
    """Whether one insight is cached, and for how long; asking does not cache it. Runs on the host."""
    left_s = ttl_s(cache_page.told(stack, "TTL", cache_page.INSIGHT_KEY + decision_id))
    if as_json:
        terminal.show_json({"id": decision_id, "cached": left_s is not None, "left_s": left_s})
    elif left_s is None:
        terminal.show_lines(["not cached: the next read is answered by the database"])
    else:
        terminal.show_lines([f"cached for another {left_s} s", f"next      amas cache clear {decision_id}"])


def judged(body: Any) -> Rate:
    try:
        hours = [Hour(str(one["hour"]), int(one["insightsWritten"])) for one in body["hours"]]
    except (TypeError, KeyError, ValueError):
        raise CheckFailed("GET /api/insights/rate: the answer has no hours", "amas health") from None
    # The newest hour is still under way, the oldest was cut off by the window.
    usual = median(one.written for one in hours[1:-1]) if len(hours) > 2 else 0.0
    return Rate(hours, usual, is_low(hours, usual))


def is_low(hours: Sequence[Hour], usual: float) -> bool:
    """The last whole hour has next to nothing of what is usual."""
    return len(hours) > 2 and hours[1].written < FEW_SHARE * usual


def rate_lines(found: Rate, window: str) -> list[str]:
    if not found.hours:
        return [f"nothing was written in {window}"]
    total = sum(one.written for one in found.hours)
    lines = [
        "",
        f"{total:,} in {window}, {found.median_an_hour:,.0f} in a median hour",
        f"the runbook calls {USUAL[0]} to {USUAL[1]} an hour usual",
    ]
    if found.newest_is_low:
        lines += ["the last whole hour has next to none", "next      amas triage writes"]
    return lines


def where(status: int, cache: str | None) -> str:
    if status == 202:
        return "spooled: acknowledged, not yet in the database"
    return "from the cache" if cache == "hit" else "from the database; cached now"


def ttl_s(told: str) -> int | None:
    """None when there is no such key; redis-cli shows its answer last, after its prompt."""
    answer = re.search(r"(?:\(integer\) )?(-?\d+)\s*\Z", told)
    if not answer:
        raise CheckFailed(f"the cache does not answer: {told.strip()[:200]}", "amas logs cache")
    left_s = int(answer[1])
    return left_s if left_s >= 0 else None
