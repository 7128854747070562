"""Who has to know by now: the runbook's escalation path."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.alerts.alert import Alert
from service.alerts.rule import Severity

SECOND_AFTER_S = 30 * 60.0
THIRD_AFTER_S = 60 * 60.0
LEVELS = (1, 2, 3)
# A rule that carries this label with one of these texts tells of an emergency when it is critical.
EMERGENCY_LABEL = "class"
EMERGENCIES = ("data-loss", "outage")


def level(alert: Alert, now: float, *, acknowledged: bool) -> int:
    """L1 at once; unacknowledged high and critical ones L2 after 30 minutes and L3 after an hour.

    What may lose data, or is a complete outage, goes straight to L2.
    """
    emergency = alert.severity is Severity.CRITICAL and alert.labels.get(EMERGENCY_LABEL) in EMERGENCIES
    first = 2 if emergency else 1
    if acknowledged or alert.severity not in (Severity.HIGH, Severity.CRITICAL):
        return first
    age_s = now - alert.fired_at
    return 3 if age_s >= THIRD_AFTER_S else 2 if age_s >= SECOND_AFTER_S else first


@dataclass(frozen=True)
class Destinations:
    """Names of receivers by level: never their addresses, which are secrets."""

    by_level: Mapping[int, str]

    def upto(self, after: int, until: int) -> tuple[str, ...]:
        """Those of the levels above `after`, each once; a level without a receiver shares that before it."""
        names = [self.by_level[one] for one in LEVELS if after < one <= until and one in self.by_level]
        return tuple(dict.fromkeys(names))


def destinations(urls: Mapping[int, str]) -> tuple[Destinations, dict[str, str]]:
    """The names by level, and the address of each; none at all without an address for the first level."""
    by_level: dict[int, str] = {}
    addresses: dict[str, str] = {}
    for one in LEVELS:
        url = urls.get(one) or (addresses[by_level[one - 1]] if one - 1 in by_level else "")
        if not url:
            break
        known = next((name for name, address in addresses.items() if address == url), None)
        name = known or f"l{one}"
        by_level[one] = name
        addresses[name] = url
    return Destinations(by_level), addresses
