"""Where results lie: a folder a run, each file written whole or not at all, found again by time."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loadtests.plan import Plan
from runbook.errors import UsageError

SUMMARY = "summary.json"
# What passed longer ago is no word for tonight.
PASSED_WITHIN = timedelta(hours=24)
# Longer than any run.
UNFINISHED_FOR = timedelta(hours=24)
_STAMP = "%Y%m%dT%H%M%SZ"
_NAMED = re.compile(r"\d{8}T\d{6}Z-[a-z]+-[a-z-]+(-\d+)?")


def begun(root: Path, plan: Plan) -> Path:
    """A new folder; two runs of one second get two."""
    root = root.absolute()  # k6 looks from where its script lies
    stamp = f"{plan.at:{_STAMP}}-{plan.test}-{plan.profile}"
    for number in range(1, 100):
        folder = root / (stamp if number == 1 else f"{stamp}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
    raise UsageError(f"{root / stamp}: there are a hundred of it", "amas loadtest run --out FOLDER")


def write(path: Path, text: str) -> None:
    """A reader sees the old file or the new one, never half of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(place: Path) -> dict[str, Any]:
    """The facts of one run, by its folder or its summary.json."""
    path = place / SUMMARY if place.is_dir() else place
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "amas loadtest run TEST --profile PROFILE") from None
    except ValueError as error:
        raise UsageError(f"{path} is no result of a load test: {error}") from None
    if not isinstance(facts, dict) or facts.get("schema") != 1:
        raise UsageError(f"{path} is no result of a load test: it has no schema 1")
    return facts


def kept(root: Path) -> list[dict[str, Any]]:
    """Every result there is, the newest first; a folder without one is a run that was killed."""
    found = []
    for path in sorted(root.glob(f"*/{SUMMARY}"), reverse=True):
        with contextlib.suppress(UsageError):
            found.append({**read(path), "folder": str(path.parent)})
    return found


def prune(root: Path, newest: int, now: datetime, present: Collection[Path] = ()) -> list[Path]:
    """Takes away all results but the newest; never one of the present, nor what may still be at work.

    What cannot be taken away, such as another user's, is tried again after the next run.
    """
    found = sorted((one for one in root.glob("*") if _is_result(one)), reverse=True)
    gone = [one for one in found[newest:] if one not in present and _is_over(one, now)]
    for one in gone:
        shutil.rmtree(one, ignore_errors=True)
    return gone


def _is_result(folder: Path) -> bool:
    holds = any((folder / name).is_file() for name in (SUMMARY, "options.json"))
    return bool(_NAMED.fullmatch(folder.name)) and not folder.is_symlink() and holds


def _is_over(folder: Path, now: datetime) -> bool:
    """One without a summary is at work, or was killed."""
    begun_at = datetime.strptime(folder.name.partition("-")[0], _STAMP).replace(tzinfo=UTC)
    return (folder / SUMMARY).is_file() or now - begun_at > UNFINISHED_FOR


def passed_users(root: Path, plan: Plan, now: datetime) -> int:
    """The most users of a closed run that passed within a day: of this test, here, and not a shorter one.

    Another service may stand behind the same host, such as the loopback address: it has to be of the kind.
    """
    facts = plan.facts()
    found = [
        int(one["plan"]["users"])
        for one in kept(root)
        if one["verdict"] == "passed"
        and all(one["plan"][name] == facts[name] for name in ("target", "kind", "test"))
        and one["plan"]["users"]
        and one["plan"]["duration_s"] >= facts["duration_s"]
        and timedelta() <= now - datetime.fromisoformat(one["plan"]["at"]) <= PASSED_WITHIN
    ]
    return max(found, default=0)


@contextlib.contextmanager
def alone(target: str, port: int) -> Iterator[None]:
    """One run a target and port from this machine, wherever results go: two would measure each other."""
    descriptor = _lock(Path(tempfile.gettempdir()) / f"amas-loadtest-{target}-{port}.lock")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(f"another load test runs at {target!r}: nothing was sent") from None
    else:
        yield
    finally:
        os.close(descriptor)


def _lock(path: Path) -> int:
    """Opened to read: that is enough to lock it, and whoever made it may have been another user."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o644))
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
