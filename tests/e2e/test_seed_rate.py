"""The runbook's objective, 1,000 requests a second for five minutes; where it is missed, what is held."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Stack


@pytest.mark.full
def test_the_runbooks_rate_is_held_or_the_highest_good_rate_is_told(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run(stack, tmp_path, capsys, "seed-rate")
    if told["verdict"] != "passed":
        told = run(stack, tmp_path, capsys, "breakpoint")
    assert told["verdict"] in {"passed", "failed"}, "a load test that says nothing"
    accepted, posted = told["result"]["accepted"], told["result"]["posted"]
    # What was under way when a step was broken off may be stored without an answer.
    assert 1000 < accepted <= told["service"]["stored"] <= posted, "whatever gave way, nothing was lost"


def run(stack: Stack, folder: Path, capsys: pytest.CaptureFixture[str], profile: str, *more: str) -> Any:
    done = stack.amas(
        *("loadtest", "run", "mixed", "--profile", profile, *more),
        *("--out", str(folder), "--json"),
        check=False,
        within_s=1200,
    )
    assert done.stdout, done.stderr[-3000:]
    told = json.loads(done.stdout)
    (summary,) = folder.glob(f"*-mixed-{profile}/load-test-summary.txt")
    with capsys.disabled():
        print(f"\n{summary.read_text()}")  # noqa: T201 - the figures are the result
    return told
