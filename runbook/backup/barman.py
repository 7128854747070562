"""Barman's program, and what it answers in JSON. The sole caller of it."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook.backup.catalog import SERVER, Backup, Detail, backups_of, detail_of
from runbook.errors import CheckFailed

TELL_EVERY_S = 10.0
SWITCH_LIMIT_S = 60
SAID_LINES = 4


@dataclass(frozen=True)
class Barman:
    """By the configuration of this container, or by another for a copy that was brought back."""

    configuration: Path = Path("/etc/barman.conf")

    def with_settings(self, path: Path, settings: Mapping[str, Path]) -> "Barman":
        """By the same configuration but for these, which a proof has for itself."""
        lines = self.configuration.read_text(encoding="utf-8").splitlines()
        names = [line.partition(" = ")[0] for line in lines]
        changed = [
            f"{name} = {settings[name]}" if name in settings else line
            for name, line in zip(names, lines, strict=True)
        ]
        path.write_text("\n".join([*changed, ""]), encoding="utf-8")
        return Barman(path)

    def backups(self) -> list[Backup]:
        return backups_of(self._asked("list-backups", SERVER))

    def detail(self, backup_id: str) -> Detail:
        return detail_of(self._asked("show-backup", SERVER, backup_id))

    def chain(self, detail: Detail) -> list[Detail]:
        """What must be whole for that backup to be: the full one first, itself last."""
        found = [detail]
        while parent := found[0].parent:
            found.insert(0, self.detail(parent))
        return found

    def take(self, parent: str | None, tell: Callable[[], None]) -> str:
        """Copies the data directory, or what has changed since a parent; returns the new backup's id."""
        upon = ["--incremental", parent] if parent else []
        told = self._asked("backup", *upon, SERVER, tell=tell)
        return str(told["backup_id"])

    def switch_wal(self) -> None:
        """Closes the segment in use, and waits until it is archived: an idle database never would."""
        limit = ["--archive", "--archive-timeout", str(SWITCH_LIMIT_S)]
        self._asked("switch-wal", "--force", *limit, SERVER)

    def archive(self) -> None:
        """Takes what the receiver has finished into the archive."""
        self._asked("archive-wal", SERVER)

    def settle(self, backup_id: str) -> None:
        """Lets it look whether all the WAL of a backup is here; then its status is DONE."""
        self._asked("check-backup", SERVER, backup_id)

    def upkeep(self) -> None:
        """Archives, prunes by retention, settles what waits; starts a receiver should there be none."""
        command = ["barman", "--config", str(self.configuration), "--quiet", "cron", "--keep-descriptors"]
        # Never by a pipe: the receiver would hold it open.
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode != 0:
            raise CheckFailed("barman cron failed; its lines above say why", "amas backup verify")

    def delete(self, backup_id: str) -> None:
        self._asked("delete", SERVER, backup_id)

    def recover(self, backup_id: str, into: Path, tell: Callable[[], None]) -> None:
        """A data directory, with all archived WAL of the newest timeline in `barman_wal` inside."""
        options = ["--target-tli", "latest", "--no-get-wal"]
        self._asked("recover", *options, SERVER, backup_id, str(into), tell=tell)

    def failed_checks(self) -> dict[str, str]:
        """Names and hints of its checks that did not pass."""
        _, told = self._answer(["check", SERVER])
        checks: Mapping[str, Any] = told.get(SERVER, {})
        return {
            name: str(one.get("hint") or "") for name, one in checks.items() if one.get("status") == "FAILED"
        }

    def _asked(self, *words: str, tell: Callable[[], None] | None = None) -> dict[str, Any]:
        exit_code, told = self._answer(words, tell)
        if exit_code != 0:
            raise CheckFailed(f"barman {words[0]}: {reason_of(told)}", "amas backup verify")
        return told

    def _answer(
        self, words: Sequence[str], tell: Callable[[], None] | None = None
    ) -> tuple[int, dict[str, Any]]:
        command = ["barman", "--config", str(self.configuration), "--format", "json", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                out, said = _followed(process, tell)
            except BaseException:
                process.terminate()
                raise
        return process.returncode, _told(out, said)


def _followed(process: subprocess.Popen[str], tell: Callable[[], None] | None) -> tuple[str, str]:
    """Its output; `tell` is called every few seconds while it lasts."""
    while True:
        try:
            return process.communicate(timeout=TELL_EVERY_S)
        except subprocess.TimeoutExpired:
            if tell:
                tell()


def _told(out: str, said: str) -> dict[str, Any]:
    """Its object; what it wrote besides stands under `said`."""
    try:
        told = json.loads(out or "{}")
    except ValueError:
        told = {"said": out}
    return {**(told if isinstance(told, dict) else {}), "said": said}


def reason_of(told: Mapping[str, Any]) -> str:
    """Its errors in one line; without any, the last lines of its log."""
    messages = (
        told.get("_ERROR") or told.get("_EXCEPTION") or str(told.get("said", "")).splitlines()[-SAID_LINES:]
    )
    words = messages if isinstance(messages, list) else [messages]
    return "; ".join(str(one).strip() for one in words if str(one).strip()) or "it failed and said nothing"
