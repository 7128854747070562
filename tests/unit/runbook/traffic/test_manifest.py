from datetime import datetime
from pathlib import Path

import pytest

from runbook.errors import UsageError
from runbook.traffic.generate import generate
from runbook.traffic.line import Line
from runbook.traffic.manifest import Entry, Plan, Totals, entries, read_plan, totals, written


def write(path: Path, lines: list[Line], now: datetime) -> Plan:
    plan = Plan("traffic-1", 7, len(lines), now.isoformat())
    with path.open("w", encoding="utf-8") as file:
        assert list(written(plan, lines, file)) == lines
    return plan


def test_what_is_written_is_read(tmp_path: Path, now: datetime) -> None:
    lines = list(generate(7, 300, now))
    plan = write(tmp_path / "m", lines, now)
    assert read_plan(tmp_path / "m") == plan
    due = [Entry(line.number, line.expected, line.decision_id, line.content_hash) for line in lines]
    assert list(entries(tmp_path / "m")) == due
    found = totals(tmp_path / "m")
    assert found.lines == 300 == found.stored + found.duplicate + found.conflict + found.refused
    assert min(found.stored, found.duplicate, found.conflict, found.refused) > 0


def test_it_is_small(tmp_path: Path, now: datetime) -> None:
    """A million lines must fit beside the run."""
    write(tmp_path / "m", list(generate(7, 300, now)), now)
    assert (tmp_path / "m").stat().st_size < 150 * 300


def test_an_empty_run_has_totals_too(tmp_path: Path, now: datetime) -> None:
    write(tmp_path / "m", [], now)
    assert totals(tmp_path / "m") == Totals()


@pytest.mark.parametrize("cut", [200, 5_000])
def test_a_manifest_that_is_cut_off_is_refused(tmp_path: Path, now: datetime, cut: int) -> None:
    """Half a manifest would pass a run of which half is missing."""
    write(tmp_path / "m", list(generate(7, 300, now)), now)
    text = (tmp_path / "m").read_text()
    (tmp_path / "m").write_text(text[: text.rfind("\n", 0, cut) + 1])
    with pytest.raises(UsageError, match="cut off"):
        totals(tmp_path / "m")
    (tmp_path / "m").write_text(text[:cut])
    with pytest.raises(UsageError, match=r"cut off|not a manifest"):
        list(entries(tmp_path / "m"))


def test_another_file_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "m").write_text('{"manifest": 99}\n')
    with pytest.raises(UsageError, match="no manifest of version 1"):
        read_plan(tmp_path / "m")
