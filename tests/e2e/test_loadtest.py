"""A load test of the standing stack: it passes, its rows go, and the objectives never saw it."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Stack


def test_a_load_test_passes_and_leaves_nothing(stack: Stack, tmp_path: Path) -> None:
    before = _requests(stack)
    done = stack.amas(
        "loadtest", "run", "mixed", "--profile", "smoke", "--duration", "15",
        "--out", str(tmp_path), "--json", check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.fail(f"{done.stdout[-4000:]}\n{done.stderr[-3000:]}")
    told = json.loads(done.stdout)
    assert told["verdict"] == "passed"
    assert told["service"]["stored"] == told["result"]["accepted"] > 440
    assert told["plan"]["kind"] == "development"
    left = stack.shell(f"curl -fsS {stack.url}/api/runs/{told['plan']['runId']}")
    assert json.loads(left.stdout)["stored"] == 0
    # Of the load nothing is in them; what is, are the few questions of this test and of health checks.
    assert _requests(stack) - before < 75


def _requests(stack: Stack) -> int:
    """What the error rate is judged on."""
    answer = stack.shell(f"curl -fsS {stack.url}/api/about/values")
    values = json.loads(answer.stdout)["values"]
    return int(values.get("http.error_rate.5xx", {"samples": 0})["samples"])
