"""Section 8.3 of the runbook as one command: every fault on a stack of its own, nothing lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runbook.drill.fault import FAULTS
from tests.e2e.conftest import ROOT
from tests.faults.conftest import output


@pytest.mark.full
def test_every_fault_is_survived(state_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runbook.cli", "drill", "all", "--json", "--out", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "AMAS_STATE_DIR": str(state_dir), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    assert done.stdout, done.stderr
    facts = json.loads(done.stdout)
    with capsys.disabled():
        print(f"\n{Path(facts['report']).read_text()}")  # noqa: T201 - the figures are the result
    assert [one["fault"] for one in facts["drills"]] == [fault.name for fault in FAULTS]
    assert [check for one in facts["drills"] for check in one["checks"] if not check["ok"]] == []
    assert done.returncode == 0
    left = output("docker", "ps", "-aq", "--filter", f"label=amas.stack={facts['stack']}")
    assert left == "", "the drill's own stack is taken away"
