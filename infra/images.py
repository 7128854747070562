"""The image lock: which image IDs this release runs. Images are built before `up`, never by it."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NAMES = ("base", "db", "redis", "lb", "service", "runbook", "monitoring", "backup")


class ImagesMissing(Exception):
    """The lock is absent or incomplete."""


@dataclass(frozen=True)
class Images:
    ids: Mapping[str, str]
    tags: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.ids[name]


def lock_path(environ: Mapping[str, str] = os.environ) -> Path:
    state = Path(environ.get("AMAS_STATE_DIR", Path(__file__).resolve().parent.parent / ".amas"))
    return state / "images.json"


def read(path: Path) -> Images:
    """Image IDs by name; raises ImagesMissing naming the next command."""
    try:
        entries = json.loads(path.read_text())
    except FileNotFoundError:
        raise ImagesMissing(f"no image lock at {path}; next: ./scripts/up builds the images") from None
    absent = [name for name in NAMES if name not in entries]
    if absent:
        raise ImagesMissing(f"{path} lacks {', '.join(absent)}; next: ./scripts/up builds them")
    return Images(
        {name: entries[name]["id"] for name in NAMES}, {name: entries[name]["tag"] for name in NAMES}
    )
