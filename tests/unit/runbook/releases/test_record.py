"""Releases are kept with all that makes them, and which one is in force follows from the journal."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runbook import places
from runbook.errors import EnvironmentMissing
from runbook.releases import record
from runbook.releases.program import Program, newest_migration, of_commit, of_this_checkout, version_of
from runbook.releases.record import FAILED, ROLLBACK, UP, UPGRADE, Entry, keep
from runbook.stack import Setting

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SETTINGS = {"replicas": Setting("2", secret=False), "keyAdmin": Setting("s3cret", secret=True)}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    root = tmp_path / "checkout"
    (root / "infra/__pycache__").mkdir(parents=True)
    (root / "infra/__pycache__/x.pyc").write_text("")
    (root / "infra/program.py").write_text("one\n")
    (root / "Pulumi.yaml").write_text("name: amas\n")
    (root / "__main__.py").write_text("")
    (root / "dashboards/generated").mkdir(parents=True)
    (root / "dashboards/generated/board.json").write_text("{}\n")
    lock = root / "images.json"
    lock.write_text(json.dumps({"lb": {"id": "sha256:aa", "tag": "amas/lb:1"}}))
    return Program(root, lock, "0.1.0", "abc", 9)


def test_a_release_holds_program_images_and_plain_settings_and_no_secret(
    program: Program, state_dir: Path
) -> None:
    release = keep("local", program, SETTINGS, UP, NOW)
    assert (release.number, release.images, release.settings) == (1, {"lb": "sha256:aa"}, {"replicas": "2"})
    kept = record.folder_of("local", 1)
    assert (kept / "program/infra/program.py").read_text() == "one\n"
    assert not list(kept.rglob("*.pyc"))
    assert (kept / "program/dashboards/generated/board.json").read_text() == "{}\n", (
        "Grafana's program reads it"
    )
    assert (kept / "images.json").read_bytes() == program.lock.read_bytes()
    assert not [one for one in state_dir.rglob("*") if one.is_file() and "s3cret" in one.read_text()]
    assert record.read("local", 1) == release


def test_the_same_again_is_no_new_release(program: Program) -> None:
    for _ in range(2):
        assert keep("local", program, SETTINGS, UP, NOW).number == 1
    assert len(record.journal("local")) == 1


def test_a_change_of_program_image_or_setting_is_one(program: Program) -> None:
    keep("local", program, SETTINGS, UP, NOW)
    (program.root / "infra/program.py").write_text("two\n")
    assert keep("local", program, SETTINGS, UP, NOW).number == 2
    program.lock.write_text(json.dumps({"lb": {"id": "sha256:bb", "tag": "amas/lb:2"}}))
    assert keep("local", program, SETTINGS, UPGRADE, NOW).number == 3
    changed = {**SETTINGS, "replicas": Setting("3", secret=False)}
    assert keep("local", program, changed, UP, NOW).number == 4
    assert keep("local", program, {**changed, "keyAdmin": Setting("other", secret=True)}, UP, NOW).number == 4


def test_rules_of_ones_own_belong_to_it(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ROOT", program.root)
    outside = tmp_path / "rules.yaml"
    for number, path in enumerate(("my/rules.yaml", str(outside), "../rules.yaml"), 1):
        (program.root / path).parent.mkdir(exist_ok=True)
        (program.root / path).write_text("rules: []\n")
        keep("local", program, {"alertRulesFile": Setting(path, secret=False)}, UP, NOW)
        where = f"program/{path}" if number == 1 else "rules/rules.yaml"
        assert (record.folder_of("local", number) / where).read_text() == "rules: []\n"
    outside.write_text("rules: []  # edited\n")
    edited = keep("local", program, {"alertRulesFile": Setting(str(outside), secret=False)}, UP, NOW)
    assert edited.number == 4


@pytest.mark.parametrize(
    ("told", "present", "back"),
    [
        ([], None, None),
        ([(1, UP)], 1, None),
        ([(1, UP), (2, UP)], 2, 1),
        ([(1, UP), (2, UPGRADE), (2, FAILED), (1, ROLLBACK)], 1, None),
        ([(1, UP), (2, UPGRADE), (2, FAILED), (1, ROLLBACK), (3, UPGRADE)], 3, 1),
        ([(1, UP), (2, UP), (1, ROLLBACK)], 1, None),
        ([(1, UP), (2, UP), (3, UP), (2, ROLLBACK), (4, UP)], 4, 2),
        # An upgrade to 2 that failed before it was in force: the stack went back to where it was.
        ([(1, UP), (1, ROLLBACK), (2, UPGRADE)], 2, 1),
        ([(1, UP), (2, UP), (1, ROLLBACK), (2, ROLLBACK), (3, UP)], 3, 2),
        ([(1, UP), (2, UP), (2, FAILED), (1, ROLLBACK), (2, ROLLBACK), (2, FAILED), (3, UP)], 3, None),
    ],
)
def test_the_way_back_leads_to_the_newest_good_one(
    told: list[tuple[int, str]], present: int | None, back: int | None
) -> None:
    entries = [Entry("", number, how) for number, how in told]
    assert (record.current_number(entries), record.last_good(entries)) == (present, back)


def test_old_ones_go_but_never_the_way_back(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "KEPT", 2)
    for number in range(1, 6):
        (program.root / "infra/program.py").write_text(f"{number}\n")
        keep("local", program, SETTINGS, UP, NOW)
    record.note("local", Entry("", 4, FAILED))
    assert [one.number for one in record.listed("local")] == [4, 5]
    (program.root / "infra/program.py").write_text("6\n")
    keep("local", program, SETTINGS, UP, NOW)
    assert record.last_good(record.journal("local")) == 5


def test_one_that_was_lost_is_told(program: Program) -> None:
    keep("local", program, SETTINGS, UP, NOW)
    record.forget("local")
    with pytest.raises(EnvironmentMissing, match="release 1 of stack `local` cannot be read"):
        record.read("local", 1)


def test_this_checkout_knows_its_version_and_schema() -> None:
    here = of_this_checkout()
    assert here.schema == len(list((places.ROOT / "service/sql/migrations").glob("*.sql")))
    assert here.version == version_of((places.ROOT / "pyproject.toml").read_text())
    assert here.version != "0"
    assert newest_migration(["0001_a.sql", "0012_b.sql", "README.md"]) == 12


def test_a_commits_program_comes_with_the_boards_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    for path in (
        "infra/program.py",
        "service/sql/migrations/0003_x.sql",
        "pyproject.toml",
        "Pulumi.yaml",
        "__main__.py",
    ):
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_text('version = "1.2.3"\n')
    git = ["git", "-C", str(clone), "-c", "user.name=a", "-c", "user.email=a@example"]

    def commit() -> None:
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", "x"], check=True)

    subprocess.run(["git", "init", "--quiet", str(clone)], check=True)
    commit()
    (clone / "dashboards/generated").mkdir(parents=True)
    (clone / "dashboards/generated/board.json").write_text("{}")
    commit()
    monkeypatch.setattr(places, "ROOT", clone)
    for ref, has_boards in (("HEAD~1", False), ("HEAD", True)):
        (into := tmp_path / ref).mkdir()
        assert of_commit(ref, clone / "images.json", into).schema == 3
        assert (into / "dashboards/generated/board.json").exists() is has_boards
