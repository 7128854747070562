"""Asks Prometheus what the panels ask, with Grafana's variables put in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from dashboards.board import Panel, Query
from dashboards.promql import substituted

# Four times the scrape interval: what Grafana takes for $__rate_interval.
RATE_INTERVAL = "1m"
TIMEOUT_S = 30


@dataclass(frozen=True)
class Series:
    """One line of a chart; times in seconds since 1970."""

    name: str
    points: Sequence[tuple[float, float]]

    @property
    def newest(self) -> float:
        return self.points[-1][1]


@dataclass(frozen=True)
class Span:
    """From when to when, and how far points are apart."""

    start: float
    end: float
    step_s: int


class Prometheus:
    """Its HTTP API, at an address such as http://localhost:9090."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT_S)

    def close(self) -> None:
        self._client.close()

    def panel(self, panel: Panel, span: Span) -> list[Series]:
        """What the panel shows; series without one number are left out. Raises httpx.HTTPError."""
        found = [
            series for query in panel.queries for series in self.query(query, span, is_instant=panel.is_fact)
        ]
        return [one for one in found if one.points]

    def query(self, query: Query, span: Span, *, is_instant: bool) -> list[Series]:
        """One of its queries, at once or over time."""
        expr = substituted(query.expr, RATE_INTERVAL)
        if is_instant:
            result = self._asked("query", {"query": expr, "time": span.end})
        else:
            times = {"start": span.start, "end": span.end, "step": span.step_s}
            result = self._asked("query_range", {"query": expr, **times})
        return [_series(query.legend, one) for one in result]

    def _asked(self, path: str, parameters: Mapping[str, str | float]) -> list[Any]:
        answer = self._client.get(f"/api/v1/{path}", params=dict(parameters))
        answer.raise_for_status()
        result: list[Any] = answer.json()["data"]["result"]
        return result


def _series(legend: str, result: Mapping[str, Any]) -> Series:
    labels = result.get("metric", {})
    numbers = [(float(at), float(value)) for at, value in result.get("values") or [result["value"]]]
    return Series(named(legend, labels), [one for one in numbers if math.isfinite(one[1])])


def named(legend: str, labels: Mapping[str, str]) -> str:
    """The legend with its labels put in, as Grafana does."""
    if legend and not labels and "{{" in legend:
        return "none"
    for name, value in labels.items():
        legend = legend.replace("{{" + name + "}}", value)
    return legend or ", ".join(f"{name}={value}" for name, value in sorted(labels.items()))
