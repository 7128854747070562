"""Jobs of the standing stack: what they are, and a run that the service hears of."""

from typing import Any

from tests.e2e.conftest import Stack, eventually


def inside(stack: Stack, *words: str) -> None:
    stack.shell(f"docker exec amas-{stack.name}-scheduler amas {' '.join(words)}")


def test_every_job_of_the_scheduler_is_expected_from_the_first_minute_on(stack: Stack) -> None:
    known = stack.jobs()
    assert known.keys() >= {"health", "retention", "db-growth", "threshold-review", "audit"}
    assert known["health"]["runner"] == "scheduler"
    assert known["health"]["next"] is not None


def test_a_run_is_recorded_and_told_by_the_service(stack: Stack) -> None:
    inside(stack, "job run db-growth --limit-s 300 -- amas db growth --json")
    seen: list[dict[str, Any]] = []

    def is_told() -> bool:
        """By any replica: each hears of it at its own time."""
        seen.append(stack.jobs()["db-growth"])
        return bool(seen[-1]["result"] == "ok")

    eventually(is_told, within_s=60, what="the run is told")
    assert seen[-1]["late"] is False
    assert seen[-1]["detail"], "what the verb printed is the run's detail"
    metrics = f"curl -fsS {stack.url}/api/about/metrics/prometheus"
    wanted = 'amas_job_last_outcome{job="db-growth"}'
    eventually(lambda: wanted in stack.shell(metrics).stdout, within_s=60, what="the run is a metric")


def test_the_hosts_timers_can_be_read_before_they_are_written(stack: Stack) -> None:
    done = stack.amas("schedule", "install", "--timer", "cron", "--dry-run")
    assert f"/etc/cron.d/amas-{stack.name}" in done.stdout
    assert "amas job run drill" in done.stdout
