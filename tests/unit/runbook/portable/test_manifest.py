"""What an export says of itself, and what an import compares it with."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.errors import CheckFailed
from runbook.portable.manifest import Facts, Manifest, Table, differences, facts_of, manifest_of

NEWEST = "2026-01-02T03:04:05.123456+00:00"
FACTS = Facts(
    server_version=170011,
    timescaledb="2.19.3",
    migrations=("0001_decision_insights.sql",),
    size_bytes=1000,
    tables={
        "public.decision_insights": Table(5, NEWEST, is_hypertable=True),
        "public.decision_keys": Table(2, NEWEST),
        "public.alert_book": Table(1, NEWEST),
    },
    relations={"_timescaledb_internal._hyper_1_1_chunk": 5, "public.decision_keys": 2},
)
MANIFEST = Manifest("2026-01-03T00:00:00+00:00", "local", "danci", FACTS)
PRINTED = [
    {
        "serverVersion": 170011,
        "timescaledb": "2.19.3",
        "migrations": ["0001_decision_insights.sql"],
        "sizeBytes": 1000,
        "hypertables": ["public.decision_insights"],
    },
    {"table": "public.decision_insights", "relation": "a_chunk", "rows": 3, "newest": "2026-01-01"},
    {"table": "public.decision_insights", "relation": None, "rows": 3, "newest": "2026-01-01"},
    {"table": "public.decision_keys", "relation": None, "rows": 0, "newest": None},
]

tables = st.builds(
    Table,
    rows=st.integers(0, 10**9),
    newest=st.none() | st.just(NEWEST),
    is_hypertable=st.booleans(),
)
facts = st.builds(
    Facts,
    server_version=st.integers(10**5, 10**6),
    timescaledb=st.text(),
    migrations=st.lists(st.text()).map(tuple),
    size_bytes=st.integers(0),
    tables=st.dictionaries(st.text(), tables),
    relations=st.dictionaries(st.text(), st.integers(0)),
)


@given(facts)
def test_a_manifest_is_read_back_as_it_was_written(any_facts: Facts) -> None:
    manifest = replace(MANIFEST, facts=any_facts)
    assert manifest_of(json.dumps(manifest.as_json())) == manifest


@given(facts)
def test_a_database_does_not_differ_from_itself(any_facts: Facts) -> None:
    assert differences(any_facts, any_facts) == []


def test_rows_count_once_and_empty_tables_are_told_too() -> None:
    found = facts_of(json.dumps(line) for line in PRINTED)
    assert found.rows == found.decisions == 3
    assert found.tables["public.decision_keys"] == Table(0)
    assert found.tables["public.decision_insights"].is_hypertable
    assert found.relations == {"a_chunk": 3}


def test_only_what_clients_sent_counts_as_decisions() -> None:
    assert FACTS.rows == 8
    assert FACTS.decisions == 7


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (None, "public.decision_insights is missing"),
        (Table(0, NEWEST, is_hypertable=True), "public.decision_insights has 0 rows, the manifest says 5"),
        (Table(5, None, is_hypertable=True), f"the newest row is of None, the manifest says {NEWEST}"),
        (Table(5, NEWEST), "is a plain table, the manifest says a hypertable"),
    ],
)
def test_each_difference_names_the_table(changed: Table | None, said: str) -> None:
    left = {name: table for name, table in FACTS.tables.items() if name != "public.decision_insights"}
    found = replace(FACTS, tables=left | ({"public.decision_insights": changed} if changed else {}))
    (line,) = differences(FACTS, found)
    assert said in line


def test_tables_of_a_newer_release_are_no_difference() -> None:
    assert differences(FACTS, replace(FACTS, tables={**FACTS.tables, "public.job_runs": Table(3)})) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', json.dumps(MANIFEST.as_json())[:-40]])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(CheckFailed, match="cannot be read"):
        manifest_of(text)


def test_another_format_is_told() -> None:
    with pytest.raises(CheckFailed, match="format 2; this release reads 1"):
        manifest_of(json.dumps(MANIFEST.as_json() | {"format": 2}))
