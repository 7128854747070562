"""Our rules and series as Prometheus has them, run by the promtool of our own image."""

import io
import json
import secrets
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import docker
from docker.models.containers import Container

from service.alerts import rule_tests, series
from service.alerts.rule import NoData, Rule, Status
from service.alerts.rule_tests import Group

UID = 10006
TIMEOUT_S = 120

BAND = "once firing it has another threshold, and an expression of Prometheus does not know that it fires"
HELD = "without data Prometheus resolves: it cannot hold"


@dataclass(frozen=True)
class Case:
    """One rule over one series of its own, evaluated every `every_ms` until `until_ms`."""

    rule: Rule
    group: Group
    every_ms: int
    until_ms: int


def excluded(rule: Rule, values: Sequence[float | None]) -> str | None:
    """Why Prometheus cannot say the same, None where it can."""
    if _in_band(rule, values):
        return BAND
    if rule.no_data is NoData.HOLD and None in values:
        return HELD
    return None


def _in_band(rule: Rule, values: Sequence[float | None]) -> bool:
    """Whether the clear threshold matters: a value between both thresholds, after a breach."""
    if rule.clear_threshold is None:
        return False
    low, high = sorted([rule.threshold, rule.clear_threshold])
    breaches = [value is not None and not low <= value <= high for value in values]
    first = breaches.index(True) if True in breaches else len(values)
    return any(value is not None and low <= value <= high for value in values[first:])


def expression(rule: Rule) -> str:
    """PromQL for when a rule breaches; what is no data with us is stale there, or has too few samples."""
    name = metric(rule)
    there = f"({name} and {name}_samples >= {rule.min_samples})"
    breach = f"{there} {rule.operator} {rule.threshold!r}"
    return f"{breach} or absent{there}" if rule.no_data is NoData.ALERT else breach


def metric(rule: Rule) -> str:
    """Each case has series of its own, so that one run of promtool serves many."""
    return "case_" + rule.id.replace("-", "_")


def files(cases: Sequence[Case], every_ms: int) -> dict[str, Any]:
    """A rules file and one test that asks for every alert at every evaluation."""
    return {
        "rules.json": {"groups": [{"name": "all", "rules": [_rule(case.rule) for case in cases]}]},
        "tests.json": {
            "rule_files": ["rules.json"],
            "evaluation_interval": f"{every_ms}ms",
            "tests": [
                {
                    "interval": f"{every_ms}ms",
                    "input_series": [one for case in cases for one in _series(case)],
                    "alert_rule_test": [one for case in cases for one in _checks(case)],
                }
            ],
        },
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "alert": rule.id,
        "expr": expression(rule),
        "for": f"{rule.duration_ms}ms",
        "keep_firing_for": f"{rule.keep_firing_for_ms}ms",
        "labels": {"severity": str(rule.severity), **rule.labels},
        "annotations": {"message": rule.message},
    }


def _series(case: Case) -> Iterator[dict[str, str]]:
    (ours,) = case.group.input_series
    values = _per_evaluation(case, str(ours.values))
    counts: list[float | None] = [rule_tests.PLENTY] * len(values)
    if ours.samples is not None:
        counts = _per_evaluation(case, str(ours.samples))
    yield {"series": metric(case.rule), "values": _notation(values)}
    yield {"series": metric(case.rule) + "_samples", "values": _notation(counts)}


def _per_evaluation(case: Case, notation: str) -> list[float | None]:
    """A value of ours holds for its interval and not longer; Prometheus would look back 5 minutes."""
    values = series.values(notation)
    step_ms = series.milliseconds(case.group.interval) if case.group.interval else case.every_ms
    places = [at_ms // step_ms for at_ms in range(0, case.until_ms + 1, case.every_ms)]
    return [values[place] if place < len(values) else None for place in places]


def _notation(values: Sequence[float | None]) -> str:
    return " ".join("stale" if value is None else repr(value) for value in values)


def _checks(case: Case) -> Iterator[dict[str, Any]]:
    labels = {"severity": str(case.rule.severity), **case.rule.labels}
    alert = {"exp_labels": labels, "exp_annotations": {"message": case.rule.message}}
    for seen in rule_tests.timeline(case.group, [case.rule], case.every_ms, case.until_ms):
        fires = seen.states[case.rule.id].status is Status.FIRING
        yield {
            "eval_time": f"{seen.at_ms}ms",
            "alertname": case.rule.id,
            "exp_alerts": [alert] if fires else [],
        }


def run(engine: docker.DockerClient, image: str, content: Mapping[str, Any]) -> tuple[int, str]:
    """Exit code and output of `promtool test rules` in a container without a network, removed after it."""
    container: Container = engine.containers.create(
        image,
        ["promtool", "test", "rules", "/var/lib/amas/prometheus/tests.json"],
        name=f"amas-test-promtool-{secrets.token_hex(4)}",
        network_mode="none",
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit="1g",
        memswap_limit="1g",
        init=True,
    )
    try:
        container.put_archive("/var/lib/amas/prometheus", _archive(content))
        container.start()
        code = int(container.wait(timeout=TIMEOUT_S)["StatusCode"])
        return code, container.logs().decode()
    finally:
        container.remove(force=True)


def _archive(content: Mapping[str, Any]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, value in content.items():
            # JSON is YAML.
            raw = json.dumps(value).encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = len(raw), 0o400, UID, UID
            tar.addfile(entry, io.BytesIO(raw))
    return packed.getvalue()
