"""restic's program: the encrypted copy, on a folder or on a server it knows. The sole caller of it.

All that is secret reaches it by files.
"""

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook.backup import offsite_login
from runbook.backup.place import DEFAULT_OFFSITE, Place
from runbook.errors import CheckFailed, EnvironmentMissing

NO_REPOSITORY, LATE = 10, 124
SAID_LINES = 3
# restic asks a place that is not there for a quarter of an hour, and says why only then.
ANSWERS_WITHIN_S = 60.0
HOST = "amas"
_WINDOW = re.compile(r"RECOVERY WINDOW OF (\d+) (DAYS|WEEKS|MONTHS)")
_REDUNDANCY = re.compile(r"REDUNDANCY (\d+)")


@dataclass(frozen=True)
class Restic:
    """One repository."""

    environment: Mapping[str, str]
    options: Sequence[str] = ()

    def ensure_repository(self) -> bool:
        """True when it was made just now."""
        done = self._run(["cat", "config"], within_s=ANSWERS_WITHIN_S)
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

    def _run(self, words: Sequence[str], within_s: float | None = None) -> subprocess.CompletedProcess[str]:
        command = ["restic", *self.options, *words]
        try:
            return subprocess.run(
                command,
                env=dict(self.environment),
                capture_output=True,
                text=True,
                check=False,
                timeout=within_s,
            )
        except subprocess.TimeoutExpired as late:
            said = late.stderr if isinstance(late.stderr, bytes) else b""
            return subprocess.CompletedProcess(command, LATE, "", said.decode(errors="replace"))

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
    found = offsite_login.login(
        environ.get("AMAS_OFFSITE") or DEFAULT_OFFSITE, place.secrets, place.run / "offsite"
    )
    return Restic(
        {
            **{name: environ[name] for name in ("PATH", "LANG") if name in environ},
            **found.environment,
            "RESTIC_PASSWORD_FILE": str(password),
            "RESTIC_CACHE_DIR": str(place.home / "cache"),
            "RESTIC_PROGRESS_FPS": "0.1",
            "TMPDIR": str(place.scratch),
        },
        found.options,
    )


def forget_options(retention: str) -> list[str]:
    """Barman's retention in restic's words."""
    if window := _WINDOW.fullmatch(retention):
        count, unit = int(window[1]), window[2]
        within = {"DAYS": f"{count}d", "WEEKS": f"{count * 7}d", "MONTHS": f"{count}m"}[unit]
        return ["--keep-within", within, "--keep-last", "1"]
    if redundancy := _REDUNDANCY.fullmatch(retention):
        return ["--keep-last", redundancy[1]]
    raise EnvironmentMissing(f"AMAS_RETENTION is '{retention}'", "pulumi config get amas:backupRetention")
