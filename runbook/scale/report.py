"""The autoscaler's state in the words of an operator. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from runbook.scale.simulate import Verdict
from runbook.terminal import seconds

# So long without a sight is no hiccup.
BLIND_S = 120.0
Facts = Mapping[str, Any]


def faults(state: Facts) -> list[str]:
    """Why nobody could count on it now."""
    found = []
    if state["lookAgeSeconds"] is None or state["lookAgeSeconds"] > BLIND_S:
        found.append(f"no look for {_age(state['lookAgeSeconds'])}")
    if state["sightAgeSeconds"] > BLIND_S:
        found.append(f"blind for {_age(state['sightAgeSeconds'])}: {state['blind'] or 'it sees again'}")
    return found


def replica_rows(state: Facts) -> list[list[str]]:
    seen = state["signals"]
    if not seen:
        return []
    return [
        [
            one["id"],
            "burst" if one["burst"] else "configured",
            "healthy" if one["healthy"] else "starting",
            _percent(one["cpu_percent"]),
            _percent(one["memory_percent"]),
        ]
        for one in seen["replicas"]
    ]


def lines(state: Facts) -> list[str]:
    rules, seen, decided = state["rules"], state["signals"], state["decision"]
    change, order = state["lastChange"], state["order"]
    bounds = f"{rules['least']} to {rules['most']} replicas"
    full = rules["most"] <= rules["least"]
    return [
        "",
        f"bounds    {bounds}{', dry run: nothing is done' if state['dryRun'] else ''}",
        *(["but       no room beside a roll: raise maxReplicas or dbMaxConnections"] if full else []),
        f"more      {_more(rules)}, for {seconds(rules['out_after_s'])}",
        f"fewer     after {seconds(rules['in_after_s'])} of calm",
        f"cooldown  {seconds(rules['cooldown_s'])} between two changes",
        f"restart   memory > {rules['memory_percent']:g} %, one at a time",
        *([f"seen      {_seen(seen)}"] if seen else []),
        f"decided   {decided['action']}: {decided['reason']}",
        *([f"changed   {change['at']} {change['action']}: {change['reason']}"] if change else []),
        *([f"ordered   {order['replicas']} until {order['until']}"] if order else []),
        *(f"FAILED    {one}" for one in faults(state)),
    ]


def verdict_rows(found: Sequence[Verdict]) -> list[list[str]]:
    head = ["trace", "changes", "turns", "restarts", "most", "slow", "slow without", "replica hours"]
    return [
        head,
        *(
            [
                one.trace,
                str(one.changes),
                str(one.turns),
                str(one.restarts),
                str(one.most_replicas),
                seconds(one.slow_s),
                seconds(one.slow_s_unscaled),
                f"{one.replica_hours:g} of {one.replica_hours_at_most:g}",
            ]
            for one in found
        ),
    ]


def _more(rules: Facts) -> str:
    return (
        f"cpu > {rules['cpu_percent']:g} %, p95 > {rules['latency_ms']:g} ms "
        f"or queue age > {rules['queue_age_s']:g} s"
    )


def _seen(seen: Facts) -> str:
    p95 = "too few requests for a p95" if seen["p95_ms"] is None else f"p95 {seen['p95_ms']:.0f} ms"
    return f"cpu {_percent(seen['cpu_percent'])}, {p95}, queue age {seen['queue_age_s']:.1f} s"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f} %"


def _age(value: float | None) -> str:
    return "ever" if value is None else seconds(value)
