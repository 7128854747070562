"""Rule tests say which check failed and why, and refuse what makes no sense."""

from pathlib import Path

import pytest

from service.alerts import rule_tests

RULES = """
rules:
  - id: full
    metric: queue.size
    threshold: 500
    operator: ">"
    duration: 60000
    severity: high
    message: The queue is full
    labels: {team: platform}
    minSamples: 5
"""
TESTS = """
rule_files: [rules.yaml]
evaluation_interval: 30s
tests:
  - name: a full queue
    interval: 1m
    input_series: [{series: queue.size, values: 400 600x5}]
    alert_rule_test:
      - {eval_time: 1m30s, alertname: full}
      - {eval_time: 2m15s, alertname: full, exp_alerts: [{exp_labels: {severity: high, team: platform}}]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path


def said(folder: Path, tests: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    path = folder / "tests.yaml"
    path.write_text(tests)
    code = rule_tests.main([str(path)])
    spoken = capsys.readouterr()
    return code, [line.removeprefix(f"{path}: ") for line in (spoken.out + spoken.err).splitlines()]


def test_counts_the_checks_that_hold(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(folder, TESTS, capsys) == (0, ["2 checks in 1 tests hold"])


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        (
            "1m30s",
            "2m",
            "full at 2m: should be quiet; it is firing with value 600.0, active since 60.0 s",
        ),
        (
            "2m15s",
            "1m59s",
            "full at 1m59s: should fire; it is pending with value 600.0, active since 60.0 s",
        ),
        (
            ", team: platform",
            "",
            (
                "full at 2m15s: has labels {'severity': 'high', 'team': 'platform'}, "
                "expected {'severity': 'high'}"
            ),
        ),
        (
            "team: platform}",
            "team: platform}, exp_annotations: {message: Full}",
            ("full at 2m15s: has annotations {'message': 'The queue is full'}, expected {'message': 'Full'}"),
        ),
        (
            "[{exp_labels: {severity: high, team: platform}}]",
            "[{}, {}]",
            "full at 2m15s: has 2 alerts expected; a rule has one at most",
        ),
    ],
)
def test_names_the_check_that_fails_and_why(
    folder: Path, capsys: pytest.CaptureFixture[str], right: str, wrong: str, line: str
) -> None:
    assert said(folder, TESTS.replace(right, wrong), capsys) == (1, [f"test 1 (a full queue): {line}"])


def test_samples_say_how_many_measurements_a_value_is_made_of(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = TESTS.replace("600x5}", "600x5, samples: 9 4x5}")
    _, (line,) = said(folder, few, capsys)
    assert "full at 2m15s: should fire; it is inactive with value None, active since None s" in line
    assert said(folder, few.replace("4x5", "5x5"), capsys)[0] == 0


def test_annotations_are_compared_when_they_are_given(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = TESTS.replace("platform}", "platform}, exp_annotations: {message: The queue is full}")
    assert said(folder, given, capsys)[0] == 0


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        (
            "alertname: full",
            "alertname: empty",
            "test 1 (a full queue): alertname 'empty' is the id of no rule",
        ),
        ("series: queue.size", "series: queue.sise", "test 1 (a full queue): series 'queue.sise' must name"),
        ("600x5}", "600y5}", "test 1 (a full queue): '600y5' is none of VALUE, VALUExN,"),
        (
            "600x5}",
            "600x5, samples: 1}",
            "test 1 (a full queue): series queue.size has 7 values and 1 samples",
        ),
        ("1m30s", "soon", "test 1 (a full queue): 'soon' is no time such as 90s"),
        ("30s\n", "'0'\n", "test 1 (a full queue): evaluations every 0 ms until 135000 ms"),
        ("interval: 1m", "interval: 0", "not a file of rule tests: Expected `str | null`, got `int`"),
        ("interval: 1m", "interval: '0'", "test 1 (a full queue): an interval of 0 ms has no steps"),
        ("rules.yaml", "other.yaml", "[Errno 2] No such file"),
        ("tests:", "checks:", "not a file of rule tests: Object contains unknown field `checks`"),
        ("name:", "name: *a", "line 5: aliases (*name) are not allowed"),
    ],
)
def test_refuses_a_test_that_makes_no_sense(
    folder: Path, capsys: pytest.CaptureFixture[str], right: str, wrong: str, line: str
) -> None:
    code, (first, *_) = said(folder, TESTS.replace(right, wrong), capsys)
    assert code == 1
    assert first.startswith(line)


def test_tells_the_faults_of_the_rules(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "rules.yaml").write_text(RULES.replace("60000", "-1"))
    code, (line,) = said(folder, TESTS, capsys)
    assert (code, line[:36]) == (1, "line 7, rule full: duration = -1: mu")


@pytest.mark.parametrize("argv", [[], ["--help"], ["a", "b"]])
def test_says_how_it_is_used(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert rule_tests.main(argv) == 2
    assert capsys.readouterr().err.startswith("usage: ")
