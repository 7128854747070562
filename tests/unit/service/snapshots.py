"""Snapshots for tests, complete but for what is told."""

from typing import Any

import pytest

from service.collector.histogram import Buckets, Histogram
from service.collector.snapshot import Measured, Snapshot


def histogram(*seconds: float) -> Histogram:
    buckets = Buckets()
    for value in seconds:
        buckets.observe(value)
    return buckets.histogram()


def snapshot(
    at: float, *seconds: float, replica: str = "a", duration_s: float = 30.0, **told: Any
) -> Snapshot:
    """Of requests for decisions that took so long."""
    latencies = {"decisions": histogram(*seconds)} if seconds else {}
    return Snapshot(replica=replica, at=at, duration_s=duration_s, latencies=latencies, **told)


def near(measured: Measured, value: float, samples: int, rel: float = 1e-6) -> bool:
    return measured[0] == pytest.approx(value, rel=rel) and measured[1] == samples
