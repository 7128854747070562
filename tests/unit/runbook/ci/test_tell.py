"""A series of load tests is told in one word, one table, and only what needs a look is annotated."""

from dataclasses import replace
from typing import Any

import pytest

from loadtests.baseline import Compared, Line
from runbook.ci.tell import annotations, summary, verdict

SAME = Compared()
BETTER = Line("P95 ms", "better", 20.0, 10.0, "-50.0%")


def run(word: str = "passed", *reasons: str, measured: bool = True) -> dict[str, Any]:
    result = {"requests": 9000, "rate": 199.96, "p95_ms": 20.51, "p99_ms": 41.0, "error_share": 0.0012}
    return {
        "verdict": word,
        "reasons": list(reasons),
        "plan": {"runId": "lt-1", "test": "mixed", "profile": "average"},
        "result": result if measured else None,
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["passed", "passed"], "passed"),
        (["passed", "failed"], "failed"),
        (["failed", "invalid"], "invalid"),
        ([], "invalid"),
    ],
)
def test_the_worst_word_is_that_of_all_and_nothing_run_is_no_pass(words: list[str], expected: str) -> None:
    assert verdict([run(word) for word in words]) == expected


def test_the_summary_has_a_line_for_each_run_and_what_they_say() -> None:
    text = summary([run(), run("invalid", measured=False)], "same", ["## More\n"])
    assert "# Load test: invalid" in text
    assert "| `lt-1` | passed | 200.0 | 20.5 ms | 41.0 ms | 0.120% |" in text
    assert "| `lt-1` | invalid | - | - | - | - |" in text
    assert "Against the baseline: **same**" in text
    empty = run("invalid") | {"result": {"requests": 0, "rate": 0.0, "p95_ms": 0.0, "p99_ms": 0.0}}
    assert "| invalid | - | - | - | - |" in summary([empty], "same", [])
    assert text.endswith("## More\n\n")


def test_what_passed_and_is_no_worse_needs_no_annotation() -> None:
    assert annotations([run(), run()], SAME) == []
    assert annotations([run()], Compared((BETTER,))) == []


def test_a_failed_run_is_an_error_with_its_reasons_on_one_line() -> None:
    assert annotations([run("failed", "P95 300 ms: 50% over", "an alert fired")], SAME) == [
        "::error title=Load test mixed average%3A failed::P95 300 ms: 50%25 over%0Aan alert fired"
    ]


def test_a_reason_cannot_become_a_command_of_its_own() -> None:
    (line,) = annotations([run("failed", "x\n::set-output name=a::b\r")], SAME)
    assert "\n" not in line
    assert "\r" not in line


@pytest.mark.parametrize(
    ("compared", "level", "said"),
    [
        (Compared((replace(BETTER, answer="worse"),)), "error", "see the job's summary"),
        (Compared((replace(BETTER, answer="unclear"),)), "warning", "baseline: unclear"),
        (Compared(incomparable=("k6: '1' and '2'",)), "warning", "not comparable%0Ak6: '1' and '2'"),
        (Compared(missing=True), "warning", "baseline: none for this machine"),
        (Compared(missing=True, became="x"), "notice", "baseline set by these runs, where none was"),
        (Compared(incomparable=("k6",), became="x"), "notice", "set by these runs, in place of another"),
    ],
)
def test_a_comparison_that_needs_a_look_is_annotated(compared: Compared, level: str, said: str) -> None:
    (line,) = annotations([run()], compared)
    assert line.startswith(f"::{level} ")
    assert line.endswith(said)
