"""The newest load tests as metrics, release by release: how fast, how many errors, at what rate."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from service.errors import StoreRefused, StoreUnavailable

LOOK_EVERY_S = 15.0
# Of tests, profiles and releases together: each is a label set of its own.
MOST = 32
LABELS = ("test", "profile", "release")

logger = logging.getLogger("LoadRuns")


class LoadRun(NamedTuple):
    """A row of `newest_load_runs`."""

    test: str
    profile: str
    release: str
    finished_at: datetime
    verdict: str
    p95_ms: float | None
    p99_ms: float | None
    error_ratio: float | None
    requests_per_s: float | None
    highest_good_per_s: float | None


# Name and meaning of each series, and its value; None is not exposed.
SERIES: Mapping[str, tuple[str, Callable[[LoadRun], float | None]]] = {
    "amas_loadtest_last_run_timestamp_seconds": (
        "When the newest run ended.", lambda run: run.finished_at.timestamp(),
    ),
    "amas_loadtest_passed": (
        "1 where the newest run passed; one that measured nothing did not.",
        lambda run: float(run.verdict == "passed"),
    ),
    "amas_loadtest_p95_seconds": ("P95 latency of its client.", lambda run: _seconds(run.p95_ms)),
    "amas_loadtest_p99_seconds": ("P99 latency of its client.", lambda run: _seconds(run.p99_ms)),
    "amas_loadtest_error_ratio": ("Failed requests of all, from 0 to 1.", lambda run: run.error_ratio),
    "amas_loadtest_requests_per_second": ("The rate it achieved.", lambda run: run.requests_per_s),
    "amas_loadtest_highest_good_requests_per_second": (
        "Of a rising load, the rate up to which all thresholds held.", lambda run: run.highest_good_per_s,
    ),
}  # fmt: skip


class Database(Protocol):
    """The part of db.Pool that is used here."""

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]: ...


class LoadRuns:
    """Reads them every few seconds and answers from memory, whether the database is there or not."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.newest: Sequence[LoadRun] = ()

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except (StoreUnavailable, StoreRefused) as error:
                logger.debug("the load runs cannot be read", extra={"reason": str(error)})
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Raises StoreUnavailable or StoreRefused, and knows what it knew before."""
        rows = await self._database.rows("newest_load_runs", {"most": MOST})
        self.newest = [LoadRun(*row) for row in rows]


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
