"""Migrations are numbered, complete, and never edited after they were applied."""

from pathlib import Path

import pytest

from service import migrate
from service.migrate import Migration, MigrationRefused


def written(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text("SELECT 1;")
    return folder


def test_ours_are_in_order() -> None:
    assert [one.number for one in migrate.files(migrate.MIGRATIONS)] == list(
        range(1, len(list(migrate.MIGRATIONS.glob("*.sql"))) + 1)
    )


def test_a_gap_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationRefused, match="has number 0003, expected 0002"):
        migrate.files(written(tmp_path, "0001_a.sql", "0003_b.sql"))


def test_a_number_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationRefused, match="expected 0002"):
        migrate.files(written(tmp_path, "0001_a.sql", "0001_b.sql"))


def test_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationRefused, match=r"not named NNNN_words\.sql"):
        migrate.files(written(tmp_path, "first.sql"))


ONE = Migration(1, "0001_a.sql", "SELECT 1;", "sum")


def test_an_edited_migration_is_refused_with_the_way_out() -> None:
    with pytest.raises(MigrationRefused, match="was edited after it was applied: restore it"):
        migrate.check([ONE], {1: ("0001_a.sql", "other")})


def test_a_migration_of_a_release_that_was_rolled_back_is_left_alone() -> None:
    migrate.check([ONE], {1: ("0001_a.sql", "sum"), 2: ("0002_b.sql", "sum")})


def test_unchanged_ones_pass() -> None:
    migrate.check([ONE], {1: ("0001_a.sql", "sum")})


def test_a_wrong_address_is_one_line_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://owner:s3cret@db")
    assert migrate.main() == 1
    said = capsys.readouterr().out
    assert "DATABASE_URL must be a postgresql:// address" in said
    assert "s3cret" not in said
