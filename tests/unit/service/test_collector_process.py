"""The memory a process may use is its container's limit, or what the machine has."""

import os
from pathlib import Path

import pytest

from service.collector.process import memory_limit_bytes, rss_bytes

MACHINE_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("text", "limit_bytes"),
    [("536870912\n", 2**29), ("max\n", MACHINE_BYTES), ("9223372036854771712\n", MACHINE_BYTES)],
)
def test_it_is_the_limit_of_the_container_where_there_is_one(
    tmp_path: Path, text: str, limit_bytes: int
) -> None:
    told = tmp_path / "memory.max"
    told.write_text(text)
    assert memory_limit_bytes([tmp_path / "absent", told]) == limit_bytes


def test_without_control_groups_it_is_the_machines_and_more_than_is_in_use(tmp_path: Path) -> None:
    assert memory_limit_bytes([tmp_path / "absent"]) == MACHINE_BYTES
    assert 0 < rss_bytes() < memory_limit_bytes()
