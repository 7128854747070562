"""What containers said before they go: on screen the end, in a folder of the run more of it."""

import json
from datetime import datetime
from pathlib import Path

from runbook import places
from runbook.engine import Container, Engine
from runbook.errors import AmasError

SHOWN_LINES = 15
KEPT_LINES = 200
RUNS_KEPT = 10


def folder_of(began: datetime) -> Path:
    """Made only when there is something to keep."""
    return places.state_dir() / "logs" / f"failed-{began:%Y%m%dT%H%M%SZ}"


def keep_log(engine: Engine, container: Container, folder: Path) -> None:
    """Facts on the first line, then the container's last lines. What is kept already stays."""
    file = folder / f"{container.name}.log"
    if file.exists():
        return
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o700)
        forget_oldest(folder.parent)
    facts = {
        "state": container.state,
        "health": container.health,
        "exitCode": container.exit_code,
        "restarts": container.restarts,
    }
    try:
        lines = engine.log_lines(container, since=None, tail=KEPT_LINES)
        text = "".join(f"{line.stamp} {line.text}\n" for line in lines)
    except (AmasError, OSError) as reason:
        text = f"its log could not be read: {reason}\n"
    file.write_text(f"{json.dumps(facts)}\n{text}")


def last_words(engine: Engine, container: Container) -> list[str]:
    state = container.health if container.state == "running" else None
    lines = engine.log_lines(container, since=None, tail=SHOWN_LINES)
    words = f"--- {container.name} ({state or f'{container.state}, exit code {container.exit_code}'})"
    return [f"{words}, last lines:", *(line.text for line in lines)]


def forget_oldest(logs: Path) -> None:
    for folder in sorted(logs.glob("failed-*"))[:-RUNS_KEPT]:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
