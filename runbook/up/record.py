"""What stood before a release: written before the first change, gone once the release or its repair is done.

One that is found at the start of a run tells of a run that was killed, and lets the repair know old from new.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from runbook import places


def write_record(stack: str, earlier: Mapping[str, str]) -> None:
    """`earlier`: containers, id to part."""
    path = _path(stack)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"pid": os.getpid(), "containers": dict(earlier)}))
    draft.replace(path)


def read_record(stack: str) -> dict[str, str] | None:
    """None without a run that was cut short."""
    try:
        containers: dict[str, str] = json.loads(_path(stack).read_text())["containers"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return containers


def forget_record(stack: str) -> None:
    _path(stack).unlink(missing_ok=True)


def _path(stack: str) -> Path:
    return places.state_dir() / "runs" / f"{stack}.json"
