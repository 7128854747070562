"""Which export may go into which stack."""

from dataclasses import replace
from typing import Any

import pytest

from runbook.portable.judge import refusals
from runbook.portable.manifest import Table
from tests.unit.runbook.portable.test_manifest import FACTS, MANIFEST

EMPTY = replace(FACTS, tables={"public.decision_insights": Table(0), "public.alert_book": Table(1)})


def test_the_same_versions_and_an_empty_stack_are_no_reason_to_refuse() -> None:
    assert refusals(MANIFEST, EMPTY, "local", None) == []


def test_an_export_of_an_older_server_and_release_is_taken() -> None:
    newer = replace(
        EMPTY, server_version=180000, migrations=(*FACTS.migrations, "0002_more.sql"), timescaledb="2.19.3"
    )
    assert refusals(MANIFEST, newer, "local", None) == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ({"timescaledb": "2.20.0"}, "TimescaleDB 2.19.3 wrote the export, the stack has 2.20.0"),
        ({"server_version": 160014}, "PostgreSQL 17 wrote the export, the stack has 16"),
        ({"migrations": ()}, "the export knows 0001_decision_insights.sql, which this release does not"),
    ],
)
def test_what_does_not_fit_is_refused_even_with_consent(target: dict[str, Any], said: str) -> None:
    (line,) = refusals(MANIFEST, replace(EMPTY, **target), "local", "local")
    assert said in line


def test_decisions_are_replaced_only_with_the_stacks_name_typed() -> None:
    (line,) = refusals(MANIFEST, FACTS, "local", None)
    assert "holds 7 rows of decisions" in line
    assert refusals(MANIFEST, FACTS, "local", "local") == []


def test_another_stacks_name_is_refused_on_an_empty_stack_too() -> None:
    assert refusals(MANIFEST, EMPTY, "local", "other") == ["--replace 'other' is not the name of this stack"]
