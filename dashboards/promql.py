"""What a PromQL expression names and how; the sole importer of its parser. Pure."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import promql_parser as parser

# What Grafana puts in before it asks. A variable stands where a label's value does.
_VARIABLES = (
    (r"\$__rate_interval|\$\{__rate_interval\}", "5m"),
    (r"\$__interval|\$\{__interval\}", "1m"),
    (r"\$__range|\$\{__range\}", "1h"),
    (r"\$\{?[a-z_]+(:[a-z]+)?\}?", ".+"),
)
RATE_INTERVAL = "$__rate_interval"
OVER_TIME = ("rate", "irate", "increase")


class NotPromQL(Exception):
    """An expression that Prometheus would refuse."""


@dataclass(frozen=True)
class Selector:
    """One metric in an expression. `within` are the functions around it, the innermost last."""

    metric: str
    matchers: Mapping[str, str]
    within: tuple[str, ...]


@dataclass(frozen=True)
class Aggregation:
    """`labels` are those kept; None where they are named by what is dropped."""

    within: tuple[str, ...]
    labels: frozenset[str] | None


@dataclass
class Facts:
    """All that an expression holds."""

    selectors: list[Selector] = field(default_factory=list)
    aggregations: list[Aggregation] = field(default_factory=list)


def substituted(expr: str, rate_interval: str = "5m") -> str:
    """With Grafana's variables replaced."""
    for pattern, value in _VARIABLES:
        expr = re.sub(pattern, rate_interval if RATE_INTERVAL in pattern.replace("\\", "") else value, expr)
    return expr


def read(expr: str) -> Facts:
    """Raises NotPromQL."""
    try:
        tree = parser.parse(substituted(expr))
    except (ValueError, TypeError) as reason:
        raise NotPromQL(str(reason)) from None
    facts = Facts()
    around: list[str] = []
    parser.walk(tree, functools.partial(_enter, facts, around), functools.partial(_leave, around))
    return facts


def _enter(facts: Facts, around: list[str], node: parser.Expr) -> None:
    if isinstance(node, parser.Call):
        around.append(node.func.name)
    elif isinstance(node, parser.AggregateExpr):
        facts.aggregations.append(Aggregation(tuple(around), _kept(node)))
        around.append(str(node.op))
    elif isinstance(node, parser.VectorSelector):
        facts.selectors.append(_selector(node, around))
    elif isinstance(node, parser.MatrixSelector):
        facts.selectors.append(_selector(node.vector_selector, around))


def _leave(around: list[str], node: parser.Expr) -> None:
    if isinstance(node, (parser.Call, parser.AggregateExpr)):
        around.pop()


def _kept(node: parser.AggregateExpr) -> frozenset[str] | None:
    modifier = node.modifier
    if modifier is None:
        return frozenset()
    return frozenset(modifier.labels) if modifier.type == parser.AggModifierType.By else None


def _selector(node: parser.VectorSelector, around: list[str]) -> Selector:
    matchers = {one.name: one.value for one in node.matchers.matchers}
    return Selector(node.name or matchers.pop("__name__", ""), matchers, tuple(around))
