"""The recovery sheet: complete, read back as written, and never careless with what it holds."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook import escrow
from runbook.errors import EnvironmentMissing, UsageError
from runbook.stack import Setting

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CONFIG = {
    "resticPassword": Setting("restic-word", secret=True),
    "offsiteRepository": Setting("s3:https://there/bucket", secret=False),
    "offsiteCredentials": Setting("AWS_ACCESS_KEY_ID=one\nAWS_SECRET_ACCESS_KEY=two\n", secret=True),
    "offsiteSshKey": Setting("-----BEGIN\nkey\n-----END\n", secret=True),
    "offsiteKnownHosts": Setting("there ssh-ed25519 abc", secret=False),
}
SHEET = escrow.Sheet("local", NOW.isoformat(), "s3:https://there/bucket", "restic-word", "phrase", "ab12")

word = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@pytest.fixture
def state(state_dir: Path) -> Path:
    state_dir.mkdir()
    (state_dir / "passphrase").write_text("phrase")
    (state_dir / "images.json").write_text("{}")
    return state_dir


@given(word, word, word, st.lists(word).map("\n".join), st.lists(word).map(" \n".join))
def test_a_sheet_is_read_back_as_it_was_written(
    repository: str, password: str, passphrase: str, credentials: str, ssh_key: str
) -> None:
    sheet = escrow.Sheet("local", "2026", repository, password, passphrase, "ab12", credentials, ssh_key)
    assert escrow.read("\n".join(escrow.written(sheet))) == sheet


@pytest.mark.usefixtures("state")
def test_it_holds_what_opens_the_copy_and_the_state_and_says_how() -> None:
    text = "\n".join(escrow.written(escrow.sheet_of("local", CONFIG, NOW)))
    assert "AMAS_OFFSITE=s3:https://there/bucket" in text
    assert "AMAS_OFFSITE_PASSWORD=restic-word" in text
    assert r"AMAS_OFFSITE_CREDENTIALS=AWS_ACCESS_KEY_ID=one\nAWS_SECRET_ACCESS_KEY=two" in text
    assert r"AMAS_OFFSITE_SSH_KEY=-----BEGIN\nkey\n-----END" in text
    assert "AMAS_OFFSITE_KNOWN_HOSTS=there ssh-ed25519 abc" in text
    assert "AMAS_PASSPHRASE=phrase" in text
    assert "amas backup restore --from-offsite --sheet" in text
    assert "CAN READ ALL DATA" in text
    assert "NOTE" not in text


@pytest.mark.usefixtures("state")
def test_a_copy_on_the_same_host_is_said_to_be_none() -> None:
    config = {name: one for name, one in CONFIG.items() if name != "offsiteRepository"}
    text = "\n".join(escrow.written(escrow.sheet_of("local", config, NOW)))
    assert "nothing is off site yet" in text
    assert escrow.read(text).repository == ""


@pytest.mark.usefixtures("state")
def test_what_opens_the_copy_goes_by_the_names_its_container_has_for_it() -> None:
    read = escrow.read("\n".join(escrow.written(escrow.sheet_of("local", CONFIG, NOW))))
    assert read.opens_the_copy() == {
        "restic_password": "restic-word",
        "offsite_env": "AWS_ACCESS_KEY_ID=one\nAWS_SECRET_ACCESS_KEY=two",
        "offsite_ssh_key": "-----BEGIN\nkey\n-----END\n",
        "offsite_known_hosts": "there ssh-ed25519 abc\n",
    }


def test_no_representation_shows_a_secret() -> None:
    assert "restic-word" not in repr(SHEET)
    assert "phrase" not in repr(SHEET)


def test_the_comments_fit_a_narrow_page() -> None:
    assert max(len(line) for line in escrow.written(SHEET) if line.startswith("#")) <= 64


def test_what_is_missing_is_named_and_no_value_is_repeated() -> None:
    with pytest.raises(UsageError, match="lacks AMAS_PASSPHRASE") as told:
        escrow.read("\n".join(line for line in escrow.written(SHEET) if "PASSPHRASE" not in line))
    assert "restic-word" not in told.value.message


def test_a_stack_without_its_secrets_or_files_says_what_is_missing(state: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="no `resticPassword`"):
        escrow.sheet_of("local", {}, NOW)
    (state / "passphrase").unlink()
    with pytest.raises(EnvironmentMissing, match="passphrase is missing"):
        escrow.sheet_of("local", CONFIG, NOW)


def test_the_file_is_new_and_for_its_owner_alone(tmp_path: Path) -> None:
    escrow.keep(["one"], tmp_path / "sheet")
    assert (tmp_path / "sheet").stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="is there already"):
        escrow.keep(["two"], tmp_path / "sheet")
    assert (tmp_path / "sheet").read_text() == "one\n"
