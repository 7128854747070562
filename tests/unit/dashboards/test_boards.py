"""The boards as they are kept: generated from the code, within the rules, naming what exists."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import known, lint
from dashboards.__main__ import BOARDS, GENERATED, drift
from dashboards.board import Board
from dashboards.panels import as_json
from dashboards.promql import read

ROOT = Path(__file__).resolve().parents[3]
KEPT = sorted(GENERATED.glob("*.json"))
PROMETHEUS = yaml.safe_load((ROOT / "images/monitoring/prometheus.yml").read_text())

by_uid = pytest.mark.parametrize("board", BOARDS, ids=lambda one: one.uid)


def made() -> dict[str, str]:
    return {board.uid: as_json(board) for board in BOARDS}


def test_what_is_kept_is_what_the_code_makes() -> None:
    assert drift(made()) == []


def test_a_board_that_was_changed_by_hand_or_forgotten_is_told() -> None:
    changed = {**made(), "amas-overview": "{}", "amas-new": "{}"}
    assert [line.split()[0] for line in drift(changed)] == [
        "dashboards/generated/amas-new.json", "dashboards/generated/amas-overview.json",
    ]  # fmt: skip


@by_uid
def test_a_board_holds_every_rule(board: Board) -> None:
    assert lint.problems(board.uid, as_json(board), known.metrics()) == []


@by_uid
def test_a_board_is_read_back_as_it_was_written(board: Board) -> None:
    text = as_json(board)
    again = Dashboard.from_json(json.loads(text))
    assert JSONEncoder(sort_keys=True, indent=2).encode(again) + "\n" == text


@by_uid
def test_a_board_takes_prometheus_alone_and_no_source_by_its_uid(board: Board) -> None:
    assert set(re.findall(r'"uid": "([^"]*)"', as_json(board))) == {board.uid, "${datasource}"}


def test_every_exporters_metric_that_is_allowed_is_used() -> None:
    used = {
        selector.metric
        for path in KEPT
        for _, expr in lint.expressions(json.loads(path.read_text()))
        for selector in read(expr).selectors
    }
    exporters = {name for name, one in known.metrics().items() if known.SERVICE not in one.jobs}
    assert exporters - used == set()


def test_the_jobs_are_those_that_prometheus_scrapes() -> None:
    assert sorted(known.JOBS) == sorted(one["job_name"] for one in PROMETHEUS["scrape_configs"])


def test_provisioning_names_the_source_and_the_interval_that_prometheus_has() -> None:
    (source,) = provisioned("datasources")["datasources"]
    assert source["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]
    assert (source["editable"], provisioned("boards")["providers"][0]["allowUiUpdates"]) == (False, False)


def provisioned(name: str) -> Any:
    return yaml.safe_load((ROOT / f"dashboards/provisioning/{name}.yaml").read_text())
