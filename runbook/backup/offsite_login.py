"""How restic gets into the place off site: by files alone, since /proc shows every environment.

S3 reads a credentials file, SFTP a key, a REST server its address from a file. b2:, azure:, gs: and swift:
know environments only and are not offered; Backblaze and Google are reached by their S3 addresses.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from runbook.errors import EnvironmentMissing

CREDENTIALS, SSH_KEY, KNOWN_HOSTS = "offsite_env", "offsite_ssh_key", "offsite_known_hosts"
S3 = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
REST = ("RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD")
SET_THEM = "pulumi config set --secret amas:offsiteCredentials"


@dataclass(frozen=True)
class Login:
    """What restic is called with: environment without a secret, and further words."""

    environment: Mapping[str, str]
    options: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict, repr=False)


def login(repository: str, secrets: Path, run: Path) -> Login:
    """Writes the files it names, in `run`, a tmpfs; for the owner alone."""
    found = planned(repository, parse(_text(secrets / CREDENTIALS)), secrets, run)
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in found.files.items():
        put(run / name, content)
    return found


def planned(repository: str, given: Mapping[str, str], secrets: Path, run: Path) -> Login:
    kind = repository.partition(":")[0]
    at = {"RESTIC_REPOSITORY": repository}
    if kind == "s3" and S3[0] in given:
        file = {"AWS_SHARED_CREDENTIALS_FILE": str(run / "aws-credentials")}
        return Login(at | file, files={"aws-credentials": _profile(given)})
    if kind == "rest" and REST[0] in given:
        file = {"RESTIC_REPOSITORY_FILE": str(run / "repository")}
        return Login(file, files={"repository": _address(repository, given)})
    if kind == "sftp":
        return Login(at, ("-o", f"sftp.args={_ssh(secrets)}"))
    return Login(at)


def parse(lines: str) -> dict[str, str]:
    """NAME=VALUE lines; blank ones and those that begin with # say nothing. No value is ever repeated."""
    found = {}
    for line in lines.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name.strip()):
            raise EnvironmentMissing("a line of offsiteCredentials is not NAME=VALUE", SET_THEM)
        if name.strip() not in (*S3, *REST):
            raise EnvironmentMissing(
                f"offsiteCredentials has {name.strip()}; known are {', '.join((*S3, *REST))}", SET_THEM
            )
        found[name.strip()] = value.strip()
    return found


def put(file: Path, content: str) -> None:
    """Never open to others, not for the moment of a chmod."""
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(content)


def _profile(given: Mapping[str, str]) -> str:
    """As Amazon's own tools keep it; restic's S3 client reads the profile `default`."""
    return "\n".join(["[default]", *(f"{name.lower()} = {given[name]}" for name in S3 if name in given), ""])


def _address(repository: str, given: Mapping[str, str]) -> str:
    url = urlsplit(repository.removeprefix("rest:"))
    user, password = (quote(given.get(name, ""), safe="") for name in REST)
    return "rest:" + urlunsplit(url._replace(netloc=f"{user}:{password}@{url.netloc}"))


def _ssh(secrets: Path) -> str:
    """Asks nobody, and no host is believed that is not known."""
    if not _text(secrets / SSH_KEY).strip():
        raise EnvironmentMissing(
            "offsiteRepository is an sftp: address and offsiteSshKey is not set",
            "pulumi config set --secret amas:offsiteSshKey < KEY-FILE",
        )
    return (
        f"-i {secrets / SSH_KEY} -o UserKnownHostsFile={secrets / KNOWN_HOSTS} "
        "-o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o BatchMode=yes -o ServerAliveInterval=30"
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
