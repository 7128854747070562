"""What the operating system tells about this process."""

import os
from collections.abc import Iterable
from pathlib import Path

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Of the second and of the first version of control groups, as a container sees its own.
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def rss_bytes() -> int:
    """Resident memory; 0 where the system does not tell."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def memory_limit_bytes(files: Iterable[Path] = _LIMITS) -> int:
    """What this process may use: the limit of its container, and no more than the machine has."""
    machine_bytes = os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES
    return min([machine_bytes, *filter(None, map(_limit_bytes, files))])


def _limit_bytes(file: Path) -> int | None:
    """None without a limit: `max` in the file, or no file at all."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None
