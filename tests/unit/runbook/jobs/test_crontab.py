"""A crontab is read as it is run, and says when a job is missed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.errors import UsageError
from runbook.jobs.crontab import Scheduled, jobs_of, longest_pause, next_run

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def test_lines_that_run_jobs_are_read_and_others_are_not() -> None:
    text = """
# Rendered.
0 */4 * * * amas job run health --limit-s 300 -- amas health --json
  15 1 * * *   amas job run backup --limit-s 3600 -- amas backup now --label 'one two'
5 * * * * amas job declare --runner scheduler /config/crontab
* * * * * amas backup upkeep --json
"""
    assert jobs_of(text) == [
        Scheduled("health", "0 */4 * * *", 300, ("amas", "health", "--json")),
        Scheduled("backup", "15 1 * * *", 3600, ("amas", "backup", "now", "--label", "one two")),
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0 * * * * amas job run health -- amas health", "wants NAME --limit-s SECONDS -- COMMAND"),
        ("0 * * * * amas job run health --limit-s 5", "wants NAME --limit-s SECONDS -- COMMAND"),
        ("0 * * * * amas job run health --limit-s soon -- x", "wants NAME"),
        ("0 99 * * * amas job run health --limit-s 5 -- x", "is no time of a crontab"),
    ],
)
def test_a_line_that_would_run_nothing_on_record_is_refused(line: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        jobs_of(line)


@pytest.mark.parametrize(
    ("schedule", "pause"),
    [
        ("* * * * *", timedelta(minutes=1)),
        ("0 */4 * * *", timedelta(hours=4)),
        ("30 6 * * 1", timedelta(days=7)),
        ("0 9,17 * * *", timedelta(hours=16)),
        ("0 6 1 * *", timedelta(days=31)),
        ("0 7 1 */3 *", timedelta(days=92)),
    ],
)
def test_the_longest_pause_is_what_lies_between_two_turns_at_most(schedule: str, pause: timedelta) -> None:
    assert longest_pause(schedule) == pause


def test_a_daily_job_is_late_after_its_pause_its_limit_and_a_tenth() -> None:
    assert Scheduled("backup", "15 1 * * *", 3600).due_within == timedelta(hours=24 + 1 + 2.4)
    assert Scheduled("often", "* * * * *", 30).due_within == timedelta(minutes=1 + 10, seconds=30)


def test_the_next_turn_lies_ahead() -> None:
    assert next_run("0 */4 * * *", NOW) == datetime(2026, 3, 4, 8, tzinfo=UTC)
    assert next_run("6 5 * * *", NOW) == datetime(2026, 3, 5, 5, 6, tzinfo=UTC)


@settings(max_examples=10)
@given(st.integers(0, 59), st.integers(0, 23), st.integers(1, 28), st.integers(1, 3600))
def test_a_job_that_runs_at_every_turn_is_never_late(minute: int, hour: int, day: int, limit_s: int) -> None:
    job = Scheduled("x", f"{minute} {hour} {day} * *", limit_s)
    turn = next_run(job.schedule, NOW)
    for _ in range(4):
        after = next_run(job.schedule, turn)
        assert after + timedelta(seconds=limit_s) - turn < job.due_within
        turn = after


def test_a_schedule_without_a_second_turn_is_not_asked_for_one_soon() -> None:
    assert longest_pause("0 0 29 2 *") >= timedelta(days=1460)
