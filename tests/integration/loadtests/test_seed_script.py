"""The runbook's own commands (sections 9.1 and 9.2), against a stub."""

import os
import subprocess
import time
from pathlib import Path

from tests.integration.loadtests.stub import Stub

ROOT = Path(__file__).resolve().parents[3]


def started(stub: Stub, folder: Path, **variables: str) -> subprocess.Popen[str]:
    """As typed, with the keys of the place in files; the summary lies where one stands."""
    for name in ("ingest", "read", "admin"):
        (folder / name).write_text("key")
    keys = {f"AMAS_{name.upper()}_KEY_FILE": str(folder / name) for name in ("ingest", "read", "admin")}
    return subprocess.Popen(
        [f"{ROOT}/loadtests/run-load-test.sh", "--out", "results"],
        cwd=folder,
        env={**os.environ, **keys, "BASE_URL": stub.url, "NO_COLOR": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(stub: Stub, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    process = started(stub, folder, **variables)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_the_runbooks_commands_work_as_written(tmp_path: Path) -> None:
    with Stub().standing() as stub:
        done = run(stub, tmp_path, DURATION="3", CONCURRENCY="8")
    assert done.returncode == 0, done.stderr
    summary = (tmp_path / "load-test-summary.txt").read_text()
    assert summary.startswith("Load test PASSED\n")
    assert "closed model, 8 users" in summary
    assert len(summary.splitlines()) <= 25
    assert stub.stored == {}


def test_the_longer_names_of_the_variables_are_taken_too_and_a_bad_service_fails(tmp_path: Path) -> None:
    with Stub(fail_every=5, unannounced=True).standing() as stub:
        done = run(stub, tmp_path, LOAD_TEST_DURATION="3", LOAD_TEST_CONCURRENCY="6")
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "load-test-summary.txt").read_text().startswith("Load test FAILED\n")


def test_another_host_than_the_targets_is_refused(tmp_path: Path) -> None:
    done = run(Stub(url="http://example.org"), tmp_path)
    assert done.returncode == 2
    assert "'example.org' is no target of load tests" in done.stderr
    assert not (tmp_path / "load-test-summary.txt").exists()


def test_a_run_that_is_told_to_end_ends_and_leaves_nothing(tmp_path: Path) -> None:
    with Stub().standing() as stub:
        process = started(stub, tmp_path, DURATION="60", CONCURRENCY="4")
        while process.poll() is None and len(stub.stored) < 1:
            time.sleep(0.05)
        process.terminate()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert stub.stored == {}
    assert (tmp_path / "load-test-summary.txt").read_text().startswith("Load test INVALID\n")
