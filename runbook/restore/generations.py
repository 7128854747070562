"""The data volume: data directories side by side as `gen-N`, and the link `current` to the one that serves.

A restore makes another one and turns the link; what served before stays until it is discarded. The same
lock as the server's keeps both from working here at once.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runbook.errors import CheckFailed, UsageError

DATA = Path("/var/lib/amas/db")
MARKER = Path("/etc/amas/marker.json")
NAME = re.compile(r"gen-(\d+)")
CURRENT, LOCK = "current", ".lock"


@dataclass(frozen=True)
class Volume:
    """`marker`: the image's own, which says what data of this volume depend on."""

    data: Path = DATA
    marker: Path = MARKER

    @property
    def current(self) -> str | None:
        """The generation that serves; None on an empty volume, or where the link leads nowhere."""
        link = self.data / CURRENT
        return str(link.readlink()) if link.is_symlink() and link.is_dir() else None

    def names(self) -> tuple[str, ...]:
        """In the order in which they came."""
        found = [one.name for one in self.data.iterdir() if NAME.fullmatch(one.name)]
        return tuple(sorted(found, key=_number))

    def unfinished(self) -> tuple[str, ...]:
        """What a restore that was cut short left."""
        return tuple(sorted(one.name for one in self.data.iterdir() if _is_unfinished(one.name)))

    def next_name(self) -> str:
        return f"gen-{max(map(_number, self.names()), default=0) + 1}"

    def folder_of(self, generation: str) -> Path:
        """Where it is made, as `data`: under a name that nothing takes for a generation."""
        return self.data / f".{generation}.unfinished"

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.data).free

    def switch(self, generation: str) -> None:
        """What was made takes its name, and the link. The server finds either the old one or the new."""
        self._refuse_other_marker()
        (self.folder_of(generation) / "data").rename(self.data / generation)
        shutil.rmtree(self.folder_of(generation))
        _written(self.data / "marker.json", self.marker.read_bytes())
        self.point_to(generation)

    def point_to(self, generation: str) -> None:
        if not (self.data / generation).is_dir():
            raise UsageError(f"{self.data / generation} is not there: nothing to point to")
        turned = self.data / f".{CURRENT}.{os.getpid()}"
        turned.symlink_to(generation)
        turned.replace(self.data / CURRENT)
        _sync(self.data)

    def discard(self) -> tuple[str, ...]:
        """Every directory but the one that serves."""
        if self.current is None:
            raise UsageError(f"{self.data} has no generation that serves: nothing is discarded")
        doomed = (*(name for name in self.names() if name != self.current), *self.unfinished())
        for name in doomed:
            shutil.rmtree(self.data / name)
        return doomed

    def sweep(self) -> None:
        for name in self.unfinished():
            shutil.rmtree(self.data / name)

    @contextmanager
    def held(self) -> Iterator[None]:
        """No server uses the volume while the block runs, and none starts."""
        with (self.data / LOCK).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CheckFailed(f"a database server uses {self.data}", "amas status") from None
            yield

    def _refuse_other_marker(self) -> None:
        """A backup is only started here by the image it was made with; this is about what else lies here."""
        held = self.data / "marker.json"
        if held.exists() and held.read_text().split() != self.marker.read_text().split():
            raise CheckFailed(
                f"the volume was made with {held.read_text().strip()}, this image has "
                f"{self.marker.read_text().strip()}",
                "put the earlier images back",
            )


def _number(name: str) -> int:
    found = NAME.fullmatch(name)
    return int(found[1]) if found else 0


def _is_unfinished(name: str) -> bool:
    return name.startswith(".gen-") and name.endswith(".unfinished")


def _written(path: Path, content: bytes) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
