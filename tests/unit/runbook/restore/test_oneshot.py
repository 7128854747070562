"""A container for one command: its guards, its answer, and its failure in its own words."""

import os
from pathlib import Path

import pytest

from runbook.errors import CheckFailed
from runbook.restore.oneshot import OneShot

ONESHOT = OneShot(
    "local", "sha256:aa", 512, {"amas-local-db": "/var/lib/amas/db"}, {"AMAS_DATABASE": "danci"}
)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of the client: a script of the test's own."""
    script = tmp_path / "docker"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return script


def write(script: Path, body: str) -> None:
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)


def test_it_is_as_unprivileged_as_the_stacks_own(docker: Path) -> None:
    write(docker, "true")
    words = ONESHOT.arguments("amas-local-restore-1", ["amas", "generation", "look"])
    for guard in ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=10001:10001"):
        assert guard in words
    assert {"--memory=512m", "--memory-swap=512m", "--network=none", "--rm"} <= set(words)
    assert {"--label=amas.stack=local", "--label=amas.part=restore"} <= set(words)
    assert words[-5:] == ["sha256:aa", "amas-backup", "amas", "generation", "look"]


def test_its_answer_is_json_and_what_it_says_is_passed_on(docker: Path) -> None:
    write(docker, 'echo "step one" >&2; read word; echo "{\\"word\\": \\"$word\\"}"')
    said: list[str] = []
    assert ONESHOT.run(["amas"], said.append, "by stdin\n") == {"word": "by stdin"}
    assert said == ["step one"]


def test_an_error_inside_is_told_in_its_own_words(docker: Path) -> None:
    write(
        docker,
        'echo "copying" >&2; printf "error: it differs\\n  a table\\nnext: amas backup list\\n" >&2; exit 1',
    )
    with pytest.raises(CheckFailed, match="it differs\na table") as told:
        ONESHOT.run(["amas", "generation", "build"], lambda _: None)
    assert told.value.next_command == "amas backup list"


def test_a_container_that_dies_is_told_with_its_last_words(docker: Path) -> None:
    write(docker, 'echo "out of memory" >&2; exit 137')
    with pytest.raises(CheckFailed, match="amas generation build ended with 137\nout of memory"):
        ONESHOT.run(["amas", "generation", "build", "gen-2"], lambda _: None)


def test_no_answer_is_a_failure(docker: Path) -> None:
    write(docker, "echo hello")
    with pytest.raises(CheckFailed, match="answered no JSON: 'hello"):
        ONESHOT.run(["amas"], lambda _: None)
