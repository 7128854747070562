"""The verdict of a run, what is written of it, and the exit code."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from loadtests import baseline, baseline_file, report, results
from loadtests.baseline import Compared
from loadtests.catalog import catalog
from loadtests.flow import Outcome
from loadtests.k6 import Ended
from loadtests.live import Sample
from loadtests.summary import Result, Step
from loadtests.verdict import Found, good_rate, judge
from runbook.errors import UsageError
from runbook.jobs.record import MOST_DETAIL_BYTES, detail_of
from runbook.jobs.record import Outcome as JobOutcome
from runbook.loadtest.command import exit_code
from tests.unit.loadtests.testing_facts import ALERT, AT, ENDED, FOUND, OBJECTIVES, RESULT, outcome, planned

NONE = Compared(missing=True)


def words(one: Outcome) -> tuple[str, set[str]]:
    return one.verdict.word, {
        check.name for check in one.verdict.checks if check.state in ("failed", "invalid")
    }


def test_a_run_as_it_should_be_passes(tmp_path: Path) -> None:
    assert words(outcome(tmp_path)) == ("passed", set())


@pytest.mark.parametrize(
    ("result", "word", "name"),
    [
        (replace(RESULT, p95_ms=200.0), "failed", "P95 latency"),
        (replace(RESULT, p99_ms=501.0), "failed", "P99 latency"),
        (replace(RESULT, error_share=0.001), "failed", "error rate"),
        (replace(RESULT, accepted=71, posted=71), "failed", "decisions stored"),
        (replace(RESULT, accepted=60, posted=69), "failed", "decisions stored"),
        (replace(RESULT, requests=0), "invalid", "requests measured"),
        (replace(RESULT, checks=0), "invalid", "answers looked at"),
        (replace(RESULT, iterations=147, dropped=3), "invalid", "requests dropped"),
        (replace(RESULT, iterations=140), "invalid", "requests due"),
        (replace(RESULT, late_p95_ms=101.0), "invalid", "generator's delay"),
        (None, "invalid", "summary"),
    ],
)
def test_one_figure_that_is_off_is_the_reason(
    tmp_path: Path, result: Result | None, word: str, name: str
) -> None:
    assert words(outcome(tmp_path, result=result)) == (word, {name})


@pytest.mark.parametrize(
    ("ended", "word", "name"),
    [
        (replace(ENDED, cpu_share=0.81), "invalid", "generator's CPU"),
        (replace(ENDED, exit_code=107), "invalid", "end"),
        (replace(ENDED, stopped_because="not done within 9 s"), "invalid", "end"),
        (replace(ENDED, stopped_because="interrupted", interrupted=True), "invalid", "end"),
    ],
)
def test_an_end_that_is_off_is_the_reason(tmp_path: Path, ended: Ended, word: str, name: str) -> None:
    assert words(outcome(tmp_path, ended=ended)) == (word, {name})


@pytest.mark.parametrize(
    ("found", "word", "name"),
    [
        (replace(FOUND, fired=(ALERT,)), "failed", "alerts fired"),
        (replace(FOUND, left=3), "failed", "rows left after the purge"),
        (replace(FOUND, left=None, unpurged="503"), "failed", "rows left after the purge"),
        (replace(FOUND, drained_s=None), "failed", "drained"),
        (replace(FOUND, stored=None, unanswered="no answer"), "invalid", "decisions stored"),
        (
            replace(FOUND, objectives=[{**OBJECTIVES[0], "state": "breached"}]),
            "failed",
            "objectives of other traffic",
        ),
    ],
)
def test_what_the_service_says_is_the_reason(tmp_path: Path, found: Found, word: str, name: str) -> None:
    assert words(outcome(tmp_path, found=found)) == (word, {name})


def test_an_objective_breached_before_is_no_reason(tmp_path: Path) -> None:
    rows = [{**OBJECTIVES[0], "state": "breached"}]
    assert words(outcome(tmp_path, found=replace(FOUND, objectives=rows, objectives_before=rows)))[1] == set()


def test_decisions_without_an_answer_may_or_may_not_be_stored(tmp_path: Path) -> None:
    result = replace(RESULT, accepted=68, posted=72)
    assert words(outcome(tmp_path, result=result)) == ("passed", set())


def test_too_few_reads_do_not_judge_the_cache(tmp_path: Path) -> None:
    few, many = (replace(RESULT, hit_share=0.1, reads=count) for count in (100, 5000))
    assert words(outcome(tmp_path, result=few))[0] == "passed"
    assert words(outcome(tmp_path, result=many)) == ("failed", {"cache hit rate"})


def test_a_script_that_threw_makes_it_invalid_with_its_words(tmp_path: Path) -> None:
    assert outcome(tmp_path, errors=("Error: boom",)).verdict.reasons == [
        "script errors: 1, the first: Error: boom; wanted 0"
    ]


def test_the_highest_good_rate_is_the_last_step_before_a_limit_broke() -> None:
    steps = (
        Step(100, 3000, 20, 40, 0.0, 0),
        Step(200, 6000, 30, 60, 0.0, 0),
        Step(300, 9000, 900, 1200, 0.0, 0),
        Step(400, 12000, 10, 10, 0.0, 0),
    )
    assert good_rate(planned("breakpoint"), replace(RESULT, steps=steps)) == 200


def test_a_step_that_was_cut_short_is_no_good_rate_and_something_gave_way(tmp_path: Path) -> None:
    steps = (Step(100, 3000, 20, 40, 0.0, 0), Step(200, 2100, 30, 60, 0.0, 0))
    one = outcome(tmp_path, profile="breakpoint", result=replace(RESULT, steps=steps))
    found = next(check.found for check in one.verdict.checks if check.name == "highest good rate")
    assert found == "100/s; at 200/s 2,100 of 6,000 requests came"


def test_what_gave_way_is_told_by_the_limits_that_broke_and_in_the_first_step_that_broke_one(
    tmp_path: Path,
) -> None:
    steps = (
        Step(100, 3000, 20, 40, 0.0, 0),
        Step(200, 6000, 812.4, 460, 0.021, 3),
        Step(300, 9000, 20, 40, 0.0, 0),
    )
    one = outcome(tmp_path, profile="breakpoint", result=replace(RESULT, steps=steps))
    found = next(check.found for check in one.verdict.checks if check.name == "highest good rate")
    assert found == (
        "100/s; at 200/s P95 was 812 ms (limit 200 ms), 2.1% failed (limit 1.0%), "
        "3 requests found no user of k6 free"
    )


def test_where_the_first_step_gave_way_it_is_told_what_did(tmp_path: Path) -> None:
    steps = (Step(100, 3000, 20, 700, 0.0, 0),)
    one = outcome(tmp_path, profile="breakpoint", result=replace(RESULT, steps=steps))
    assert one.verdict.reasons == [
        "highest good rate: none: at 100/s P99 was 700 ms (limit 500 ms); wanted at least 100/s"
    ]


@pytest.mark.parametrize("profile", ["smoke", "seed"])
def test_a_run_that_ended_early_with_no_limit_broken_is_invalid(profile: str) -> None:
    made = planned(profile)
    early = replace(ENDED, exit_code=99, elapsed_s=made.duration_s / 2)
    assert judge(made, early, RESULT, (), FOUND).word == "invalid"
    assert judge(made, early, replace(RESULT, error_share=0.6), (), FOUND).word == "failed"


def test_everything_is_written_and_can_be_read_again(tmp_path: Path) -> None:
    one = outcome(tmp_path, found=replace(FOUND, fired=(ALERT,)))
    report.write_all(one, None)
    assert results.read(tmp_path)["verdict"] == "failed"
    text = (tmp_path / report.TEXT).read_text()
    assert text.splitlines()[0] == "Load test FAILED"
    assert len(text.splitlines()) <= 25
    figures = [line for line in text.splitlines() if line[:4].isalpha() or line.startswith("SLO")]
    assert max(map(len, figures)) <= 60
    suite = ET.fromstring((tmp_path / report.JUNIT).read_text())  # noqa: S314 - our own text
    assert (suite.get("failures"), suite.get("errors")) == ("1", "0")
    assert r"too many \| wait" in (tmp_path / report.COMMENT).read_text()
    page = (tmp_path / report.PAGE).read_text()
    assert "http" not in page.replace("http://127.0.0.1:3000", "").replace("http-equiv", "")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("profile", catalog().profiles)
def test_the_answer_of_an_hour_fits_where_a_job_keeps_it(tmp_path: Path, profile: str) -> None:
    hour = replace(ENDED, samples=[Sample(at, at * 1000, 0.1, 1.5, 2.5, 100, 0) for at in range(3600)])
    facts = json.loads(json.dumps(outcome(tmp_path, profile=profile, ended=hour).facts()))
    told = json.dumps(report.told(facts), indent=2)
    assert len(told.encode()) < MOST_DETAIL_BYTES
    assert detail_of(told.encode(), "", JobOutcome.FAILED)["verdict"] == facts["verdict"]


@pytest.mark.parametrize(
    ("profile", "rate", "state"),
    [("smoke", 5.0, "not judged"), ("seed-rate", 995.0, "met"), ("seed-rate", 700.0, "breached")],
)
def test_throughput_is_judged_only_where_it_was_asked_for(
    tmp_path: Path, profile: str, rate: float, state: str
) -> None:
    one = outcome(tmp_path, profile=profile, result=replace(RESULT, rate=rate))
    assert report.objectives(one)[0]["state"] == state


@pytest.mark.parametrize(
    ("spoilt", "compared", "required", "code"),
    [
        ({}, NONE, False, 0),
        ({}, NONE, True, 3),
        ({}, Compared(incomparable=("k6",)), True, 3),
        ({}, Compared(incomparable=("k6",)), False, 0),
        ({"found": replace(FOUND, left=1)}, NONE, True, 1),
        ({"result": None, "found": replace(FOUND, left=1)}, NONE, True, 4),
        ({"ended": replace(ENDED, interrupted=True, stopped_because="interrupted")}, NONE, False, 130),
    ],
)
def test_the_exit_code_hides_nothing_worse(
    tmp_path: Path, spoilt: dict[str, object], compared: Compared, *, required: bool, code: int
) -> None:
    one = outcome(tmp_path, **spoilt)  # type: ignore[arg-type]
    assert exit_code([one], compared, required=required) == code


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., list[dict[str, object]]]:
    def make(*p95_ms: float, cpu: str = "x") -> list[dict[str, object]]:
        facts = [outcome(tmp_path, result=replace(RESULT, p95_ms=one)).facts() for one in p95_ms]
        return [{**one, "fingerprint": {"cpu": cpu}} for one in facts]

    return make


def test_four_worse_runs_are_worse_and_have_their_exit_code(
    tmp_path: Path, runs: Callable[..., list[dict[str, object]]]
) -> None:
    found = baseline.compare(runs(8, 8.1, 8.2, 8.3), runs(12, 12.1, 12.2, 12.3))
    assert found.answer == "worse"
    assert exit_code([outcome(tmp_path)], found, required=False) == 5


def test_runs_of_other_machines_are_not_compared(runs: Callable[..., list[dict[str, object]]]) -> None:
    found = baseline.compare(runs(8, 8, 8), runs(8, 8, 8, cpu="y"))
    assert (found.answer, found.incomparable) == ("not comparable", ("cpu: 'x' and 'y'",))


def test_a_baseline_is_of_runs_that_passed_and_has_a_reason(
    tmp_path: Path, runs: Callable[..., list[dict[str, object]]]
) -> None:
    with pytest.raises(UsageError, match="say why"):
        baseline_file.keep(runs(8, 8, 8, 8), " ", AT, tmp_path)
    with pytest.raises(UsageError, match="only runs that passed"):
        baseline_file.keep(runs(8, 8, 8, 900), "new disk", AT, tmp_path)
    with pytest.raises(UsageError, match="3 runs: 4 or more make a baseline"):
        baseline_file.keep(runs(8, 8, 8), "new disk", AT, tmp_path)
    path = baseline_file.keep(runs(8, 8.1, 8.2, 8), "new disk", AT, tmp_path)
    assert path == tmp_path / f"development/mixed.smoke.{baseline.mark({'cpu': 'x'})}.json"
    assert json.loads(path.read_text())["reason"] == "new disk"
    assert baseline.compare(baseline_file.read(path)["runs"], runs(8, 8.1, 8.2, 8)).answer == "same"


def test_what_passed_counts_for_a_day(tmp_path: Path) -> None:
    folder = results.begun(tmp_path, planned("seed", users=50))
    one = outcome(folder, profile="seed")
    plan = replace(planned("seed", users=50), at=AT)
    report.write_all(replace(one, plan=plan), None)
    assert one.verdict.word == "passed", one.verdict.reasons
    assert results.passed_users(tmp_path, plan, AT + timedelta(hours=1)) == 50
    assert results.passed_users(tmp_path, plan, AT + timedelta(hours=25)) == 0


@pytest.mark.parametrize(
    "changed", [{"target": "production"}, {"kind": "production"}, {"test": "ingest"}], ids=str
)
def test_what_passed_elsewhere_or_asked_for_something_else_is_no_word_for_production(
    tmp_path: Path, changed: dict[str, str]
) -> None:
    passed = planned("seed", users=50)
    report.write_all(replace(outcome(results.begun(tmp_path, passed), profile="seed"), plan=passed), None)
    wanted = replace(passed, **changed)  # type: ignore[arg-type]
    assert results.passed_users(tmp_path, wanted, AT) == 0
    assert results.passed_users(tmp_path, passed, AT) == 50
    longer = planned("seed", users=100, duration_s=passed.duration_s + 1)
    assert results.passed_users(tmp_path, longer, AT) == 0


def test_two_runs_at_one_target_at_a_time_are_refused_wherever_their_results_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        results.alone("local", 3000),
        pytest.raises(UsageError, match="another load test runs"),
        results.alone("local", 3000),
    ):
        pytest.fail("both hold it")
