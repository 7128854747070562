"""Tests of rules, written as for promtool: series in, and which alerts fire when.

`python -m service.alerts.rule_tests FILE` runs one such file.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from service.alerts import rules, series
from service.alerts.evaluate import evaluate
from service.alerts.faults import Fault, RulesInvalid
from service.alerts.rule import Measured, Rule, State, Status
from service.alerts.vocabulary import METRICS

# What a series without `samples` is measured from: enough for any rule.
PLENTY = 1_000_000_000
MOST_EVALUATIONS = 200_000


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alert that fires. Labels are compared as a whole; annotations are not looked at without any."""

    exp_labels: dict[str, str] = {}
    exp_annotations: dict[str, str] | None = None


class Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Without `exp_alerts` the rule must not fire."""

    eval_time: str
    alertname: str
    exp_alerts: list[Expected] = []


class Series(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The values of a metric; `samples`, in the same notation, says how many measurements each is made of."""

    series: str
    values: str | int | float
    samples: str | int | None = None


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Series and checks on one clock, which starts at 0."""

    input_series: list[Series]
    alert_rule_test: list[Check]
    interval: str | None = None
    name: str = ""


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of tests; `rule_files` are found beside it."""

    rule_files: list[str]
    tests: list[Group]
    evaluation_interval: str = "1m"


class Seen(NamedTuple):
    """All rules after one evaluation."""

    at_ms: int
    states: dict[str, State]


def run(file: File, known: Mapping[str, Rule]) -> Iterator[str]:
    """One line for each check that failed. Raises ValueError for a test that makes no sense."""
    for number, group in enumerate(file.tests, 1):
        name = f"test {number}" + (f" ({group.name})" if group.name else "")
        try:
            for check, state in _checked(file, group, known):
                wrong = _difference(known[check.alertname], check, state)
                if wrong:
                    yield f"{name}: {check.alertname} at {check.eval_time}: {wrong}"
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def timeline(group: Group, tested: Sequence[Rule], every_ms: int, until_ms: int) -> Iterator[Seen]:
    """The rules' states after each evaluation from 0 to `until_ms`. Raises ValueError for wrong series."""
    if every_ms <= 0 or until_ms // every_ms > MOST_EVALUATIONS:
        raise ValueError(
            f"evaluations every {every_ms} ms until {until_ms} ms: allowed are {MOST_EVALUATIONS}"
        )
    step_ms = series.milliseconds(group.interval) if group.interval else every_ms
    if step_ms <= 0:
        raise ValueError(f"an interval of {step_ms} ms has no steps")
    measured = _measured(group)
    states = {one.id: State() for one in tested}
    for at_ms in range(0, until_ms + 1, every_ms):
        for one in tested:
            values = measured.get(one.metric, [])
            place = at_ms // step_ms
            now = values[place] if place < len(values) else None
            states[one.id], _ = evaluate(one, states[one.id], now, at_ms / 1000)
        yield Seen(at_ms, dict(states))


def _checked(file: File, group: Group, known: Mapping[str, Rule]) -> Iterator[tuple[Check, State]]:
    times = [series.milliseconds(check.eval_time) for check in group.alert_rule_test]
    unknown = [check.alertname for check in group.alert_rule_test if check.alertname not in known]
    if unknown:
        raise ValueError(f"alertname {unknown[0]!r} is the id of no rule in {', '.join(file.rule_files)}")
    tested = [known[name] for name in dict.fromkeys(check.alertname for check in group.alert_rule_test)]
    every_ms = series.milliseconds(file.evaluation_interval)
    for seen in timeline(group, tested, every_ms, max(times, default=0)):
        for check, at_ms in zip(group.alert_rule_test, times, strict=True):
            if seen.at_ms <= at_ms < seen.at_ms + every_ms:
                yield check, seen.states[check.alertname]


def _measured(group: Group) -> dict[str, list[Measured | None]]:
    found: dict[str, list[Measured | None]] = {}
    for one in group.input_series:
        if one.series not in METRICS or one.series in found:
            raise ValueError(f"series {one.series!r} must name a metric that rules may name, and once")
        values = series.values(str(one.values))
        counts = [PLENTY] * len(values) if one.samples is None else series.values(str(one.samples))
        if len(counts) != len(values):
            raise ValueError(f"series {one.series} has {len(values)} values and {len(counts)} samples")
        found[one.series] = [
            None if value is None or count is None else (value, int(count))
            for value, count in zip(values, counts, strict=True)
        ]
    return found


def _difference(rule: Rule, check: Check, state: State) -> str | None:
    fires = state.status is Status.FIRING
    if fires is not bool(check.exp_alerts):
        wanted = "should fire" if check.exp_alerts else "should be quiet"
        return f"{wanted}; it is {state.status} with value {state.value}, active since {state.active_at} s"
    if len(check.exp_alerts) > 1:
        return f"has {len(check.exp_alerts)} alerts expected; a rule has one at most"
    labels = {"severity": str(rule.severity), **rule.labels}
    annotations = {"message": rule.message} | ({"runbook": rule.runbook} if rule.runbook else {})
    for expected in check.exp_alerts:
        if expected.exp_labels != labels:
            return f"has labels {labels}, expected {expected.exp_labels}"
        if expected.exp_annotations not in (None, annotations):
            return f"has annotations {annotations}, expected {expected.exp_annotations}"
    return None


def read(path: Path) -> tuple[File, dict[str, Rule]]:
    """Raises RulesInvalid and OSError."""
    try:
        file = msgspec.convert(rules.read(path.read_text(encoding="utf-8")).value, File)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise RulesInvalid([Fault(f"not a file of rule tests: {error}")]) from None
    found = [one for name in file.rule_files for one in rules.load(path.parent / name)]
    return file, {one.id: one for one in found}


def main(argv: list[str]) -> int:
    """0 when all checks hold, 1 with one line for each that does not, 2 for wrong usage."""
    if len(argv) != 1 or argv[0].startswith("-"):
        sys.stderr.write("usage: python -m service.alerts.rule_tests FILE\n")
        return 2
    try:
        file, known = read(Path(argv[0]))
        wrong = list(run(file, known))
    except RulesInvalid as error:
        wrong = [str(fault) for fault in error.faults]
    except (OSError, ValueError) as error:
        wrong = [str(error)]
    sys.stderr.writelines(f"{argv[0]}: {line}\n" for line in wrong)
    if not wrong:
        checks = sum(len(group.alert_rule_test) for group in file.tests)
        sys.stdout.write(f"{argv[0]}: {checks} checks in {len(file.tests)} tests hold\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
