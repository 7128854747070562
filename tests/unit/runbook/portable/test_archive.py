"""The file: whole or not there, and damage is seen before anything is loaded."""

import zipfile
from pathlib import Path

import pytest

from runbook.errors import CheckFailed, UsageError
from runbook.portable import archive
from tests.unit.runbook.portable.test_manifest import MANIFEST

DUMP = b"PGDMP" + bytes(range(256)) * 40


@pytest.fixture
def file(tmp_path: Path) -> Path:
    written = tmp_path / "one.amas"
    with archive.writing(written, MANIFEST) as out:
        out.write(DUMP)
    return written


def test_manifest_and_dump_come_back(file: Path) -> None:
    assert archive.checked(file) == MANIFEST
    with archive.dump_of(file) as dump:
        assert dump.read() == DUMP


def test_it_is_for_its_owner_alone_and_leaves_nothing_beside_it(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_dump_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def fail_half_way() -> None:
        with archive.writing(tmp_path / "one.amas", MANIFEST) as out:
            out.write(DUMP)
            assert not (tmp_path / "one.amas").exists()
            raise CheckFailed("pg_dump ended with 1")

    with pytest.raises(CheckFailed, match="pg_dump"):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_never_replaced(file: Path) -> None:
    with pytest.raises(UsageError, match="is there already"):
        archive.refuse_existing(file)
    with pytest.raises(UsageError, match="is no folder"):
        archive.refuse_existing(file.parent / "absent" / "one.amas")


def test_a_damaged_dump_is_told(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[content.find(DUMP) + 1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckFailed, match=r"database\.dump does not fit its checksum"):
        archive.checked(file)


def test_a_file_cut_short_is_told(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UsageError, match="cut short"):
        archive.checked(file)


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not there"):
        archive.checked(tmp_path / "absent")
    (tmp_path / "text").write_text("COPY decision_insights")
    with pytest.raises(UsageError, match="is no export"):
        archive.checked(tmp_path / "text")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("readme.txt", "")
    with pytest.raises(UsageError, match=r"lacks manifest\.json"):
        archive.checked(tmp_path / "other.zip")
