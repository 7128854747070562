"""restic's words for what the configuration says."""

from pathlib import Path

import pytest

from runbook.backup import restic
from runbook.backup.place import Place
from runbook.errors import EnvironmentMissing


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


def test_login_lines_become_its_environment() -> None:
    lines = "# a comment\n\nAWS_ACCESS_KEY_ID=one\nAWS_SECRET_ACCESS_KEY=a=b c\n"
    assert restic.login(lines) == {"AWS_ACCESS_KEY_ID": "one", "AWS_SECRET_ACCESS_KEY": "a=b c"}
    assert restic.login("\n") == {}


def test_a_line_that_is_no_login_is_refused_without_being_shown() -> None:
    with pytest.raises(EnvironmentMissing) as refused:
        restic.login("secret words")
    assert "secret words" not in refused.value.message


def test_secrets_reach_it_by_file_and_environment_alone(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "restic_password").write_text("hidden")
    (secrets / "offsite_env").write_text("AWS_SECRET_ACCESS_KEY=key\n")
    place = Place(tmp_path, secrets=secrets)
    found = restic.of(place, {"AMAS_OFFSITE": "s3:https://store.example/b", "PATH": "/bin", "OTHER": "x"})
    assert found.environment["RESTIC_REPOSITORY"] == "s3:https://store.example/b"
    assert found.environment["RESTIC_PASSWORD_FILE"] == str(secrets / "restic_password")
    assert found.environment["AWS_SECRET_ACCESS_KEY"] == "key"
    assert "OTHER" not in found.environment
    assert "hidden" not in str(found.environment)
    assert restic.of(place, {}).environment["RESTIC_REPOSITORY"] == "/var/lib/amas/offsite"


def test_without_a_password_the_next_command_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="nothing opens the copy off site"):
        restic.of(Place(tmp_path, secrets=tmp_path), {})
