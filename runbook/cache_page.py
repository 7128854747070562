"""`amas cache` and `amas cache clear` (section 4.3): how the cache does, and emptying it without KEYS."""

from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import quote

import typer

from runbook import cache_state, consent, reach, terminal
from runbook.api import Answer
from runbook.cache import CLI
from runbook.cache_state import CacheState
from runbook.consent import Yes
from runbook.engine import connect, require_part
from runbook.errors import CheckFailed, UsageError
from runbook.options import AsJson, StackName, goes_on
from runbook.terminal import seconds, size

INSIGHT_KEY = "decision_insight:"
CLEARED = 204


def show(context: typer.Context, stack: StackName, as_json: AsJson = False) -> None:
    """The cache's hit rate, memory and evictions. Runs on the host.

    Exits with 1 when fewer than 60 % of the reads are answered by it, or when it does not answer.
    """
    if goes_on(context):
        return
    state = cache_state.state_of(told(stack, "INFO"))
    with reach.api_of(stack) as api:
        rate = hit_rate_percent(reach.asked(api, "/api/about/slo"))
    verdict = cache_state.verdict(rate)
    proposed = cache_state.proposals(state, rate, reach.integer(stack, "cacheMemoryMb"))
    if as_json:
        facts = {**asdict(state), "hit_rate_percent": rate, "state": verdict, "next": proposed}
        terminal.show_json(facts)
    else:
        terminal.show_lines([*state_lines(state, rate, verdict), *(f"next      {one}" for one in proposed)])
    if verdict == "failed":
        raise typer.Exit(CheckFailed.exit_code)


def clear(
    stack: StackName,
    decision_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One decision's insight.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Insights, lists and rates; the database answers all reads then.")
    ] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Invalidate one insight, or all that is cached. Runs on the host and inside the network.

    Section 4.3 of the runbook, by the service's own invalidation: neither KEYS, which stops the cache
    while it walks all keys, nor FLUSHDB, which takes away what belongs to a request under way.
    """
    if (decision_id is None) != everything:
        raise UsageError("give the id of one decision, or --all", "amas cache clear --all")
    if everything:
        consent.demand(stack, "clear the whole cache", yes=yes)
    path = f"/api/insights/{quote(decision_id, safe='')}/cache" if decision_id else "/api/cache/insights"
    with reach.api_of(stack) as api:
        refuse_uncleared(path, api.delete(path))
    if as_json:
        terminal.show_json({"cleared": decision_id or "all"})
    else:
        terminal.show_lines([f"cleared: {decision_id or 'everything that is cached'}"])


def told(stack: str, *command: str) -> str:
    """What redis-cli answers in the cache's container; the password goes in by stdin."""
    from runbook.rotation import typed_into  # noqa: PLC0415 - host only: its page releases by pulumi

    password = reach.secret(stack, "cachePassword")
    _, answer = typed_into(require_part(connect(), stack, "cache"), [*CLI, *command], password)
    return answer


def hit_rate_percent(slo: object) -> float | None:
    """Of the service's reads in the last 15 minutes; None with too few of them to judge."""
    rows = slo.get("rows", []) if isinstance(slo, dict) else []
    row: dict[str, Any] = next((one for one in rows if one.get("id") == "cache_hit_rate"), {})
    if row.get("value") is None or row.get("samples", 0) < cache_state.LEAST_READS:
        return None
    return float(row["value"])


def refuse_uncleared(path: str, answer: Answer) -> None:
    if answer.status != CLEARED:
        raise CheckFailed(f"DELETE {path}: {answer.status} {answer.text[:200]}", "amas cache")


def state_lines(state: CacheState, rate: float | None, verdict: str) -> list[str]:
    target, alert = cache_state.TARGET_PERCENT, cache_state.ALERT_PERCENT
    lookups = "none" if state.hit_percent is None else f"{state.hit_percent:.1f} % of them hit"
    return [
        f"hit rate  {'too few reads' if rate is None else f'{rate:.1f} %'} in 15 minutes: {verdict}",
        f"target    > {target:.0f} %, alert below {alert:.0f} %",
        f"memory    {size(state.used_bytes)} of {size(state.most_bytes)}, {state.fill:.0%}",
        f"keys      {state.keys:,}; {state.evicted:,} evicted, {state.expired:,} expired",
        f"lookups   {state.hits + state.misses:,} since its start {seconds(state.uptime_s)} ago, {lookups}",
        f"clients   {state.clients}",
    ]
