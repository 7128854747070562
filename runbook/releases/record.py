"""What was released and when: images, settings, rules and the program, so that one of before can come back.

Under `.amas/releases/STACK`: a folder for each release, and a journal with a line for each time one was put
in force. Secrets are in none of it: a release of before runs with those of today.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runbook import places
from runbook.errors import EnvironmentMissing
from runbook.releases.program import LOCK, Program, digest_of, program_files
from runbook.stack import Setting

JOURNAL = "journal.jsonl"
FACTS = "release.json"
KEPT = 10
UP, UPGRADE, ROLLBACK, FAILED = "up", "upgrade", "rollback", "failed"


@dataclass(frozen=True)
class Release:
    """`digest` tells two apart; `schema` is the number of the newest migration it brings."""

    number: int
    digest: str
    at: str
    version: str
    commit: str | None
    schema: int
    images: Mapping[str, str]
    settings: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Entry:
    """A release was put in force, or (`failed`) was found not to hold what was asked of it."""

    at: str
    number: int
    how: str


def keep(stack: str, program: Program, settings: Mapping[str, Setting], how: str, now: datetime) -> Release:
    """Writes down what is in force now; the same as before is no new release."""
    plain = {name: one.value for name, one in sorted(settings.items()) if not one.secret}
    contents = {**program_files(program.root, plain), LOCK: program.lock.read_bytes()}
    images = {name: str(entry["id"]) for name, entry in json.loads(contents[LOCK]).items()}
    digest = digest_of(contents, images, plain)
    known = current(stack)
    number = known.number if known and known.digest == digest else _next_number(stack)
    release = Release(
        number, digest, stamp(now), program.version, program.commit, program.schema, images, plain
    )
    if known is None or number != known.number:
        _write(folder_of(stack, number), release, contents)
        note(stack, Entry(stamp(now), number, how))
        _forget_oldest(stack)
    return release


def current(stack: str) -> Release | None:
    number = current_number(journal(stack))
    return read(stack, number) if number else None


def current_number(entries: Sequence[Entry]) -> int | None:
    """The release that was put in force last."""
    return next((one.number for one in reversed(entries) if one.how != FAILED), None)


def last_good(entries: Sequence[Entry]) -> int | None:
    """The newest before the present one that neither failed nor was rolled back from; None without one."""
    bad = _bad(entries) | {current_number(entries)}
    return next((one.number for one in reversed(entries) if one.number not in bad), None)


def _bad(entries: Sequence[Entry]) -> set[int | None]:
    """Failed, or left by a rollback, since last put in force.

    An upgrade that fails before it is in force goes back to the present release, which leaves none.
    """
    bad, present = set[int | None](), None
    for one in entries:
        if one.how == FAILED:
            bad.add(one.number)
            continue
        if one.how == ROLLBACK:
            bad.add(present)
        bad.discard(one.number)
        present = one.number
    return bad


def journal(stack: str) -> list[Entry]:
    path = folder(stack) / JOURNAL
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Entry(**json.loads(line)) for line in lines]


def note(stack: str, entry: Entry) -> None:
    path = folder(stack)
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (path / JOURNAL).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(entry)) + "\n")


def read(stack: str, number: int) -> Release:
    path = folder_of(stack, number) / FACTS
    try:
        return Release(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as reason:
        raise EnvironmentMissing(f"release {number} of stack `{stack}` cannot be read: {reason}") from None


def listed(stack: str) -> list[Release]:
    return [read(stack, number) for number in _numbers(stack)]


def folder(stack: str) -> Path:
    return places.state_dir() / "releases" / stack


def folder_of(stack: str, number: int) -> Path:
    return folder(stack) / f"{number:04}"


def forget(stack: str) -> None:
    """With the stack itself."""
    shutil.rmtree(folder(stack), ignore_errors=True)


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _write(path: Path, release: Release, contents: Mapping[str, bytes]) -> None:
    """Whole or not at all: the folder gets its name last."""
    draft = path.with_name(f".{path.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    for name, content in contents.items():
        file = draft / name
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_bytes(content)
    (draft / FACTS).write_text(json.dumps(release.as_json(), indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(path, ignore_errors=True)
    draft.rename(path)


def _numbers(stack: str) -> list[int]:
    return sorted(int(one.name) for one in folder(stack).glob("[0-9]*") if one.name.isdecimal())


def _next_number(stack: str) -> int:
    return max([0, *_numbers(stack), *(one.number for one in journal(stack))]) + 1


def _forget_oldest(stack: str) -> None:
    """Never the one that a rollback would go to."""
    entries = journal(stack)
    needed = {current_number(entries), last_good(entries)}
    for number in _numbers(stack)[:-KEPT]:
        if number not in needed:
            shutil.rmtree(folder_of(stack, number), ignore_errors=True)
