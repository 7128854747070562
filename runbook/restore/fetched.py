"""The copy off site, brought back onto an empty backup volume: inside a one-shot container."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from runbook.backup import restic
from runbook.backup.offsite_login import put
from runbook.backup.place import Place
from runbook.errors import CheckFailed
from runbook.terminal import Progress


def fetch(place: Place, secrets: Mapping[str, str], progress: Progress) -> dict[str, str]:
    """Text by name of what the stack handed in. `secrets`, by their files' names, lie in a tmpfs."""
    with_sheet = replace(place, secrets=place.run / "sheet")
    with_sheet.secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in secrets.items():
        put(with_sheet.secrets / name, content)
    brought = place.scratch / "fetched"
    shutil.rmtree(brought, ignore_errors=True)
    place.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    with progress.step("restore from the repository"):
        restic.of(with_sheet).restore(brought)
    with progress.step("put it in its place"):
        placed(brought / place.home.relative_to("/"), place)
    shutil.rmtree(brought)
    return {one.name: one.read_text(encoding="utf-8") for one in place.stack_state.glob("*") if one.is_file()}


def placed(brought: Path, place: Place) -> None:
    """On the same volume, so nothing is copied. What the entry script made there is empty."""
    if not (brought / "barman").is_dir():
        raise CheckFailed("the newest copy off site holds no backups", "amas backup offsite")
    for name in ("barman", "state"):
        shutil.rmtree(place.home / name, ignore_errors=True)
        if (brought / name).exists():
            (brought / name).rename(place.home / name)
