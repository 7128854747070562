"""One drill: traffic, the fault, the alert, the fault mended, all well again, every id looked for."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook import sql_session
from runbook.api import Api
from runbook.drill import inject
from runbook.drill.fault import Fault
from runbook.drill.receiver import Receiver
from runbook.drill.traffic import Traffic
from runbook.drill.verdict import ACKNOWLEDGED, Drilled, Observed, acknowledged, judge
from runbook.engine import Engine
from runbook.errors import AmasError, CheckFailed
from runbook.smoke.run import keys_of
from runbook.stack import Stack
from runbook.terminal import Progress

LOOK_EVERY_S = 0.5
# Posts before the fault, so that caches are warm and connections open.
WARM_POSTS = 100
WARM_WITHIN_S = 60.0
# So many acknowledged in a row mean that writes go on.
IN_A_ROW = 20
# A fault lasts at least so long, however soon it is told.
LASTS_S = 20.0
ALERT_ENDS_WITHIN_S = 300.0
DRAINED_WITHIN_S = 180.0


@dataclass(frozen=True)
class Place:
    """A stack that drills are run on."""

    stack: Stack
    engine: Engine
    rate_per_s: float
    receiver: Receiver | None = None


def drill(fault: Fault, place: Place, progress: Progress) -> Drilled:
    """Raises CheckFailed when the stack is not well before; whatever happens then is part of the verdict."""
    config = place.stack.config()
    run_id = f"drill-{fault.name}-{secrets.token_hex(3)}"
    site = place.stack.site()
    with (
        Api(site, keys_of(config)) as api,
        Traffic(site.url, config["keyIngest"].value, run_id, place.rate_per_s) as traffic,
    ):
        refuse_unwell(api, fault)
        if not awaited(lambda: len(traffic.last(WARM_POSTS)) >= WARM_POSTS, WARM_WITHIN_S):
            raise CheckFailed("the stack takes no traffic", "amas status")
        began = datetime.now(UTC)
        with progress.step(f"{fault.name}: {fault.what}"):
            password = config["queuePassword"].value
            with inject.happening(fault, place.engine, place.stack.name, password, place.receiver):
                lasts = time.monotonic() + LASTS_S
                told_s = seconds_until(lambda: fires(api, fault.alert), fault.told_within_s)
                awaited(lambda: time.monotonic() > lasts, LASTS_S)
        with progress.step(f"{fault.name}: mended, until all is well again"):
            well_s = seconds_until(lambda: is_well(api, traffic), fault.recovered_within_s)
            ended_s = seconds_until(lambda: not fires(api, fault.alert), ALERT_ENDS_WITHIN_S)
    with progress.step(f"{fault.name}: every id that was acknowledged is looked for"):
        stored = ids_of(place, run_id, acknowledged(traffic.answers))
        delivered = _delivered(fault, place.receiver)
        with Api(site, keys_of(config)) as api:
            api.purge_run(run_id)
    return judge(fault, Observed(began, traffic.answers, stored, told_s, well_s, ended_s, delivered))


def refuse_unwell(api: Api, fault: Fault) -> None:
    """An alert that fires before the fault shows nothing by firing."""
    if fires(api, fault.alert):
        raise CheckFailed(f"{fault.alert} fires already: mend that first", "amas alerts")


def fires(api: Api, rule: str) -> bool:
    """False too while nobody can be asked: another replica is asked next."""
    try:
        alerts = api.read("/api/alerts/active").json()
    except AmasError:
        return False
    return isinstance(alerts, list) and any(one.get("ruleId") == rule for one in alerts)


def is_well(api: Api, traffic: Traffic) -> bool:
    """Writes reach the database again, and nothing waits in the spool."""
    newest = traffic.last(IN_A_ROW)
    try:
        spool = api.read("/api/about/monitoring").json()["spool"]
    except (AmasError, TypeError, KeyError):
        return False
    stored = len(newest) == IN_A_ROW and set(newest) <= ACKNOWLEDGED - {202}
    return stored and spool["state"] == "up" and spool["length"] == 0


def ids_of(place: Place, run_id: str, wanted: frozenset[str]) -> list[str]:
    """What the database has of the run, once all that is wanted is there or time is up."""
    found: list[str] = []

    def all_there() -> bool:
        with sql_session.of(place.stack.name) as session:
            found[:] = [str(row["decision_id"]) for row in session.rows("ids_of_run", run_id=run_id)]
        return wanted <= set(found)

    awaited(all_there, DRAINED_WITHIN_S)
    return found


def seconds_until(holds: Callable[[], bool], within_s: float) -> float | None:
    """None when it did not hold in time."""
    started = time.monotonic()
    return time.monotonic() - started if awaited(holds, within_s) else None


def awaited(holds: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _delivered(fault: Fault, receiver: Receiver | None) -> bool | None:
    """Whether the end of the alert reached a receiver that refused before; None where none did."""
    if receiver is None or not fault.needs_receiver:
        return None
    return awaited(lambda: receiver.told(fault.alert, "resolved"), ALERT_ENDS_WITHIN_S)
