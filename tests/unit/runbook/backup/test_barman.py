"""Barman's answers, by a program of its name that says what it would."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbook.backup import barman as programs
from runbook.backup.barman import Barman, reason_of
from runbook.backup.catalog import Detail, detail_of
from runbook.errors import CheckFailed

Says = Callable[..., Path]


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    """`says(answer, exit_code)`: the next barman on PATH; its words are kept in a file, which is returned."""

    def make(answer: object, exit_code: int = 0, before: str = "") -> Path:
        words = tmp_path / "words"
        (tmp_path / "answer").write_text(answer if isinstance(answer, str) else json.dumps(answer))
        program = tmp_path / "barman"
        program.write_text(
            f'#!/bin/sh\necho "$@" >>{words}\n{before}\ncat {tmp_path}/answer\nexit {exit_code}\n'
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return words

    return make


def shown(backup_id: str, parent: str | None) -> dict[str, Any]:
    base = {
        "timeline": 1,
        "begin_wal": "1" * 24,
        "end_wal": "2" * 24,
        "end_time_timestamp": "1767230130",
        "backup_size_bytes": 1,
    }
    catalog = {"parent_backup_id": parent} if parent else {}
    return {
        "db": {
            "backup_id": backup_id,
            "status": "DONE",
            "base_backup_information": base,
            "catalog_information": catalog,
        }
    }


def test_it_is_asked_for_json_by_the_configuration_in_force(says: Says) -> None:
    words = says({"db": []})
    assert Barman(Path("/run/other.conf")).backups() == []
    assert words.read_text() == "--config /run/other.conf --format json list-backups db\n"


def test_an_incremental_backup_names_its_parent(says: Says) -> None:
    words = says({"backup_id": "20260102T011500"})
    assert Barman().take("20260101T011500", lambda: None) == "20260102T011500"
    assert Barman().take(None, lambda: None) == "20260102T011500"
    first, second = words.read_text().splitlines()
    assert first.endswith("backup --incremental 20260101T011500 db")
    assert second.endswith("backup db")


def test_the_chain_goes_back_to_the_full_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    parents = {"3": "2", "2": "1", "1": None}
    details = {one: detail_of(shown(one, parent)) for one, parent in parents.items()}

    def detail(self: Barman, backup_id: str) -> Detail:
        return details[backup_id]

    monkeypatch.setattr(Barman, "detail", detail)
    assert [one.id for one in Barman().chain(details["3"])] == ["1", "2", "3"]
    assert [one.id for one in Barman().chain(details["1"])] == ["1"]


def test_a_proof_changes_what_it_needs_and_nothing_else(tmp_path: Path) -> None:
    kept = tmp_path / "barman.conf"
    kept.write_text(
        "[barman]\nbarman_home = /kept\n[db]\nlocal_staging_path = /kept/staging\nslot_name = x\n"
    )
    changed = Barman(kept).with_settings(tmp_path / "new.conf", {"local_staging_path": Path("/new\\1")})
    assert changed.configuration.read_text() == kept.read_text().replace("/kept/staging", "/new\\1")


def test_failure_carries_its_errors(says: Says) -> None:
    says({"_ERROR": ["No space left", "Backup failed"]}, 1)
    with pytest.raises(CheckFailed, match="barman backup: No space left; Backup failed"):
        Barman().take(None, lambda: None)


def test_failure_without_json_carries_the_last_of_its_log(says: Says) -> None:
    says("", 1, before="echo broken pipe >&2")
    with pytest.raises(CheckFailed, match="barman archive-wal: broken pipe"):
        Barman().archive()


def test_only_the_checks_that_failed_are_told(says: Says) -> None:
    checks = {"ssh": {"status": "OK", "hint": ""}, "WAL archive": {"status": "FAILED", "hint": "none yet"}}
    says({"db": checks}, 1)
    assert Barman().failed_checks() == {"WAL archive": "none yet"}


def test_a_copy_that_lasts_tells_how_far_it_is(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "TELL_EVERY_S", 0.01)
    says({"backup_id": "1"}, before="sleep 0.1")
    told: list[str] = []
    Barman().take(None, lambda: told.append("so far"))
    assert told


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"_ERROR": "one"}, "one"),
        ({"_EXCEPTION": ["two"]}, "two"),
        ({"said": "\n".join("abcdef")}, "c; d; e; f"),
        ({}, "it failed and said nothing"),
    ],
)
def test_a_failure_always_says_something(told: dict[str, Any], reason: str) -> None:
    assert reason_of(told) == reason
