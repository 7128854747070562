"""The login of the place off site: each kind its own file, nothing in an environment or an argument."""

from pathlib import Path

import pytest

from runbook.backup import offsite_login
from runbook.errors import EnvironmentMissing

RUN = Path("/run/amas/offsite")


def test_lines_are_read_and_comments_say_nothing() -> None:
    lines = "# a comment\n\nAWS_ACCESS_KEY_ID=one\nAWS_SECRET_ACCESS_KEY=a=b c\n"
    assert offsite_login.parse(lines) == {"AWS_ACCESS_KEY_ID": "one", "AWS_SECRET_ACCESS_KEY": "a=b c"}
    assert offsite_login.parse("\n") == {}


@pytest.mark.parametrize("line", ["secret words", "SECRET_WORDS=hidden", "=hidden", "aws=hidden"])
def test_a_line_that_is_no_login_is_refused_without_its_value(line: str) -> None:
    with pytest.raises(EnvironmentMissing, match="offsiteCredentials") as refused:
        offsite_login.parse(line)
    assert "secret words" not in refused.value.message
    assert "hidden" not in refused.value.message


def test_a_rest_server_is_named_in_a_file_with_its_login(tmp_path: Path) -> None:
    (tmp_path / "offsite_env").write_text("RESTIC_REST_USERNAME=me\nRESTIC_REST_PASSWORD=a/b@c d\n")
    found = offsite_login.login("rest:https://store.example:8000/amas/", tmp_path, tmp_path / "run")
    assert found.environment == {"RESTIC_REPOSITORY_FILE": str(tmp_path / "run/repository")}
    address = (tmp_path / "run/repository").read_text()
    assert address == "rest:https://me:a%2Fb%40c%20d@store.example:8000/amas/"


def test_sftp_goes_by_the_key_and_believes_no_stranger(tmp_path: Path) -> None:
    (tmp_path / "offsite_ssh_key").write_text("key\n")
    found = offsite_login.planned("sftp:backup@there:/amas", {}, tmp_path, RUN)
    assert found.environment == {"RESTIC_REPOSITORY": "sftp:backup@there:/amas"}
    assert found.options[0] == "-o"
    assert f"-i {tmp_path}/offsite_ssh_key" in found.options[1]
    assert f"UserKnownHostsFile={tmp_path}/offsite_known_hosts" in found.options[1]
    assert "StrictHostKeyChecking=yes" in found.options[1]


def test_sftp_without_its_key_names_the_next_command(tmp_path: Path) -> None:
    (tmp_path / "offsite_ssh_key").write_text("\n")
    with pytest.raises(EnvironmentMissing, match="offsiteSshKey is not set") as refused:
        offsite_login.planned("sftp:there:/amas", {}, tmp_path, RUN)
    assert refused.value.next_command == "pulumi config set --secret amas:offsiteSshKey < KEY-FILE"


def test_a_login_shows_in_no_representation() -> None:
    given = {"AWS_SECRET_ACCESS_KEY": "hidden"}
    assert "hidden" not in repr(offsite_login.planned("s3:https://there/b", given, RUN, RUN))
