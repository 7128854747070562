"""The verbs, where no stack stands: an incident is written when nothing answers any more."""

import json
from pathlib import Path
from typing import Any

import pytest

from runbook import cli


def amas(*arguments: str) -> int:
    return cli.run(lambda: cli.app(list(arguments), prog_name="amas", standalone_mode=False), as_json=False)


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_one_is_opened_noted_and_closed_although_nothing_answers(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert amas("incident", "new", "all is down", "--emergency", "--by", "ada", "--json") == 0
    opened = told(capsys)
    assert opened["severity"] == "High"
    assert opened["symptoms"][0].startswith("the service did not answer: ")
    assert Path(opened["page"]) == state_dir / "incidents" / f"{opened['id']}.md"
    assert amas("incident", "note", "power is back", "--by", "bob") == 0
    assert "power is back" in Path(opened["page"]).read_text()
    capsys.readouterr()
    assert (
        amas("incident", "close", "--cause", "no power", "--resolution", "a fuse", "--by", "bob", "--json")
        == 0
    )
    closed = told(capsys)
    assert (closed["closed_by"], closed["cause"], closed["resolution"]) == ("bob", "no power", ["a fuse"])
    assert amas("incident", "close", opened["id"], "--cause", "x", "--resolution", "y") == 2
    assert "was closed at" in capsys.readouterr().err


@pytest.mark.parametrize("started", ["yesterday", "2024-12-03T10:15:00", "2999-01-01T00:00:00Z"])
def test_a_beginning_that_is_no_time_of_the_past_is_refused(
    started: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert amas("incident", "new", "x", "--started", started) == 2
    assert repr(started) in capsys.readouterr().err


def test_without_one_that_is_open_its_id_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert amas("incident", "note", "x") == 2
    assert "open now: none" in capsys.readouterr().err


def test_the_page_is_shown_as_it_stands_now(capsys: pytest.CaptureFixture[str]) -> None:
    amas("incident", "new", "slow", "--started", "2024-12-03T10:15:00Z")
    capsys.readouterr()
    assert amas("incident", "show") == 0
    page = capsys.readouterr().out
    assert "**Started**: 2024-12-03 10:15:00 UTC" in page
    assert "minutes so far" in page
