"""The ratio of noticed changes is counted as strictly as it is claimed."""

from collections import Counter

import pytest

from runbook.places import ROOT
from tests import mutation
from tests.mutation import by_file, figure, module, mutated_files, patterns

LIMITER, SPOOL = "service/alerts/limiter.py", "service/insights/spool.py"
LINES = [
    "    service.alerts.limiter.x_permits__mutmut_1: killed",
    "    service.alerts.limiter.x_permits__mutmut_2: survived",
    "    service.alerts.limiter.x_recent__mutmut_1: timeout",
    "    service.insights.spool.xǁRedisSpoolǁadd__mutmut_1: not checked",
    "    service.insights.spool.x__fields__mutmut_1: no tests",
]


def test_every_change_is_counted_for_its_file_and_the_redis_client_for_none() -> None:
    assert by_file(LINES, [LIMITER, SPOOL]) == {
        LIMITER: Counter(killed=1, survived=1, timeout=1),
        SPOOL: Counter({"no tests": 1}),
    }


def test_what_survived_is_told_by_name() -> None:
    assert [line for line in LINES if mutation.missed(line)] == [LINES[1], LINES[4]]


@pytest.mark.parametrize(
    ("counts", "percent", "reached"),
    [
        (Counter(killed=80, timeout=5, survived=15), 85.0, True),
        (Counter(killed=84, survived=16), 84.0, False),
        (Counter({"killed": 80, "not checked": 10, "no tests": 5, "suspicious": 5}), 80.0, False),
        (Counter[str](), 0.0, False),
    ],
)
def test_only_what_a_test_noticed_counts(counts: Counter[str], percent: float, *, reached: bool) -> None:
    assert (figure(counts)["percent"], figure(counts)["reached"]) == (percent, reached)


def test_what_hung_counts_and_is_told_apart() -> None:
    assert figure(Counter(killed=80, timeout=5, survived=15))["hung"] == 5


def test_what_is_broken_exists_and_is_named_as_the_tool_names_it() -> None:
    assert [file for file in mutated_files() if not (ROOT / file).is_file()] == []
    assert module(LIMITER) == "service.alerts.limiter"
    assert patterns([LIMITER, SPOOL]) == ["service.alerts.limiter.x*", "service.insights.spool.x_*"]
