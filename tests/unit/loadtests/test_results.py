"""Older results go when that is asked for, and nothing else does."""

from datetime import timedelta
from pathlib import Path

import pytest

from loadtests import results
from loadtests.results import SUMMARY, prune
from tests.unit.loadtests.testing_facts import AT, planned


def result(root: Path, day: int, *, ended: bool = True, name: str = "mixed-smoke") -> Path:
    folder = root / f"202601{day:02}T023000Z-{name}"
    folder.mkdir()
    (folder / "options.json").write_text("{}")
    if ended:
        (folder / SUMMARY).write_text("{}")
    return folder


def names(root: Path) -> list[str]:
    return sorted(one.name for one in root.iterdir())


NOW = AT + timedelta(days=20)


def test_the_newest_stay(tmp_path: Path) -> None:
    made = [result(tmp_path, day) for day in (1, 2, 3, 4)]
    assert sorted(prune(tmp_path, 2, NOW)) == made[:2]
    assert names(tmp_path) == [one.name for one in made[2:]]


def test_a_folder_as_a_run_makes_it_is_known_as_one(tmp_path: Path) -> None:
    for _ in range(2):
        folder = results.begun(tmp_path, planned("seed-rate"))
        (folder / SUMMARY).write_text("{}")
    assert [one.name for one in prune(tmp_path, 1, NOW)] == ["20260102T023000Z-mixed-seed-rate"]


def test_the_present_ones_stay_whatever_the_clock_said(tmp_path: Path) -> None:
    present, _ = result(tmp_path, 1), result(tmp_path, 9)
    assert prune(tmp_path, 1, NOW, [present]) == []


def test_one_that_may_be_at_work_stays_for_a_day(tmp_path: Path) -> None:
    at_work = result(tmp_path, 2, ended=False)
    result(tmp_path, 9)
    assert prune(tmp_path, 1, AT + timedelta(hours=9)) == []
    assert prune(tmp_path, 1, AT + timedelta(hours=25)) == [at_work]


def test_what_is_no_result_stays(tmp_path: Path) -> None:
    result(tmp_path, 9)
    (tmp_path / "notes").mkdir()
    (tmp_path / "20260101T023000Z-mixed-smoke").mkdir()
    (tmp_path / "20260102T023000Z-mixed-smoke").symlink_to(result(tmp_path, 3, name="kept by me"))
    (tmp_path / "summary.md").write_text("")
    before = names(tmp_path)
    assert prune(tmp_path, 1, NOW) == []
    assert names(tmp_path) == before


def test_without_a_folder_there_is_nothing_to_take_away(tmp_path: Path) -> None:
    assert prune(tmp_path / "none", 1, NOW) == []


@pytest.mark.parametrize("newest", [1, 3])
def test_so_many_stay_as_were_asked_for(tmp_path: Path, newest: int) -> None:
    for day in range(1, 8):
        result(tmp_path, day)
    prune(tmp_path, newest, NOW)
    assert len(names(tmp_path)) == newest
