"""One run of a job at a time: the kernel's lock on a file, which ends with its holder, however that ends."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def folder() -> Path:
    """A tmpfs of the container; nothing in it outlives a restart."""
    return Path(os.environ.get("AMAS_JOBS_DIR", tempfile.gettempdir()))


@contextmanager
def held(job: str) -> Iterator[bool]:
    """False while another run of the job holds it."""
    path = folder() / f"amas-job-{job}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield _taken(descriptor)
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
