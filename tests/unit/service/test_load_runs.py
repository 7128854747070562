"""The newest load tests as series: what is known, and nothing where nothing was measured."""

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.load_runs import LoadRun, LoadRuns
from service.metrics import Metrics

ENDED = datetime(2026, 3, 6, 3, 30, tzinfo=UTC)
GOOD = LoadRun("mixed", "smoke", "r2", ENDED, "passed", 20.5, 41.0, 0.001, 99.5, None)
EMPTY = LoadRun("ingest", "average", "r2", ENDED, "invalid", None, None, None, None, None)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Reads:
    """A database that holds these rows."""

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        self.held = list(rows)

    async def rows(self, query: str, parameters: Any) -> list[tuple[Any, ...]]:
        assert query == "newest_load_runs"
        return self.held[: parameters["most"]]


async def series(*runs: LoadRun) -> dict[tuple[str, str], float]:
    """By name and test."""
    known = LoadRuns(Reads(*runs))
    await known.look()
    metrics = Metrics("test")
    metrics.watch_load_runs(lambda: known.newest)
    text = metrics.render("")[0].decode()
    return {
        (sample.name, sample.labels["test"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("amas_loadtest_")
    }


async def test_a_run_is_told_in_base_units() -> None:
    assert await series(GOOD) == {
        ("amas_loadtest_last_run_timestamp_seconds", "mixed"): ENDED.timestamp(),
        ("amas_loadtest_passed", "mixed"): 1.0,
        ("amas_loadtest_p95_seconds", "mixed"): 0.0205,
        ("amas_loadtest_p99_seconds", "mixed"): 0.041,
        ("amas_loadtest_error_ratio", "mixed"): 0.001,
        ("amas_loadtest_requests_per_second", "mixed"): 99.5,
    }


async def test_a_run_that_measured_nothing_did_not_pass_and_has_no_figures() -> None:
    assert await series(EMPTY) == {
        ("amas_loadtest_last_run_timestamp_seconds", "ingest"): ENDED.timestamp(),
        ("amas_loadtest_passed", "ingest"): 0.0,
    }


async def test_the_rate_up_to_which_a_rising_load_was_good_is_told() -> None:
    found = await series(GOOD._replace(profile="breakpoint", highest_good_per_s=850.0))
    assert found["amas_loadtest_highest_good_requests_per_second", "mixed"] == 850.0


async def test_without_a_run_there_is_no_series() -> None:
    assert await series() == {}
