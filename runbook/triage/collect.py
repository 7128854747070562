"""Asks the service, the database, the logs and the engine what a page of section 3 wants to know."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from runbook import sql_session
from runbook.alerts import active
from runbook.answers import body_of
from runbook.api import Api
from runbook.engine import Container, Engine, LogLine
from runbook.errors import AmasError, CheckFailed
from runbook.health import asked
from runbook.logs import merged
from runbook.present import ROUTE, Missing, present_in
from runbook.stack import Setting
from runbook.status import state_of
from runbook.switches import switches_of
from runbook.triage.cause import Evidence, Facts
from runbook.triage.phrases import SERVICE, facts_of, quotes, trouble

TEST = "/api/alerts/test"
# Of one container; more says nothing that these do not.
MOST_LINES = 20_000
WELL = frozenset({"healthy", "running", "done", "starting"})
RECEIVERS = ("alertWebhookUrl", "alertWebhookUrlL2", "alertWebhookUrlL3")


@dataclass(frozen=True)
class Place:
    """Where to look; each part may be away without ending the triage."""

    stack: str
    api: Api
    engine: Engine
    config: Mapping[str, Setting]
    now: datetime
    since: timedelta


class Collected:
    """Facts as they come in, with the sources that could not be asked."""

    def __init__(self) -> None:
        self.facts: dict[str, float] = {}
        self.quotes: list[str] = []
        self.missing: list[str] = []

    def ask(self, source: str, question: Callable[[], Facts]) -> None:
        try:
            self.facts |= question()
        except (AmasError, OSError, ValueError, KeyError, TypeError) as reason:
            self.missing.append(f"{source}: {reason}")


def evidence(place: Place, topic: str, *, test: bool = False) -> Evidence:
    found = Collected()
    found.ask("values of the service", lambda: values(place.api))
    found.ask("switches", lambda: thrown(place.api))
    found.ask("alerts", lambda: silenced(place.api))
    found.ask("configuration", lambda: receivers(place.config))
    found.ask("database", lambda: of_database(place.stack))
    found.ask("containers", lambda: of_containers(place.engine.containers(place.stack)))
    found.ask("disk", lambda: of_disk(place.engine.disk_root()))
    found.ask("logs", lambda: _of_logs(place, topic, found.quotes))
    if test:
        found.ask("test message", lambda: _tested(place.api, found.quotes))
    return Evidence(found.facts, proposed(place.config, place.api.url), found.quotes, found.missing)


def values(api: Api) -> Facts:
    present = present_in(asked(lambda: api.read(ROUTE)))
    if isinstance(present, Missing):
        raise CheckFailed(present.reason)
    reads = {"cache.reads": float(present["cache.hit_rate"].samples)} if "cache.hit_rate" in present else {}
    return {name: one.value for name, one in present.items()} | reads


def thrown(api: Api) -> Facts:
    return {f"switch.{one.name}": float(one.on) for one in switches_of(api)}


def silenced(api: Api) -> Facts:
    firing = active(api)
    return {
        "alerts.firing": float(len(firing)),
        "alerts.silenced": float(sum(one["silenced"] for one in firing)),
    }


def receivers(config: Mapping[str, Setting]) -> Facts:
    return {
        "receivers.configured": float(sum(bool(name in config and config[name].value) for name in RECEIVERS))
    }


def of_database(stack: str) -> Facts:
    with sql_session.of(stack, limit_s=10) as session:
        (row,) = session.rows("triage_facts")
    return {f"sql.{name}": float(value) for name, value in row.items()}


def of_containers(containers: Sequence[Container]) -> Facts:
    ill = [one for one in containers if state_of(one)[0] not in WELL]
    return {"containers.unhealthy": float(len(ill))}


def of_disk(root: str) -> Facts:
    """Nothing where the engine is on another host."""
    if not Path(root).is_dir():
        return {}
    usage = shutil.disk_usage(root)
    return {"disk.free_percent": 100 * usage.free / usage.total}


def proposed(config: Mapping[str, Setting], url: str) -> dict[str, str]:
    """Settings a fix may name: half as much again of what is in force."""

    def more(name: str, usual: int) -> str:
        held = config[name].value if name in config else ""
        return str(round(1.5 * (int(held) if held.isdigit() else usual)))

    held = config["replicas"].value if "replicas" in config else "2"
    per_minute = config["alertWebhookMaxPerMinute"].value if "alertWebhookMaxPerMinute" in config else "12"
    return {
        "pool": more("dbConnectionPoolSize", 20),
        "connections": more("dbMaxConnections", 200),
        "timeout": more("dbStatementTimeout", 5000),
        "replicas": str(int(held) + 1),
        "fewer": str(max(1, int(per_minute) // 2)),
        "url": url,
    }


def _of_logs(place: Place, topic: str, into: list[str]) -> Facts:
    service, database = _lines(place, "api"), _lines(place, "db")
    wanted = [name for name in SERVICE if name.startswith("log.webhook") == (topic == "webhooks")]
    into.extend(quotes(service, wanted))
    return facts_of(service, database)


def _lines(place: Place, part: str) -> list[LogLine]:
    since = place.now - place.since
    containers = place.engine.containers(place.stack, part)
    logs = [place.engine.log_lines(one, since=since, tail=MOST_LINES) for one in containers]
    return list(merged(logs))


def _tested(api: Api, into: list[str]) -> Facts:
    told = body_of(api.post(TEST, {}), f"POST {TEST}")["destinations"]
    for one in told:
        word = "took the test message" if one["delivered"] else "did not take the test message"
        into.append(f"{one['destination']} {word}: {one['reason']}")
    turned_down = [one["reason"] for one in told if not one["delivered"]]
    return {"test.failed": float(len(turned_down))} | {trouble(one): 1.0 for one in turned_down}
