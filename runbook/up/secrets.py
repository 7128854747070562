"""The stack and its secrets, each made once: a second run finds them and changes nothing."""

import os
import secrets
from collections.abc import Callable, Collection
from pathlib import Path

from runbook import places
from runbook.stack import Stack
from runbook.terminal import Progress

PASSWORDS = (
    "dbOwnerPassword",
    "dbAppPassword",
    "dbReaderPassword",
    "dbMonitorPassword",
    "dbBackupPassword",
    "dbJobsPassword",
    "cachePassword",
    "queuePassword",
)
KEYS = ("keyIngest", "keyRead", "keyAdmin", "keyMetrics")
# A new one would open nothing that was written under the old one, so it is never rotated.
LASTING = ("resticPassword",)
GENERATED = (*PASSWORDS, *KEYS, *LASTING)
RANDOM_BYTES = 32


def ensure_secrets(stack: Stack, progress: Progress) -> None:
    """Makes what is missing: state folders, passphrase, stack, secrets (encrypted in its config)."""
    ensure_state_dir(places.state_dir())
    if ensure_passphrase(places.state_dir() / "passphrase"):
        progress.say(
            f"passphrase made: {places.state_dir() / 'passphrase'} (keep a copy: it opens every secret)"
        )
    stack.select_or_create()
    made = missing_secrets(stack.config())
    for key in made:
        stack.set_secret(key, secrets.token_urlsafe(RANDOM_BYTES))
    if made:
        progress.say(f"generated and encrypted: {', '.join(made)}")


def missing_secrets(present: Collection[str]) -> list[str]:
    return [key for key in GENERATED if key not in present]


def ensure_state_dir(folder: Path) -> None:
    for path in (folder, folder / "pulumi", folder / "backend", folder / "stacks", folder / "logs"):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)


def ensure_passphrase(file: Path, make: Callable[[int], str] = secrets.token_urlsafe) -> bool:
    """True when it was made now. An existing one is only closed to others, never replaced."""
    if file.exists():
        file.chmod(0o600)
        return False
    # Whole or not at all: an empty file that stayed would encrypt every secret with nothing.
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(make(RANDOM_BYTES))
        opened.flush()
        os.fsync(opened.fileno())
    try:
        os.link(unfinished, file)  # fails where another run was first
    except FileExistsError:
        return False
    finally:
        unfinished.unlink()
    return True
