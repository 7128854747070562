"""restic's words for what the configuration says."""

from pathlib import Path

import pytest

from runbook.backup import restic
from runbook.backup.place import Place
from runbook.errors import CheckFailed, EnvironmentMissing


@pytest.mark.parametrize(
    ("retention", "options"),
    [
        ("RECOVERY WINDOW OF 14 DAYS", ["--keep-within", "14d", "--keep-last", "1"]),
        ("RECOVERY WINDOW OF 2 WEEKS", ["--keep-within", "14d", "--keep-last", "1"]),
        ("RECOVERY WINDOW OF 3 MONTHS", ["--keep-within", "3m", "--keep-last", "1"]),
        ("REDUNDANCY 5", ["--keep-last", "5"]),
    ],
)
def test_the_copy_is_kept_as_long_as_the_backups(retention: str, options: list[str]) -> None:
    assert restic.forget_options(retention) == options


def test_a_retention_nobody_knows_is_refused_before_anything_is_forgotten() -> None:
    with pytest.raises(EnvironmentMissing, match="AMAS_RETENTION is 'forever'"):
        restic.forget_options("forever")


def test_secrets_reach_it_by_files_alone(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "restic_password").write_text("hidden")
    (secrets / "offsite_env").write_text("AWS_ACCESS_KEY_ID=who\nAWS_SECRET_ACCESS_KEY=key\n")
    place = Place(tmp_path, run=tmp_path / "run", secrets=secrets)
    found = restic.of(place, {"AMAS_OFFSITE": "s3:https://store.example/b", "PATH": "/bin", "OTHER": "x"})
    assert found.environment["RESTIC_REPOSITORY"] == "s3:https://store.example/b"
    assert found.environment["RESTIC_PASSWORD_FILE"] == str(secrets / "restic_password")
    file = Path(found.environment["AWS_SHARED_CREDENTIALS_FILE"])
    assert file.read_text() == "[default]\naws_access_key_id = who\naws_secret_access_key = key\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "OTHER" not in found.environment
    assert not {"hidden", "who", "key"} & set(found.environment.values())
    assert restic.of(place, {}).environment["RESTIC_REPOSITORY"] == "/var/lib/amas/offsite"


def test_without_a_password_the_next_command_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="nothing opens the copy off site"):
        restic.of(Place(tmp_path, secrets=tmp_path), {})


def test_a_place_that_does_not_answer_is_told_with_what_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "restic"
    program.write_text("#!/bin/sh\necho 'the specified bucket does not exist' >&2\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(restic, "ANSWERS_WITHIN_S", 0.2)
    with pytest.raises(CheckFailed, match="cat config ended with 124: the specified bucket does not exist"):
        restic.Restic({"PATH": f"{tmp_path}:/bin:/usr/bin"}).ensure_repository()
