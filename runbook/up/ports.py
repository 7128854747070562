"""Whether a port of this host is free, who holds it otherwise, and whether anybody listens there."""

import socket
from collections.abc import Iterator
from pathlib import Path

LISTENING = "0A"
KNOCK_S = 2.0


def is_free(ip: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as door:
        # As the engine does: what lingers of closed connections does not count.
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((ip, port))
            door.listen(1)
        except OSError:
            return False
    return True


def listens(ip: str, port: int) -> bool:
    try:
        socket.create_connection((ip, port), KNOCK_S).close()
    except OSError:
        return False
    return True


def holder_of(port: int, proc: Path = Path("/proc")) -> str | None:
    """`name (process 12)`; nothing where the process is another user's to see."""
    inodes = set(listening_inodes(port, proc))
    for descriptor in proc.glob("[0-9]*/fd/*"):
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in inodes:
            return _named(descriptor.parent.parent, port)
    return None


def listening_inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (proc / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _named(process: Path, port: int) -> str:
    name = (process / "comm").read_text().strip()
    hint = f": a container, see docker ps --filter publish={port}" if name == "docker-proxy" else ""
    return f"{name} (process {process.name}){hint}"
