"""Rules that every generated board holds; from Grafana's own linter, and ours. Pure."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dashboards.board import Place
from dashboards.known import SERVICE, Known
from dashboards.promql import OVER_TIME, RATE_INTERVAL, Aggregation, NotPromQL, Selector, read

MOST_PANELS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
FIRST_ROW = "Is it well?"
# Kept as they are by every scrape, so that any metric may be asked for by them.
TARGET_LABELS = {"job", "instance"}

Json = Mapping[str, Any]
Metrics = Mapping[str, Known]


def problems(stem: str, text: str, known: Metrics) -> list[str]:
    """In words, each with its place; `stem` is the file's name without its ending."""
    board = json.loads(text)
    found = [f"{stem}: {problem}" for problem in _of_board(stem, board)]
    for mark in board["annotations"]["list"]:
        found += [f"{stem}: {mark.get('name')!r}: {problem}" for problem in _of_mark(mark, known)]
    for panel in panels(board):
        found += [f"{stem}: {panel.get('title')!r}: {problem}" for problem in _of_panel(panel, known)]
    return found


def panels(board: Json) -> list[Json]:
    return [one for one in board.get("panels", []) if one.get("type") != "row"]


def expressions(board: Json) -> Iterator[tuple[str, str]]:
    """Each panel's title with each of its queries."""
    for panel in panels(board):
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def _of_board(stem: str, board: Json) -> Iterator[str]:
    if board.get("uid") != stem:
        yield f"uid {board.get('uid')!r} is not the file's name"
    if not board.get("title") or not board.get("description"):
        yield "wants a title and a description"
    if "amas" not in board.get("tags", []):
        yield "wants the tag amas"
    if board.get("editable") is not False:
        yield "can be edited in Grafana, where the next release would undo it"
    if len(panels(board)) > MOST_PANELS:
        yield f"has {len(panels(board))} panels; at most {MOST_PANELS}"
    sources = [one for one in board["templating"]["list"] if one.get("type") == "datasource"]
    if [one.get("name") for one in sources] != ["datasource"]:
        yield "wants one variable of type datasource, named datasource"
    yield from _stale_variables(board)
    yield from _of_layout(board)


def _stale_variables(board: Json) -> Iterator[str]:
    for one in board["templating"]["list"]:
        if one.get("type") == "query" and one.get("refresh") != 2:
            yield f"variable {one.get('name')} is not asked for again when the time changes"


def _of_layout(board: Json) -> Iterator[str]:
    every = board.get("panels", [])
    if len({one.get("id") for one in every}) != len(every):
        yield "has panels without an id of their own"
    if not every or every[0].get("title") != FIRST_ROW:
        yield f"does not begin with the row {FIRST_ROW!r}"
    first = list(itertools.takewhile(lambda one: one.get("type") != "row", every[1:]))
    if not first or any(one.get("type") != "stat" for one in first):
        yield f"{FIRST_ROW!r} is not answered by facts alone"
    placed = [(one.get("title"), _place(one)) for one in every]
    for (title, place), (other_title, other) in itertools.combinations(placed, 2):
        if place.overlaps(other):
            yield f"{title!r} lies over {other_title!r}"


def _place(panel: Json) -> Place:
    grid = panel["gridPos"]
    return Place(grid.get("x", 0), grid.get("y", 0), grid["w"], grid["h"])


def _of_panel(panel: Json, known: Metrics) -> Iterator[str]:
    if not panel.get("title") or not panel.get("description"):
        yield "wants a title and a description"
    if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        yield "wants a unit"
    targets: Sequence[Json] = panel.get("targets", [])
    if not targets:
        yield "asks for nothing"
    if len({one.get("refId") for one in targets}) != len(targets):
        yield "has queries of the same refId"
    if any(one.get("datasource") != SOURCE for one in (panel, *targets)):
        yield "does not take its data source from the variable"
    for target in targets:
        yield from _of_query(str(target.get("expr", "")), known)


def _of_mark(mark: Json, known: Metrics) -> Iterator[str]:
    if mark.get("datasource") != SOURCE:
        yield "does not take its data source from the variable"
    yield from _of_query(str(mark.get("expr", "")), known)


def _of_query(expr: str, known: Metrics) -> Iterator[str]:
    try:
        facts = read(expr)
    except NotPromQL as reason:
        yield f"{expr}: no PromQL: {reason}"
        return
    if not facts.selectors:
        yield f"{expr}: names no metric"
    for window in re.findall(r"\brate\([^[]*\[([^]]*)]", expr):
        if window != RATE_INTERVAL:
            yield f"{expr}: a rate over {window}, not over {RATE_INTERVAL}"
    for selector in facts.selectors:
        yield from _of_selector(selector, known)
    for aggregation in facts.aggregations:
        yield from _of_aggregation(aggregation)


def _of_selector(selector: Selector, known: Metrics) -> Iterator[str]:
    if "job" not in selector.matchers:
        yield f"{selector.metric}: wants a matcher of job"
    metric = known.get(selector.metric)
    if metric is None:
        yield f"{selector.metric}: neither the service nor an exporter has it"
        return
    if not any(re.fullmatch(selector.matchers.get("job", ""), job) for job in metric.jobs):
        yield f"{selector.metric}: job {selector.matchers.get('job')!r} does not have it"
    if metric.is_counter != (bool(selector.within) and selector.within[-1] in OVER_TIME):
        needed = "wants" if metric.is_counter else "is no counter and wants no"
        yield f"{selector.metric}: {needed} rate or increase"
    foreign = set(selector.matchers) - TARGET_LABELS - (metric.labels or set(selector.matchers))
    if SERVICE in metric.jobs and foreign:
        yield f"{selector.metric}: has no label {', '.join(sorted(foreign))}"


def _of_aggregation(aggregation: Aggregation) -> Iterator[str]:
    is_of_buckets = aggregation.within and aggregation.within[-1] == "histogram_quantile"
    if is_of_buckets and aggregation.labels is not None and "le" not in aggregation.labels:
        yield "histogram_quantile of buckets that were summed without le"
