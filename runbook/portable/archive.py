"""The file itself: a zip of `manifest.json` and `database.dump`, so that other tools can open it as well.

pg_dump compresses, so the members are only stored. The zip's checksums tell a damaged file.
"""

import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from runbook.errors import CheckFailed, UsageError
from runbook.portable.manifest import Manifest, manifest_of

MANIFEST, DUMP = "manifest.json", "database.dump"


def refuse_existing(file: Path) -> None:
    if file.exists():
        raise UsageError(f"{file} is there already: an export replaces nothing", "amas backup export ANOTHER")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"{file.absolute().parent} is no folder", f"mkdir -p {file.absolute().parent}")


@contextmanager
def writing(file: Path, manifest: Manifest) -> Iterator[IO[bytes]]:
    """Takes the dump. The file has its name once it is whole and on disk, and never before."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as out:
            with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(MANIFEST, json.dumps(manifest.as_json(), indent=2) + "\n")
                with archive.open(DUMP, "w", force_zip64=True) as dump:
                    yield dump
            out.flush()
            os.fsync(out.fileno())
        os.link(unfinished, file)  # fails where a file came to be meanwhile
    finally:
        unfinished.unlink(missing_ok=True)


def checked(file: Path) -> Manifest:
    """Reads the whole file once. Raises UsageError when it is no export, CheckFailed when it is damaged."""
    try:
        with zipfile.ZipFile(file) as archive:
            if {MANIFEST, DUMP} - set(archive.namelist()):
                raise UsageError(f"{file} is no export: it lacks {MANIFEST} or {DUMP}")
            damaged = archive.testzip()
            if damaged:
                raise CheckFailed(f"{file} is damaged: {damaged} does not fit its checksum")
            return manifest_of(archive.read(MANIFEST))
    except FileNotFoundError:
        raise UsageError(f"{file} is not there") from None
    except zipfile.BadZipFile as reason:
        raise UsageError(f"{file} is no export, or was cut short: {reason}") from None


@contextmanager
def dump_of(file: Path) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(file) as archive, archive.open(DUMP) as dump:
        yield dump
