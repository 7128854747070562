"""The disk a stack may come to take, from its configuration. Pure but for reading the image lock."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MB = 1_000_000
MIB = 1 << 20
WAL_BYTES = 2048 * MIB  # max_wal_size of the db image
SLOT_WAL_BYTES = 4096 * MIB  # max_slot_wal_keep_size of the db image
FIRST_ROWS_BYTES = 1024 * MIB  # about a million decisions with their indexes
ALL_IMAGES_BYTES = 3000 * MB  # built from nothing, their layers before slimming included
BACKUP_SHARE = 2.0  # of the first days: a full copy, increments and the WAL between them, compressed
PARTS_BESIDE_REPLICAS = 10
AOF_GROWTH = 2.0  # rewriting it keeps the old one until the new one stands
PROMETHEUS_HEAD = 1.25  # the head and its WAL are not in the retention size
QUEUE_KEYS_SHARE = 0.4

Values = Mapping[str, int | str | bool]


@dataclass(frozen=True)
class Item:
    what: str
    most_bytes: int


def budget(values: Values, images: Sequence[int]) -> list[Item]:
    """`images`: sizes of those that stand; without any, all are still to be built."""
    logs = int(values["logMaxSizeMb"]) * int(values["logMaxFiles"]) * MB
    containers = 2 * int(values["replicas"]) + PARTS_BESIDE_REPLICAS
    spool = int(values["queueMemoryMb"]) * MIB * QUEUE_KEYS_SHARE * AOF_GROWTH
    kept = FIRST_ROWS_BYTES if values["backups"] else 0
    return [
        Item("images, to be built", ALL_IMAGES_BYTES if not images else 0),
        Item("write-ahead log of the database", WAL_BYTES),
        Item("log kept for a backup that is away", SLOT_WAL_BYTES if kept else 0),
        Item("decisions of the first days", FIRST_ROWS_BYTES),
        Item("backups of these", int(kept * BACKUP_SHARE)),
        Item("a restore for proof", kept),
        Item("the copy off site, where it is on this host", 0 if values["offsiteRepository"] else kept),
        Item("spool of the queue", int(spool)),
        Item("Prometheus", int(int(values["prometheusRetentionMb"]) * MB * PROMETHEUS_HEAD)),
        Item("container logs", logs * containers),
    ]


def total(items: Sequence[Item]) -> int:
    return sum(item.most_bytes for item in items)


def image_sizes(lock: Path) -> list[int]:
    """Empty when no image has been built here."""
    try:
        return [int(entry["size_bytes"]) for entry in json.loads(lock.read_text()).values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
