"""The steps of a restore that need the data volume: run by `amas backup restore` in one-shot containers."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer

from runbook import terminal
from runbook.backup import place as places
from runbook.backup.barman import Barman
from runbook.backup.place import Place
from runbook.backup.recover import forget_target
from runbook.errors import EnvironmentMissing
from runbook.restore.build import Order
from runbook.restore.build import build as building
from runbook.restore.fetched import fetch as fetching
from runbook.restore.generations import DATA, Volume
from runbook.restore.plan import moment
from runbook.restore.receiver import hand_over

app = typer.Typer(help="Steps of a restore.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def look() -> None:
    """Say what lies in the volumes. Runs inside a one-shot container."""
    volume, place = Volume(), _place()
    has_backups = place.server.is_dir()
    terminal.show_json(
        {
            "backups": [
                {**asdict(one), "end_at": one.end_at.isoformat() if one.end_at else None}
                for one in (Barman().backups() if has_backups else [])
            ],
            "current": volume.current,
            "generations": volume.names(),
            "nextGeneration": volume.next_name(),
            "freeBytes": volume.free_bytes(),
        }
    )


@app.command()
def fetch() -> None:
    """Bring the copy off site onto an empty volume. Runs inside a one-shot container.

    Reads secrets as JSON from stdin, by the names their files have.
    """
    files = fetching(_place(), json.load(sys.stdin), terminal.Progress())
    terminal.show_json({"stack": files})


@app.command()
def build(
    generation: str,
    backup: Annotated[str, typer.Option(metavar="ID")],
    to: Annotated[str | None, typer.Option(metavar="TIME")] = None,
) -> None:
    """Make a data directory out of a backup, and prove it. Runs inside a one-shot container."""
    order = Order(generation, backup, moment(to) if to else None)
    terminal.show_json(asdict(building(Barman(), _place(), Volume(), order, terminal.Progress())))


@app.command()
def switch(generation: str, timeline: Annotated[int, typer.Option()]) -> None:
    """Let the finished directory serve from the next start on. Runs inside a one-shot container."""
    volume, place = Volume(), _place()
    with volume.held():
        unfinished = volume.folder_of(generation)
        forget_target(unfinished / "data")
        # The server that proved it wrote without waiting for the disk.
        subprocess.run(["sync", "--file-system", str(unfinished)], check=True)
        segment = hand_over(
            place, unfinished / "data" / "pg_wal", timeline, f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
        )
        volume.switch(generation)
    terminal.show_json({"current": volume.current, "receiverBeginsWith": segment})


@app.command()
def point(generation: str) -> None:
    """Let an earlier directory serve again. Runs inside a one-shot container."""
    volume = Volume()
    with volume.held():
        volume.point_to(generation)
    terminal.show_json({"current": volume.current})


@app.command()
def discard() -> None:
    """Delete every directory but the one that serves. Runs inside a one-shot container."""
    gone = Volume().discard()
    shutil.rmtree(_place().home / "state" / "before-restores", ignore_errors=True)
    terminal.show_json({"discarded": gone})


def _place() -> Place:
    place = places.here()
    if place is None or not os.access(DATA, os.W_OK):
        raise EnvironmentMissing(
            "this step runs in a container that `amas backup restore` makes", "amas backup restore --help"
        )
    return place
