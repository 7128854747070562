import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from runbook import cli
from runbook.errors import UsageError
from runbook.site import Site
from runbook.stack import Setting, Stack
from runbook.traffic import command
from runbook.traffic.command import Order, Outcome, measure, refuse_unwritable

app = typer.Typer()
app.command()(command.traffic)


@pytest.fixture(autouse=True)
def stack_here(
    configured: dict[str, Setting], monkeypatch: pytest.MonkeyPatch, twin: Any, now: datetime
) -> None:
    def measured(order: Order, *rest: Any) -> Outcome:
        return measure(replace(order, now=now, transport=twin), *rest)

    monkeypatch.setattr(Stack, "site", lambda _: Site("http://127.0.0.1:3000"))
    monkeypatch.setattr(command, "measure", measured)


def amas(*arguments: str) -> int:
    return cli.run(lambda: app(list(arguments), standalone_mode=False), as_json="--json" in arguments)


def test_it_passes_with_0_and_says_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert amas("--count", "60", "--seed", "3") == 0
    shown = capsys.readouterr()
    assert "traffic passed: 60 lines" in shown.out
    assert "seed 3" in shown.out


def test_as_json_all_facts_are_on_stdout(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert amas("--count", "60", "--json", "--full", "--manifest", str(tmp_path / "m")) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["ok"] is True
    assert facts["due"]["lines"] == facts["sent"]["lines"] == 60
    assert facts["stored"]["readById"] == facts["stored"]["rows"] == facts["due"]["stored"]
    assert "-value" not in json.dumps(facts)
    assert len((tmp_path / "m").read_text().splitlines()) == 62


def test_a_deviation_ends_with_1_and_names_the_worst(capsys: pytest.CaptureFixture[str], twin: Any) -> None:
    class Everything(set[str]):
        def __contains__(self, _: object) -> bool:
            return True

    twin.lost = Everything()
    assert amas("--count", "40") == 1
    error = capsys.readouterr().err
    assert "acknowledged, but not there" in error
    assert "next: amas logs api" in error


@pytest.mark.parametrize("arguments", [["--count", "0"], ["--url", "http://example.org"], ["--rate", "-1"]])
def test_what_is_not_allowed_ends_with_2_before_anything_is_sent(arguments: list[str], twin: Any) -> None:
    assert amas(*arguments) == 2
    assert twin.requests == []


def test_a_key_that_is_not_there_ends_with_3(configured: dict[str, Setting]) -> None:
    del configured["keyIngest"]
    assert amas("--count", "10") == 3


def test_a_manifest_that_cannot_be_written_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--manifest .*No such file"):
        refuse_unwritable(tmp_path / "missing" / "m")
