"""Files of an image, read from a container that never ran."""

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from runbook.errors import EnvironmentMissing
from runbook.sbom.packages import is_wanted

BEGIN_WITH = "./scripts/up"


@dataclass(frozen=True)
class Contents:
    """Of an image, what tells of packages, by path."""

    made: datetime
    files: dict[str, bytes]


def contents(image_id: str) -> Contents:
    """Raises EnvironmentMissing without an engine, or where it has no such image."""
    import docker  # noqa: PLC0415 - host only: absent from the runbook image

    try:
        client = docker.from_env(timeout=600)
        made = datetime.fromisoformat(client.images.get(image_id).attrs["Created"])
        container = client.containers.create(image_id, "true", network_mode="none")
    except (docker.errors.DockerException, OSError) as reason:
        raise EnvironmentMissing(f"image {image_id[:19]} cannot be read: {reason}", BEGIN_WITH) from None
    try:
        return Contents(made, wanted_files(cast("Iterator[bytes]", container.export())))
    finally:
        container.remove()
        client.close()


def wanted_files(chunks: Iterator[bytes]) -> dict[str, bytes]:
    """From a stream of a tar archive, which is never whole in memory. A link is told by what it leads to."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BufferedReader(_Stream(chunks)), mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            if member.isreg() and is_wanted(path) and (file := archive.extractfile(member)):
                found[path] = file.read()
    return found


class _Stream(io.RawIOBase):
    """Chunks as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count
