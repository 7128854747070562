"""A board as Grafana's JSON; the sole importer of Grafana's SDK."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.board import Board, Mark, Panel, Place, Query, Row, Step, places
from dashboards.words import MARKS

SOURCE = "datasource"
REFRESH = "30s"
SPAN = "now-1h"


def as_json(board: Board) -> str:
    """The same text for the same board, with a newline at its end."""
    return JSONEncoder(sort_keys=True, indent=2).encode(_dashboard(board).build()) + "\n"


def _dashboard(board: Board) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["amas", *board.tags])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .timezone("utc")
        .refresh(REFRESH)
        .time(SPAN, "now")
        .with_variable(dashboard.DatasourceVariable(SOURCE).label("Source").type("prometheus"))
        .link(
            dashboard.DashboardLink("AMAS")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags(["amas"])
            .as_dropdown(True)
        )
    )
    for mark in MARKS:
        made.annotation(_annotation(mark))
    for number, (one, place) in enumerate(places(board), 1):
        if isinstance(one, Row):
            made.with_row(dashboard.Row(one.title).id(number).grid_pos(_grid(place)))
        else:
            made.with_panel(_panel(one).id(number).grid_pos(_grid(place)))
    return made


def _annotation(mark: Mark) -> dashboard.AnnotationQuery:
    made = dashboard.AnnotationQuery().name(mark.name).datasource(_source()).expr(mark.expr)
    return made.title_format(mark.title).icon_color(mark.colour).use_value_for_time(mark.is_moment)


def _panel(panel: Panel) -> stat.Panel | timeseries.Panel:
    made = _fact(panel) if panel.is_fact else _chart(panel)
    made.title(panel.title).description(panel.description).unit(panel.unit.value).datasource(_source())
    if panel.steps:
        made.thresholds(_thresholds(panel.steps))
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        made.with_target(_target(letter, query, is_instant=panel.is_fact))
    return made


def _fact(panel: Panel) -> stat.Panel:
    newest = common.ReduceDataOptions().calcs(["lastNotNull"])
    colours = options.BigValueColorMode.BACKGROUND if panel.steps else options.BigValueColorMode.NONE
    return stat.Panel().reduce_options(newest).color_mode(colours).graph_mode(options.BigValueGraphMode.NONE)


def _chart(panel: Panel) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    made = timeseries.Panel().legend(legend).min(0).fill_opacity(10).show_points(options.VisibilityMode.NEVER)
    if panel.steps:
        drawn = options.GraphThresholdsStyleMode.DASHED
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(drawn))
    if panel.is_stacked:
        made.fill_opacity(40).stacking(common.StackingConfig().mode(options.StackingMode.NORMAL))
    return made


def _target(letter: str, query: Query, *, is_instant: bool) -> prometheus.Dataquery:
    made = prometheus.Dataquery().ref_id(letter).expr(query.expr).datasource(_source())
    made.legend_format(query.legend or "__auto").format(PromQueryFormat.TIME_SERIES)
    return made.instant() if is_instant else made.range()


def _thresholds(steps: Sequence[Step]) -> dashboard.ThresholdsConfig:
    made = [model.Threshold(value=value, color=colour.value) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def _source() -> options.DataSourceRef:
    return options.DataSourceRef(type_val="prometheus", uid="${" + SOURCE + "}")


def _grid(place: Place) -> model.GridPos:
    return model.GridPos(h=place.height, w=place.width, x=place.x, y=place.y)
