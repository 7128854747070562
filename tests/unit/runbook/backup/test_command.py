"""From the host the same words are said again in the container that has the copies."""

import sys
from pathlib import Path

import pytest

from runbook import cli
from runbook.backup import command, place
from runbook.errors import EnvironmentMissing, UsageError


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is run in the container, which answers with exit code 1."""
    told: list[list[str]] = []

    def pass_through(container: object, words: list[str]) -> int:
        told.append(words)
        return 1

    monkeypatch.delenv(place.HOME, raising=False)
    monkeypatch.setattr(command, "connect", lambda: None)
    monkeypatch.setattr(command, "require_part", lambda *found: found)
    monkeypatch.setattr(command, "pass_through", pass_through)
    return told


@pytest.mark.parametrize("words", ["now --full --json", "list", "verify", "prove --limit-s 60", "status"])
def test_a_verb_on_the_host_is_said_again_inside(
    told: list[list[str]], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["amas", "backup", *words.split()])
    exit_code = cli.run(lambda: cli.app(prog_name="amas", standalone_mode=False), as_json=False)
    assert exit_code == 1
    assert told == [["amas-backup", "amas", "backup", *words.split()]]


def test_other_words_than_these_go_nowhere(told: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["amas", "status"])
    with pytest.raises(UsageError):
        command.inside("local")
    assert told == []


def test_a_data_directory_is_made_only_where_the_copies_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(place.HOME, raising=False)
    assert place.here() is None
    with pytest.raises(EnvironmentMissing, match="in the backup container"):
        command.restore_into(Path("/tmp/x"))
