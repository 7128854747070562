"""The command that checks a rules file."""

from pathlib import Path

import pytest

from service.alerts import rules
from service.alerts.schema import schema

RIGHT = """
rules:
  - {id: a, metric: queue.size, threshold: 500, operator: ">", duration: 0, severity: high, message: Full}
"""


def test_the_command_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert rules.main(["--schema"]) == 0
    assert capsys.readouterr().out == schema()


def test_the_command_says_that_a_file_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(RIGHT)
    assert rules.main([str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: 1 rules, no faults\n"


def test_the_command_tells_each_fault_on_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "rules:\n  - id: a\n    metric: queue.size\n    threshold: 1\n    operator: x\n    duration: y\n"
    )
    assert rules.main([str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0] == f'{path}: line 5, rule a: operator = "x": must be one of > >= < <= == !='


def test_the_command_names_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert rules.main(["/nowhere/rules.yaml"]) == 1
    assert capsys.readouterr().err == "/nowhere/rules.yaml: cannot be read: No such file or directory\n"


@pytest.mark.parametrize("argv", [[], ["--help"], ["a", "b"]])
def test_the_command_says_how_it_is_used(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert rules.main(argv) == 2
    assert capsys.readouterr().err.startswith("usage: ")
