"""Each rule finds the board that breaks it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from dashboards.board import Board, Panel, Query, Row, Unit, fact
from dashboards.known import Known
from dashboards.lint import problems
from dashboards.panels import as_json

KNOWN = {
    "up": Known(frozenset({"api", "db"}), is_counter=False),
    "lag_seconds": Known(frozenset({"api"}), is_counter=False, labels=frozenset({"route"})),
    "requests_total": Known(frozenset({"api"}), is_counter=True, labels=frozenset({"route"})),
    "took_bucket": Known(frozenset({"api"}), is_counter=True, labels=frozenset({"le"})),
}
Json = dict[str, Any]


def board(expr: str = 'rate(requests_total{job="api"}[$__rate_interval])') -> Json:
    chart = Panel("Chart", "A chart.", Unit.COUNT, [Query(expr)])
    first = Row("Is it well?", [fact("Up", "Whether it is up.", Unit.COUNT, 'max(up{job="api"})')])
    made = Board("amas-test", "Test", "A test.", [first, Row("More", [chart])])
    loaded: Json = json.loads(as_json(made))
    # The marks of every board name metrics that are not known here.
    del loaded["annotations"]["list"][1:]
    loaded["annotations"]["list"][0]["expr"] = 'up{job="api"} > 0'
    return loaded


def found(made: Json) -> list[str]:
    return problems("amas-test", json.dumps(made), KNOWN)


def test_a_good_board_has_no_problem() -> None:
    assert found(board()) == []


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        ('rate(requests_total{job="api"}[5m]', "no PromQL"),
        ('rate(up{job="api"}) ', "no PromQL"),
        ('nonsense(up{job="api"})', "no PromQL"),
        ("vector(1)", "names no metric"),
        ("up", "wants a matcher of job"),
        ('absent_metric{job="api"}', "neither the service nor an exporter has it"),
        ('lag_seconds{job="db"}', "job 'db' does not have it"),
        ('lag_seconds{job="api", rout="x"}', "has no label rout"),
        ('sum(requests_total{job="api"})', "wants rate or increase"),
        ('rate(lag_seconds{job="api"}[$__rate_interval])', "is no counter"),
        ('rate(requests_total{job="api"}[5m])', "a rate over 5m"),
        (
            'histogram_quantile(0.9, sum by (route) (rate(took_bucket{job="api"}[$__rate_interval])))',
            "without le",
        ),
        (
            'histogram_quantile(0.9, sum(rate(took_bucket{job="api"}[$__rate_interval])))',
            "without le",
        ),
    ],
)
def test_a_query_that_breaks_a_rule_is_told(expr: str, problem: str) -> None:
    assert any(problem in one for one in found(board(expr))), found(board(expr))


@pytest.mark.parametrize(
    "expr",
    [
        'histogram_quantile(0.9, sum by (le) (rate(took_bucket{job="api"}[$__rate_interval])))',
        'histogram_quantile(0.9, sum without (instance) (rate(took_bucket{job="api"}[$__rate_interval])))',
        'increase(requests_total{job="api"}[1h])',
        'max(up{job=~"api|db"}) or vector(0)',
        'lag_seconds{job="api", instance="one", route="$route"}',
    ],
)
def test_a_query_within_the_rules_is_none(expr: str) -> None:
    assert found(board(expr)) == []


def untitled(made: Json) -> None:
    made["panels"][3]["title"] = ""


def undescribed(made: Json) -> None:
    del made["panels"][3]["description"]


def without_unit(made: Json) -> None:
    del made["panels"][3]["fieldConfig"]["defaults"]["unit"]


def without_query(made: Json) -> None:
    made["panels"][3]["targets"] = []


def of_one_ref(made: Json) -> None:
    made["panels"][3]["targets"] *= 2


def of_another_source(made: Json) -> None:
    made["panels"][3]["targets"][0]["datasource"]["uid"] = "P1809F7CD0C75ACF3"


def named_otherwise(made: Json) -> None:
    made["uid"] = "other"


def untagged(made: Json) -> None:
    made["tags"] = []


def editable(made: Json) -> None:
    made["editable"] = True


def without_variable(made: Json) -> None:
    made["templating"]["list"] = []


def with_a_stale_variable(made: Json) -> None:
    made["templating"]["list"].append({"type": "query", "name": "route", "refresh": 1})


def marked_by_nothing(made: Json) -> None:
    made["annotations"]["list"][0]["expr"] = "up"


def marked_from_elsewhere(made: Json) -> None:
    made["annotations"]["list"][0]["datasource"]["uid"] = "-- Grafana --"


def of_one_id(made: Json) -> None:
    made["panels"][3]["id"] = 1


def overlapping(made: Json) -> None:
    made["panels"][3]["gridPos"] = made["panels"][1]["gridPos"]


def crowded(made: Json) -> None:
    made["panels"] += [made["panels"][3]] * 24


def with_another_first_row(made: Json) -> None:
    made["panels"][0]["title"] = "Load"


def with_a_chart_first(made: Json) -> None:
    made["panels"][1]["type"] = "timeseries"


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (untitled, "wants a title and a description"),
        (undescribed, "wants a title and a description"),
        (without_unit, "wants a unit"),
        (without_query, "asks for nothing"),
        (of_one_ref, "queries of the same refId"),
        (of_another_source, "does not take its data source from the variable"),
        (named_otherwise, "is not the file's name"),
        (untagged, "wants the tag amas"),
        (editable, "can be edited"),
        (without_variable, "wants one variable of type datasource"),
        (with_a_stale_variable, "is not asked for again"),
        (marked_by_nothing, "'Alerts': up: wants a matcher of job"),
        (marked_from_elsewhere, "'Alerts': does not take its data source"),
        (of_one_id, "without an id of their own"),
        (overlapping, "lies over"),
        (crowded, "at most 24"),
        (with_another_first_row, "does not begin with the row"),
        (with_a_chart_first, "is not answered by facts alone"),
    ],
)
def test_a_board_that_breaks_a_rule_is_told(spoil: Callable[[Json], None], problem: str) -> None:
    made = board()
    spoil(made)
    assert any(problem in one for one in found(made)), found(made)
