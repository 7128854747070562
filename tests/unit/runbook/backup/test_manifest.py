"""A restore is compared with the manifest in all that matters, and each difference has its own words."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.backup import manifest, proof
from runbook.backup.manifest import Content, Manifest, Newest, differences
from runbook.errors import CheckFailed
from runbook.portable.manifest import Table

CONTENT = Content(
    server_version="17.12",
    extensions={"timescaledb": "2.19.3", "plpgsql": "1.0"},
    max_connections=200,
    size_bytes=10_000_000,
    schema_hash="5eba",
    tables={
        "public.decision_insights": Table(1000, "2026-01-02 03:04:05+00", is_hypertable=True),
        "public.admin_audit": Table(3, "2026-01-02 00:00:00+00"),
    },
    newest=Newest(1000, "d41d"),
)
MANIFEST = Manifest("amas_20260102T030406000000", "0/8000028", "2026-01-02T03:04:06+00:00", CONTENT)
EMPTY = {**CONTENT.tables, "public.decision_insights": Table(0, None, is_hypertable=True)}


def test_the_same_content_has_no_differences() -> None:
    assert differences(CONTENT, CONTENT) == []


def test_size_and_connections_may_differ() -> None:
    assert differences(CONTENT, replace(CONTENT, size_bytes=1, max_connections=20)) == []


@pytest.mark.parametrize(
    ("found", "said", "following"),
    [
        (
            replace(CONTENT, tables=EMPTY, newest=Newest(0, None)),
            "public.decision_insights has 0 rows, the manifest says 1000",
            "amas backup now --full",
        ),
        (
            replace(CONTENT, extensions={"timescaledb": "2.18.0", "plpgsql": "1.0"}),
            "extension timescaledb is 2.18.0, the manifest says 2.19.3",
            "amas outdated",
        ),
        (
            replace(CONTENT, extensions={"plpgsql": "1.0"}),
            "extension timescaledb is missing, the manifest says 2.19.3",
            "amas outdated",
        ),
        (
            replace(CONTENT, server_version="17.11"),
            "PostgreSQL is 17.11, the manifest says 17.12",
            "amas outdated",
        ),
        (replace(CONTENT, schema_hash="0"), "the schema is another", "amas backup now --full"),
        (
            replace(CONTENT, newest=Newest(1000, "changed")),
            "the newest 1000 insights read otherwise",
            "amas backup now --full",
        ),
        (
            replace(CONTENT, tables={"public.admin_audit": CONTENT.tables["public.admin_audit"]}),
            "public.decision_insights is missing",
            "amas backup now --full",
        ),
    ],
)
def test_each_difference_fails_the_proof_in_its_own_words(found: Content, said: str, following: str) -> None:
    with pytest.raises(CheckFailed) as failed:
        proof.refuse_differences("backup 1", CONTENT, found)
    assert "backup 1 is not what was there" in failed.value.message
    assert said in failed.value.message
    assert failed.value.next_command == following


tables = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.builds(Table, st.integers(0, 3), st.none() | st.just("2026-01-01"), st.booleans()),
)


@given(tables, tables)
def test_no_differences_means_that_every_table_is_the_same(
    expected: dict[str, Table], found: dict[str, Table]
) -> None:
    lines = differences(replace(CONTENT, tables=expected), replace(CONTENT, tables=found))
    assert (lines == []) == all(found.get(name) == table for name, table in expected.items())


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "manifests" / "1.json"
    manifest.written(MANIFEST, path)
    assert manifest.read(path) == MANIFEST
    assert [one.name for one in path.parent.iterdir()] == ["1.json"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "the manifest 1.json of that backup cannot be read: No such file"),
        ("{half", "the manifest 1.json is damaged"),
        (json.dumps({"format": 2, **asdict(MANIFEST)}), "format 2, and this release reads 1"),
        (json.dumps({"format": 1, "mark": "x"}), "the manifest 1.json is damaged: KeyError"),
    ],
)
def test_a_manifest_that_cannot_be_read_fails_the_proof(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "1.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CheckFailed, match=said):
        manifest.read(path)


def test_a_backup_of_no_table_proves_nothing() -> None:
    with pytest.raises(CheckFailed, match="no table at all"):
        proof.refuse_empty(replace(MANIFEST, content=replace(CONTENT, tables={})))


def test_a_disk_without_room_is_told_before_anything_is_copied() -> None:
    proof.refuse_full_disk(10 << 30, 1 << 30, 1 << 30)
    with pytest.raises(CheckFailed, match="the scratch disk is full: 1024 MiB free, 2304 MiB needed"):
        proof.refuse_full_disk(1 << 30, 1 << 30, 1 << 30)
