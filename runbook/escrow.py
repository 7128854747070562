"""`amas keys escrow`: the recovery sheet, all that an empty host needs besides the copy off site.

Lines of NAME=VALUE for `amas backup restore --from-offsite --sheet FILE`, and comments for whoever holds it.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path

from runbook import places
from runbook.backup import offsite_login
from runbook.errors import EnvironmentMissing, UsageError
from runbook.stack import Setting

FIELDS = {
    "stack": "AMAS_STACK",
    "made_at": "AMAS_SHEET_MADE",
    "repository": "AMAS_OFFSITE",
    "repository_password": "AMAS_OFFSITE_PASSWORD",
    "passphrase": "AMAS_PASSPHRASE",
    "images": "AMAS_IMAGES_SHA256",
    "credentials": "AMAS_OFFSITE_CREDENTIALS",
    "ssh_key": "AMAS_OFFSITE_SSH_KEY",
    "known_hosts": "AMAS_OFFSITE_KNOWN_HOSTS",
}
# Several lines on one: a line's end as \n, a backslash as two.
OPTIONAL = ("repository", "credentials", "ssh_key", "known_hosts")


@dataclass(frozen=True)
class Sheet:
    """`images`: SHA-256 of the image lock. `credentials`: lines of NAME=VALUE that restic needs."""

    stack: str
    made_at: str
    repository: str
    repository_password: str
    passphrase: str
    images: str
    credentials: str = ""
    ssh_key: str = ""
    known_hosts: str = ""

    def __repr__(self) -> str:
        return f"Sheet({self.stack!r}, <secret>)"

    def opens_the_copy(self) -> dict[str, str]:
        """By the names of the files that the backup's container has them in."""
        return {
            "restic_password": self.repository_password,
            offsite_login.CREDENTIALS: self.credentials,
            # ssh takes no key whose last line has no end.
            offsite_login.SSH_KEY: f"{self.ssh_key}\n",
            offsite_login.KNOWN_HOSTS: f"{self.known_hosts}\n",
        }

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def sheet_of(stack: str, config: Mapping[str, Setting], now: datetime) -> Sheet:
    return Sheet(
        stack=stack,
        made_at=now.isoformat(timespec="seconds"),
        repository=_value(config, "offsiteRepository"),
        repository_password=_required(config, "resticPassword"),
        passphrase=_text(places.state_dir() / "passphrase"),
        images=hashlib.sha256(_text(places.image_lock()).encode()).hexdigest(),
        credentials=_value(config, "offsiteCredentials"),
        ssh_key=_value(config, "offsiteSshKey"),
        known_hosts=_value(config, "offsiteKnownHosts"),
    )


def written(sheet: Sheet) -> list[str]:
    """For paper or a safe; no line is longer than its value makes it."""
    values = sheet.as_json()
    return [
        f"# Recovery sheet of the AMAS stack `{sheet.stack}`",
        f"# {sheet.made_at}",
        "#",
        "# WHOEVER HOLDS THIS SHEET CAN READ ALL DATA AND ALL KEYS",
        "# OF THE STACK. Keep it where neither the host nor the copy",
        "# off site is: on paper in a safe, in a password manager.",
        "# Without it the copy off site cannot be opened by anybody.",
        "# Print it anew after `pulumi stack change-secrets-provider`",
        "# or a change of any setting that begins with offsite.",
        "#",
        "# On an empty host, with a checkout of the same release:",
        "#   ./scripts/up --prepare-only",
        "#   amas backup restore --from-offsite --sheet THIS-FILE",
        *_where(sheet),
        "#",
        *(f"{FIELDS[name]}={_one_line(value)}" for name, value in values.items() if value),
    ]


def read(text: str) -> Sheet:
    """Raises UsageError naming what is missing; a value is never repeated."""
    lines = [line.partition("=") for line in text.splitlines() if line.strip() and line[0] != "#"]
    told = {name.strip(): _lines(value.strip()) for name, _, value in lines}
    names = {field.name: FIELDS[field.name] for field in fields(Sheet)}
    missing = [known for name, known in names.items() if known not in told and name not in OPTIONAL]
    if missing:
        raise UsageError(f"the recovery sheet lacks {', '.join(missing)}", "amas keys escrow --out FILE")
    return Sheet(**{name: told.get(known, "") for name, known in names.items()})


def keep(lines: list[str], file: Path) -> None:
    """A new file for its owner alone."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{file} is there already", "amas keys escrow --out ANOTHER") from None
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")


def _one_line(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n")


def _lines(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)


def _where(sheet: Sheet) -> list[str]:
    if sheet.repository:
        return []
    return [
        "#",
        "# NOTE: offsiteRepository is not set. The copy lies in a volume",
        "# of the same host and is lost with it; nothing is off site yet.",
    ]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise EnvironmentMissing(f"{file} is missing: nothing stands here yet", "./scripts/up") from None


def _value(config: Mapping[str, Setting], name: str) -> str:
    return config[name].value.strip() if name in config else ""


def _required(config: Mapping[str, Setting], name: str) -> str:
    if not _value(config, name):
        raise EnvironmentMissing(f"the stack's configuration has no `{name}`", "./scripts/up")
    return _value(config, name)
