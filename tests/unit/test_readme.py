"""Commands and files named in the README exist."""

import re
from pathlib import Path

import pytest
import typer

from runbook.cli import app
from runbook.groups import ListByDefault

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def verbs() -> set[str]:
    """Every verb as it is typed, groups with their members."""
    command = typer.main.get_command(app)
    found = set()
    for name, sub in command.commands.items():  # type: ignore[attr-defined]
        if sub.hidden:  # a step of another verb, not typed by anybody
            continue
        members = getattr(sub, "commands", None)
        found |= {f"{name} {member}" for member in members or ()}
        if not members or sub.invoke_without_command:
            found.add(name)
        if isinstance(sub, ListByDefault):
            found = (found - {f"{name} list"}) | {name}
    return found


def test_every_amas_verb_in_the_readme_exists() -> None:
    typed = re.findall(r"`amas ([a-z -]+?)(?=[`A-Z0-9]| --| -|$)", README)
    known = verbs()
    assert typed
    assert [words for words in typed if not any(words.strip().startswith(verb) for verb in known)] == []


@pytest.mark.parametrize("script", sorted(set(re.findall(r"\./(scripts/[a-z]+)", README))))
def test_every_script_in_the_readme_exists(script: str) -> None:
    assert (ROOT / script).is_file()


def test_every_verb_is_in_the_readme() -> None:
    assert [
        verb for verb in sorted(verbs()) if f"amas {verb}" not in README and f"`{verb}`" not in README
    ] == []
