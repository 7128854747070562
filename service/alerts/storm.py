"""Too many alerts at once: what they have in common, and what to silence."""

from collections import Counter
from collections.abc import Iterable

import msgspec

# What counts firings; a rule about it tells of a storm.
METRIC = "alerts.per_minute"
# More firing transitions than this within the window are a storm.
MOST_FIRINGS = 50
WINDOW_S = 60.0
SILENCE_S = 600
COOLDOWN_MS = 600_000
MOST_NAMED = 20


class Firing(msgspec.Struct, frozen=True):
    """One firing transition, with what it may have in common with others."""

    at: float
    rule_id: str
    metric: str
    labels: dict[str, str] = {}


class Storm(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What most of the alerts share, and what to do about it; `matchers` is what a silence of them takes."""

    began_at: float
    firings: int
    # "metric" or the name of a label, its value, and how many of the firings have it.
    common: str
    value: str
    sharing: int
    matchers: dict[str, str]
    silence_s: int = SILENCE_S
    # Rules that fired most, for which a longer cooldown lasts where a silence ends.
    rule_ids: list[str]
    cooldown_ms: int = COOLDOWN_MS

    def said(self) -> str:
        return f"{self.sharing} of {self.firings} alerts share {self.common} = {self.value}"

    def silence(self) -> dict[str, object]:
        """The body of a request for the silence."""
        return {
            "matchers": self.matchers,
            "comment": f"alert storm: {self.said()}",
            "createdBy": "alert-storm",
            "duration": f"{self.silence_s // 60}m",
        }


def storm(firings: Iterable[Firing], now: float, most: int = MOST_FIRINGS) -> Storm | None:
    """None for a minute like any other. A firing from the future (a clock went back) counts as one of now."""
    recent = [one for one in firings if one.metric != METRIC and lately(one.at, now)]
    if len(recent) <= most:
        return None
    (common, value), sharing = _most(shared for one in recent for shared in _shared(one))
    # A silence matches metrics, not labels: of those that share the label, the most frequent metric.
    alike = [one for one in recent if (common, value) in _shared(one)]
    (_, metric), _ = _most(("metric", one.metric) for one in alike)
    fired = Counter(one.rule_id for one in alike if one.metric == metric)
    return Storm(
        began_at=min(one.at for one in recent),
        firings=len(recent),
        common=common,
        value=value,
        sharing=sharing,
        matchers={"metric": metric},
        rule_ids=sorted(fired, key=lambda rule_id: (-fired[rule_id], rule_id))[:MOST_NAMED],
    )


def per_minute(firings_at: Iterable[float], now: float) -> int:
    """What the metric alerts.per_minute counts, from the times at which alerts began."""
    return sum(lately(at, now) for at in firings_at)


def lately(at: float, now: float) -> bool:
    return at > now - WINDOW_S


def _shared(one: Firing) -> list[tuple[str, str]]:
    return [("metric", one.metric), *sorted(one.labels.items())]


def _most(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], int]:
    """The metric wins against a label that as many share; else the first by name."""
    counts = Counter(pairs)
    pair = min(counts, key=lambda one: (-counts[one], one[0] != "metric", one))
    return pair, counts[pair]
