"""What a pipeline calls, on a stack that stands: the verdict, where it is told, and where it is kept."""

import json
from pathlib import Path

import httpx

from tests.e2e.conftest import Stack, eventually

KEPT = "SELECT verdict, replicas, p95_ms > 0, release FROM load_runs WHERE run_id = '{}'"
FORGOTTEN = "DELETE FROM load_runs WHERE run_id = '{}'"
SERIES = 'amas_loadtest_p95_seconds{{job="api", release="{}"}}'


def test_a_pipelines_load_test_is_judged_told_kept_and_exported(stack: Stack, tmp_path: Path) -> None:
    job = tmp_path / "step-summary"
    done = stack.shell(
        f"GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY={job} "
        f"amas ci loadtest mixed --profile smoke --repeat 1 --out {tmp_path} --json",
        check=False,
    )
    report = json.loads(done.stdout)
    verdict = report["verdict"]
    # Whether it was fast enough is this machine's matter; that it was measured and told is the test's.
    levels = [line.split(" ")[0] for line in report["said"]]
    # A warning: there was no baseline to compare with.
    told = {("passed", 0): ["::warning"], ("failed", 1): ["::error", "::warning"]}
    assert levels == told[verdict, done.returncode]
    assert report["baseline"] == "none"
    assert f"# Load test: {verdict}" in job.read_text()
    assert (tmp_path / "summary.md").read_text() == job.read_text()
    run_id = report["runs"][0]["plan"]["runId"]

    kept = stack.amas("db", "psql", "--", "-Atc", KEPT.format(run_id)).stdout.strip().split("|")
    assert (kept[0], int(kept[1]) >= 2, kept[2]) == (verdict, True, "t"), "a roll of a moment ago is in it"

    def is_exported() -> bool:
        query = {"query": SERIES.format(kept[3])}
        answer = httpx.get(f"http://127.0.0.1:{stack.prometheus_port}/api/v1/query", params=query)
        return bool(answer.json()["data"]["result"])

    eventually(is_exported, within_s=60, what="the run's series in Prometheus")
    stack.amas("db", "psql", "--", "-c", FORGOTTEN.format(run_id))
