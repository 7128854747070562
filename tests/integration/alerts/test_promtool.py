"""Alert by alert and time by time, our evaluation says what Prometheus' own says of the same series."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from service.alerts import rule_tests, rules, series
from service.alerts.rule import NoData, Rule, Severity
from service.alerts.rule_tests import Group, Series
from tests.integration.alerts.conftest import Promtool
from tests.integration.alerts.promtool import BAND, HELD, Case, excluded, files

EVERY_MS = 15_000
RANDOM_CASES = 200
STEPS = 60
SEEDS = (1, 2, 3)


def default_cases() -> Iterator[tuple[Case, str | None]]:
    """Each rule in each of its tests, and the reason where Prometheus cannot run it."""
    file, known = rule_tests.read(rules.DEFAULT.with_name("default-rules.tests.yaml"))
    for number, group in enumerate(file.tests):
        for name in dict.fromkeys(check.alertname for check in group.alert_rule_test):
            given = [one for one in group.input_series if one.series == known[name].metric]
            times = [
                series.milliseconds(one.eval_time) for one in group.alert_rule_test if one.alertname == name
            ]
            rule = replace(known[name], id=f"{name}-{number}")
            case = Case(rule, replace(group, input_series=given), EVERY_MS, max(times))
            yield case, excluded(rule, _values(case))


def _values(case: Case) -> list[float | None]:
    """With what lies past the end of the series, where there is no data either."""
    (one,) = case.group.input_series
    values = series.values(str(one.values))
    return values if len(values) * case.every_ms > case.until_ms else [*values, None]


def random_case(source: random.Random, number: int) -> Case:
    """Values around the threshold in runs, as real ones come; gaps where the rule does not hold."""
    policy = source.choice(list(NoData))
    values: list[str] = []
    while len(values) < STEPS:
        kinds = ["499", "500", "501", "-0.5"] + (["_"] if policy is not NoData.HOLD else [])
        values += [source.choice(kinds)] * source.randint(1, 8)
    counts = [str(source.choice([1, 4, 5, 6, 90]) if policy is not NoData.HOLD else 90) for _ in values]
    rule = Rule(
        id=f"random-{number}",
        metric="queue.size",
        threshold=source.choice([500, 499.5, -0.5]),
        operator=source.choice([">", ">=", "<", "<=", "==", "!="]),
        duration_ms=source.choice([0, 1, 15_000, 20_000, 60_000, 119_999, 120_000]),
        keep_firing_for_ms=source.choice([0, 0, 1, 15_000, 40_000, 120_000]),
        min_samples=source.choice([1, 5]),
        no_data=policy,
        severity=source.choice(list(Severity)),
        message="Random",
    )
    given = Series("queue.size", " ".join(values), " ".join(counts))
    return Case(rule, Group([given], []), EVERY_MS, EVERY_MS * (len(values) - 1))


def agreed(promtool_run: Promtool, content: dict[str, Any]) -> None:
    code, output = promtool_run(content)
    assert (code, output.split()[-1]) == (0, "SUCCESS"), output[-4000:]


def test_the_default_rules_fire_as_in_prometheus(promtool_run: Promtool) -> None:
    cases = [case for case, reason in default_cases() if reason is None]
    agreed(promtool_run, files(cases, EVERY_MS))


def test_each_default_rule_takes_part_and_only_what_prometheus_lacks_does_not() -> None:
    cases = list(default_cases())
    taking_part = {case.rule.id.rpartition("-")[0] for case, reason in cases if reason is None}
    assert taking_part == {one.id for one in rules.load()}
    assert {reason for _, reason in cases} == {None, BAND, HELD}


@pytest.mark.parametrize("seed", SEEDS)
def test_random_rules_on_random_series_fire_as_in_prometheus(promtool_run: Promtool, seed: int) -> None:
    source = random.Random(seed)  # noqa: S311  # repeatable
    cases = [random_case(source, number) for number in range(RANDOM_CASES)]
    agreed(promtool_run, files(cases, EVERY_MS))


def test_promtool_would_notice_a_difference(promtool_run: Promtool) -> None:
    """Each single wrong expectation fails, so agreement means something."""
    case = random_case(random.Random(7), 0)  # noqa: S311  # repeatable
    content = files([case], EVERY_MS)
    checks = content["tests.json"]["tests"][0]["alert_rule_test"]
    fires = [one for one in checks if one["exp_alerts"]]
    assert fires
    assert len(fires) < len(checks)
    for wrong in (fires[0], next(one for one in checks if not one["exp_alerts"])):
        kept = wrong["exp_alerts"]
        wrong["exp_alerts"] = [] if kept else fires[0]["exp_alerts"]
        code, output = promtool_run(content)
        assert (code, "FAILED" in output) == (1, True)
        wrong["exp_alerts"] = kept


def test_the_notation_of_series_means_what_it_means_to_promtool(promtool_run: Promtool) -> None:
    notations = ["-2+4x3 7", "1-2x4", "1x4 2", "7x0 _x0 8", "0+0.1x12", "1.5e2 .5 5. +3", "1e-3x1", "1+1e1x2"]
    queries = [
        {
            "expr": f"series_{number}",
            "eval_time": f"{place}m",
            "exp_samples": [{"labels": f"series_{number}", "value": value}],
        }
        for number, notation in enumerate(notations)
        for place, value in enumerate(series.values(notation))
    ]
    given = [{"series": f"series_{n}", "values": notation} for n, notation in enumerate(notations)]
    tests = [{"interval": "1m", "input_series": given, "promql_expr_test": queries}]
    agreed(promtool_run, {"tests.json": {"rule_files": [], "tests": tests}})
