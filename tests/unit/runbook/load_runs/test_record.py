"""What a run found becomes one row: figures where there are some, and none made up."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadtests import verdict
from loadtests.plan import Plan
from loadtests.summary import Result, Step
from runbook.load_runs import keep
from runbook.load_runs.record import LoadRun, highest_good, release_of, row_of


def facts(**changed: Any) -> dict[str, Any]:
    """As in a summary.json, as far as it is looked at."""
    return {
        "verdict": "passed",
        "plan": {"runId": "lt-1", "test": "mixed", "profile": "smoke", "at": "2026-03-06T03:00:00+00:00"},
        "result": {"requests": 150, "p95_ms": 20.5, "p99_ms": 41.0, "error_share": 0.001, "rate": 5.0},
        "checks": [{"name": "P95 latency", "state": "ok", "found": "20.5 ms", "wanted": "< 200 ms"}],
        "fingerprint": {"replicas": "2"},
        "generator": {"elapsed_s": 31.5},
    } | changed


def rising(found: str) -> dict[str, Any]:
    return facts(checks=[{"name": "highest good rate", "state": "ok", "found": found, "wanted": "a rate"}])


def test_a_run_is_a_row() -> None:
    assert row_of(facts(), "0.1.0-ab") == LoadRun(
        run_id="lt-1",
        started_at=datetime(2026, 3, 6, 3, 0, tzinfo=UTC),
        finished_at=datetime(2026, 3, 6, 3, 0, 31, 500_000, tzinfo=UTC),
        test="mixed",
        profile="smoke",
        release="0.1.0-ab",
        replicas=2,
        verdict="passed",
        p95_ms=20.5,
        p99_ms=41.0,
        error_ratio=0.001,
        requests_per_s=5.0,
    )


@pytest.mark.parametrize("result", [None, {"requests": 0, "p95_ms": 0.0, "p99_ms": 0.0, "rate": 0.0}])
def test_a_run_that_measured_nothing_has_no_figures(result: dict[str, Any] | None) -> None:
    row = row_of(facts(verdict="invalid", result=result), "0.1.0-ab")
    assert (row.verdict, row.p95_ms, row.p99_ms, row.error_ratio, row.requests_per_s) == (
        "invalid", None, None, None, None,
    )  # fmt: skip


def test_a_figure_that_is_no_number_is_none() -> None:
    row = row_of(facts(result=facts()["result"] | {"p99_ms": float("nan"), "error_share": None}), "r")
    assert (row.p99_ms, row.error_ratio) == (None, None)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("800/s; at 900/s P95 was 310 ms (limit 200 ms), 12 requests found no user of k6 free", 800.0),
        ("2000/s, nothing gave way", 2000.0),
        ("none", None),
    ],
)
def test_a_rising_load_has_the_rate_up_to_which_it_was_good(found: str, expected: float | None) -> None:
    rate, gave_way = highest_good(rising(found))
    assert rate == expected
    assert gave_way == (found.partition("; ")[2] or None)


def test_a_release_is_the_tag_of_the_services_image() -> None:
    assert release_of("amas/service:0.1.0-7c0ab9483ea5") == "0.1.0-7c0ab9483ea5"
    assert release_of("amas/service") == "unknown"


def test_the_release_is_told_by_the_environment_or_the_lock_or_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMAS_STATE_DIR", str(tmp_path))
    assert keep.release({}) == "unknown"
    (tmp_path / "images.json").write_text('{"service": {"tag": "amas/service:0.1.0-ab"}}')
    assert keep.release({}) == "0.1.0-ab"
    assert keep.release({"AMAS_RELEASE": "0.2.0-cd"}) == "0.2.0-cd"


@pytest.mark.parametrize(
    ("p95_ms", "rate", "gave_way"),
    [
        ((20.0, 30.0, 310.0), 200.0, "at 300/s P95 was 310 ms (limit 200 ms)"),
        ((20.0, 30.0, 40.0), 300.0, None),
        ((310.0, 320.0, 330.0), None, None),
    ],
)
def test_what_the_verdict_says_of_a_rising_load_is_read(
    p95_ms: tuple[float, ...], rate: float | None, gave_way: str | None
) -> None:
    steps = tuple(
        Step(rate=100.0 * place, requests=9, p95_ms=one, p99_ms=one, error_share=0.0, dropped=0)
        for place, one in enumerate(p95_ms, 1)
    )
    facts = SimpleNamespace(
        steps=[100.0, 200.0, 300.0],
        scenarios=[SimpleNamespace(rate=step.rate, requests=step.requests) for step in steps],
        limits=SimpleNamespace(p95_ms=200.0, p99_ms=500.0, error_share=0.01),
    )
    plan, result = cast("Plan", facts), cast("Result", SimpleNamespace(steps=steps))
    check = verdict._highest(plan, result, verdict.good_rate(plan, result))
    found = highest_good({"checks": [asdict(check)]})
    assert found[0] == rate
    assert (found[1] or "").startswith(gave_way or "")
    assert bool(found[1]) == bool(gave_way)
