"""From the previous release to this checkout and back, and an upgrade that takes itself back."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from runbook import places
from service.migrate import MIGRATIONS
from tests.change.test_rolling import MOST_REFUSED_S, image_of, load
from tests.e2e.conftest import ROOT
from tests.faults.conftest import Stack

PREVIOUS = "AMAS_PREVIOUS_REF"
BUILD_WITHIN_S = 1200
PARTS = ("api", "lb", "scheduler", "db")


def previous_ref() -> str:
    """As given, else the newest tag behind this commit, else what stood before the service last changed."""
    if given := os.environ.get(PREVIOUS):
        return given
    if git("rev-parse", "--is-shallow-repository") == "true":
        pytest.fail(
            f"this clone is shallow, it holds no release before: git fetch --unshallow, or {PREVIOUS}=COMMIT"
        )
    tag = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0", "HEAD^"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return tag or git("rev-parse", git("log", "-1", "--format=%H", "--", "service") + "^")


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout of it, with the environment and the stacks' configuration of this one."""
    folder = tmp_path_factory.mktemp("previous") / "checkout"
    git("worktree", "add", "--detach", str(folder), previous_ref())
    for name in (".venv", ".amas"):
        (folder / name).symlink_to(ROOT / name)
    yield folder
    git("worktree", "remove", "--force", str(folder))


@pytest.fixture(scope="module")
def upgradable(new_stack: Callable[[], Stack], previous: Path) -> Stack:
    """Brought up by the previous release, with a proven backup; this checkout's images are in the lock."""
    stack = new_stack()
    lock = stack.state_dir / "images.json"
    ours = lock.read_bytes()
    ports = [f"--config=httpPort={stack.http_port}", f"--config=prometheusPort={stack.prometheus_port}"]
    done = subprocess.run(
        [sys.executable, "-m", "runbook.cli", "up", "--skip-smoke", *ports],
        cwd=previous,
        env=stack.variables({"PYTHONSAFEPATH": "", "PYTHONPATH": str(previous)}),
        capture_output=True,
        text=True,
        timeout=BUILD_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    lock.write_bytes(ours)
    return stack


def test_to_this_checkout_and_back_and_an_upgrade_that_fails_takes_itself_back(
    upgradable: Stack,
    failing_image: Callable[[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stack, standing = upgradable, previous_ref()
    before = images(stack)
    refused = stack.amas("upgrade", "--standing", standing)
    assert refused.returncode == 1
    assert "there is no fresh, proven backup to go back to" in refused.stderr
    assert images(stack) == before, "nothing was changed"
    for words in (("backup", "now"), ("backup", "prove")):
        done = stack.amas(*words)
        assert done.returncode == 0, done.stderr

    with load(stack, tmp_path, "upgrade", capsys, spared=False) as steady:
        done = stack.amas("upgrade", "--verify-s", "15")
        assert done.returncode == 0, done.stderr
    assert steady.refused_s <= MOST_REFUSED_S, steady.worst()
    assert released(stack) == 2
    after = images(stack)

    with load(stack, tmp_path, "rollback", capsys, spared=False) as steady:
        done = stack.amas("rollback", "--yes")
        assert done.returncode == 0, done.stderr
    assert steady.refused_s <= MOST_REFUSED_S, steady.worst()
    assert released(stack) == 1
    assert images(stack) == before
    done = stack.amas("upgrade", "--verify-s", "5")
    assert done.returncode == 0, done.stderr
    assert images(stack) == after

    with newer_schema(failing_image("refuses-all")) as broken:
        stack.release_image(broken)
        failed = stack.amas("upgrade", "--verify-s", "5")
    stack.release_image(None)
    assert failed.returncode == 1
    assert "the upgrade failed and was taken back: release 3 serves" in failed.stderr
    assert images(stack) == after
    assert applied(stack) == newest() + 1, "the newer schema stays, and the older release runs on it"
    for word in ("smoke", "status"):
        done = stack.amas(word)
        assert done.returncode == 0, done.stdout + done.stderr


class newer_schema:  # noqa: N801 - reads as a word where it is used
    """An image with one migration more."""

    def __init__(self, parent: str) -> None:
        self._engine = docker.from_env()
        name = f"{newest() + 1:04}_added_later.sql"
        write = (
            "from service import db; "
            f"(db.SQL_DIR / 'migrations' / '{name}').write_text("
            "'ALTER TABLE decision_insights ADD COLUMN added_later text;')"
        )
        text = f'FROM {parent}\nUSER 0:0\nRUN ["python", "-c", "{write}"]\nUSER 10004:10004\n'
        image, log = self._engine.images.build(fileobj=io.BytesIO(text.encode()), rm=True)
        list(log)
        self._id = str(image.id)

    def __enter__(self) -> str:
        return self._id

    def __exit__(self, *_: object) -> None:
        self._engine.images.remove(self._id, force=True)  # else its parent could not go either
        self._engine.close()


def newest() -> int:
    return len(list(MIGRATIONS.glob("*.sql")))


def applied(stack: Stack) -> int:
    query = "SELECT max(number) FROM schema_migrations"
    return int(stack.amas("db", "psql", "--", "-Atc", query).stdout)


def released(stack: Stack) -> int:
    facts: dict[str, Any] = json.loads(stack.amas("status", "--no-drift", "--json").stdout)
    return int(facts["release"]["number"])


def images(stack: Stack) -> dict[str, set[str]]:
    return {
        part: {image_of(one) for one in stack.containers(part)} for part in ("api", "lb", "scheduler", "db")
    }


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=places.ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"git {' '.join(words)}: {done.stderr.strip()}; another release: {PREVIOUS}=COMMIT")
    return done.stdout.strip()
