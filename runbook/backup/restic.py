"""restic's program: the encrypted copy, on a folder or on a server it knows. The sole caller of it.

It reads its password from a file; what a server's login needs comes from a file into its environment.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook.backup.place import DEFAULT_OFFSITE, Place
from runbook.errors import CheckFailed, EnvironmentMissing

NO_REPOSITORY = 10
SAID_LINES = 3
HOST = "amas"
_WINDOW = re.compile(r"RECOVERY WINDOW OF (\d+) (DAYS|WEEKS|MONTHS)")
_REDUNDANCY = re.compile(r"REDUNDANCY (\d+)")


@dataclass(frozen=True)
class Restic:
    """One repository."""

    environment: Mapping[str, str]

    def ensure_repository(self) -> bool:
        """True when it was made just now."""
        done = self._run(["cat", "config"])
        if done.returncode == NO_REPOSITORY:
            self._asked("init")
            return True
        self._refuse_failed("cat config", done)
        return False

    def copy(self, paths: Sequence[Path]) -> dict[str, Any]:
        """Restic's own summary; what is there already is not sent again."""
        told = self._asked("backup", "--json", "--host", HOST, *map(str, paths))
        return next(
            one for one in map(json.loads, reversed(told.splitlines())) if one["message_type"] == "summary"
        )

    def forget(self, retention: str) -> None:
        self._asked("forget", "--host", HOST, "--group-by", "host", "--prune", *forget_options(retention))

    def check(self, subset: str) -> None:
        """Its structure, and a part of the content read back and decrypted."""
        self._asked("check", f"--read-data-subset={subset}")

    def unlock(self) -> None:
        """Only locks whose process is gone: a copy that was killed leaves one."""
        self._asked("unlock")

    def restore(self, into: Path, without: Sequence[str] = ()) -> None:
        excludes = [word for path in without for word in ("--exclude", path)]
        self._asked("restore", "latest", "--host", HOST, "--target", str(into), *excludes)

    def _asked(self, *words: str) -> str:
        done = self._run(words)
        self._refuse_failed(words[0], done)
        return done.stdout

    def _run(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        ssh = ["-o", f"sftp.args={self.environment['AMAS_SFTP']}"] if "AMAS_SFTP" in self.environment else []
        return subprocess.run(
            ["restic", *ssh, *words], env=dict(self.environment), capture_output=True, text=True, check=False
        )

    def _refuse_failed(self, what: str, done: subprocess.CompletedProcess[str]) -> None:
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()[-SAID_LINES:]
            raise CheckFailed(
                f"the copy off site: restic {what} ended with {done.returncode}: {' '.join(said)}",
                "amas backup offsite",
            )


def of(place: Place, environ: Mapping[str, str] = os.environ) -> Restic:
    password = place.secrets / "restic_password"
    if not os.access(password, os.R_OK):
        raise EnvironmentMissing(f"{password} is missing: nothing opens the copy off site", "./scripts/up")
    return Restic(
        {
            **{name: environ[name] for name in ("PATH", "LANG") if name in environ},
            "RESTIC_REPOSITORY": environ.get("AMAS_OFFSITE") or DEFAULT_OFFSITE,
            "RESTIC_PASSWORD_FILE": str(password),
            "RESTIC_CACHE_DIR": str(place.home / "cache"),
            "RESTIC_PROGRESS_FPS": "0.1",
            "TMPDIR": str(place.scratch),
            **_sftp(place),
            **login(_text(place.secrets / "offsite_env")),
        }
    )


def _sftp(place: Place) -> dict[str, str]:
    key, hosts = place.secrets / "offsite_ssh_key", place.secrets / "offsite_known_hosts"
    if not key.exists():
        return {}
    return {"AMAS_SFTP": f"-i {key} -o UserKnownHostsFile={hosts} -o BatchMode=yes"}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def login(lines: str) -> dict[str, str]:
    """NAME=VALUE lines; blank ones and those that begin with # say nothing."""
    found = {}
    for line in lines.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name.strip()):
            raise EnvironmentMissing(
                "a line of offsite_env is not NAME=VALUE",
                "pulumi config set --secret amas:offsiteCredentials",
            )
        found[name.strip()] = value
    return found


def forget_options(retention: str) -> list[str]:
    """Barman's retention in restic's words."""
    if window := _WINDOW.fullmatch(retention):
        count, unit = int(window[1]), window[2]
        within = {"DAYS": f"{count}d", "WEEKS": f"{count * 7}d", "MONTHS": f"{count}m"}[unit]
        return ["--keep-within", within, "--keep-last", "1"]
    if redundancy := _REDUNDANCY.fullmatch(retention):
        return ["--keep-last", redundancy[1]]
    raise EnvironmentMissing(f"AMAS_RETENTION is '{retention}'", "pulumi config get amas:backupRetention")
