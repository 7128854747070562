"""The packaged rules cover what was promised, and their own tests prove what they do."""

import msgspec
import pytest
from msgspec.structs import replace

from service.alerts import rule_tests, rules
from service.alerts.escalation import level
from service.alerts.rule import NoData, Rule, Severity
from service.alerts.testing import alert
from service.alerts.vocabulary import METRICS
from service.jobs import OTHER, WATCHED

RULES = {one.id: one for one in rules.load()}
TESTS, _ = rule_tests.read(rules.DEFAULT.with_name("default-rules.tests.yaml"))

# Metric, operator, threshold as the runbook has them in its table of service levels; windows from there too.
SERVICE_LEVELS = {
    "slo-throughput": ("http.throughput.under_demand", "<", 800, "5m"),
    "slo-latency-p95": ("http.latency.p95", ">", 250, "5m"),
    "slo-latency-p99": ("http.latency.p99", ">", 600, "5m"),
    "slo-error-rate": ("http.error_rate.5xx", ">", 2, "5m"),
    "slo-monitoring-overhead": ("monitoring.overhead", ">", 150, "5m"),
    "slo-cache-hit-rate": ("cache.hit_rate", "<", 60, "15m"),
}
NAMED_BY_THE_RUNBOOK = {
    "http-error-rate-5xx": ("http.error_rate.5xx", ">", 1),
    "webhook-failing": ("notifier.failing", ">=", 1),
    "decisions-refused": ("decision.refused", ">", 0),
    "queue-depth": ("queue.size", ">", 500),
    "overload-cpu": ("process.cpu", ">", 90),
    "pool-exhausted": ("db.pool.waiting", ">", 0),
    "alert-storm": ("alerts.per_minute", ">", 50),
    "memory-high": ("process.memory.utilization", ">", 80),
    "scale-cpu": ("process.cpu", ">", 70),
    "scale-latency": ("http.latency.p95", ">", 200),
    "chunks-too-old": ("chunk.overdue_days", ">", 1),
}
OF_THE_MONITOR_ITSELF = {
    "queue.age_s",
    "db.up",
    "db.pool.utilization",
    "cache.up",
    "spool.up",
    "spool.length",
    "spool.age_s",
    "spool.fill",
    "dead_letters.count",
    "dead_letters.age_s",
    "retention.age_s",
    "wal.sync_degraded",
    "wal.receiver_age_s",
    "wal.receiver_lag_bytes",
    "slot.fill",
    "slot.minutes_left",
    "slot.lost",
    "replicas.missing",
    "heartbeat.age_s",
    "collector.age_intervals",
    "notifier.age_s",
    "event_loop.lag_ms",
    "decision.conflicts",
    *(f"job.{name}.{what}" for name in (*WATCHED, OTHER) for what in ("late_s", "failed")),
}
VERBS = {
    "up", "down", "status", "doctor", "keys", "db", "health", "review", "triage", "alerts", "silence", "pool",
    "overload", "storm", "insights", "cache", "backup", "retention", "capacity", "audit", "loadtest", "ci",
    "schedule", "drill", "incident", "logs", "restart", "outdated", "support-bundle", "scale", "switch",
    "secrets", "upgrade", "rollback",
}  # fmt: skip
CHANGES = ("stricter", "laxer", "sooner", "later", "otherwise", "severity")


@pytest.mark.parametrize(("name", "promised"), SERVICE_LEVELS.items())
def test_each_service_level_has_its_alert(name: str, promised: tuple[str, str, float, str]) -> None:
    rule = RULES[name]
    assert (rule.metric, rule.operator, rule.threshold, METRICS[rule.metric].window) == promised


@pytest.mark.parametrize(("name", "named"), NAMED_BY_THE_RUNBOOK.items())
def test_each_alert_that_the_runbook_names_is_there(name: str, named: tuple[str, str, float]) -> None:
    rule = RULES[name]
    assert (rule.metric, rule.operator, rule.threshold) == named


def test_the_example_of_the_runbook_is_there_to_the_letter() -> None:
    shown = msgspec.to_builtins(RULES["decision-latency-p99"])
    assert {name: shown[name] for name in shown if name in EXAMPLE} == EXAMPLE


EXAMPLE = {
    "id": "decision-latency-p99",
    "metric": "decision.latency.p99",
    "type": "threshold",
    "threshold": 500,
    "operator": ">",
    "duration": 120000,
    "severity": "high",
    "message": "Decision latency P99 exceeds 500ms",
    "cooldown": 300000,
}


@pytest.mark.parametrize("name", ["scale-cpu", "scale-latency"])
def test_replicas_are_added_only_after_five_minutes(name: str) -> None:
    assert RULES[name].duration_ms == 300_000


def test_the_monitor_watches_itself() -> None:
    assert {one.metric for one in RULES.values()} >= OF_THE_MONITOR_ITSELF


def test_no_rule_holds_a_number_against_what_a_setting_decides() -> None:
    """Each of these has a sibling that counts in shares or multiples of the setting."""
    decided = {"process.memory", "collector.age_s", "chunk.oldest_age_days"}
    assert decided < set(METRICS)
    assert not decided & {one.metric for one in RULES.values()}


@pytest.mark.parametrize(
    ("name", "first"),
    [("http-outage", 2), ("decisions-refused", 2), ("spool-nearly-full", 2), ("database-away", 1)],
)
def test_what_may_lose_data_or_is_an_outage_goes_straight_to_the_second_level(name: str, first: int) -> None:
    rule = RULES[name]
    fired = alert(severity=rule.severity, labels=rule.labels, fired_at=0.0)
    assert rule.severity is Severity.CRITICAL
    assert level(fired, 1.0, acknowledged=False) == first


def test_a_database_that_is_away_is_told_after_15_seconds() -> None:
    rule = RULES["database-away"]
    assert (rule.metric, rule.operator, rule.threshold) == ("db.up", "<", 1)
    assert (rule.duration_ms, rule.severity) == (15_000, Severity.CRITICAL)


def test_a_metric_that_is_there_only_at_times_resolves_when_it_goes() -> None:
    """Held, an alert on it would stay for as long as nobody demands more."""
    rare = [one for one in RULES.values() if one.metric.endswith("under_demand")]
    assert rare
    assert all(one.no_data is NoData.OK for one in rare)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_each_rule_tells_a_person_what_happened_and_where_to_look(rule: Rule) -> None:
    command, verb, *_ = rule.runbook.split()
    assert (command, verb in VERBS) == ("amas", True)
    assert rule.message[0].isupper()
    assert len(rule.message) >= 25
    if rule.id != "decision-latency-p99":
        assert rule.message.endswith(".")


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_no_rule_floods_its_receiver(rule: Rule) -> None:
    assert rule.cooldown_ms >= 300_000


def test_what_gets_people_up_is_rare_and_takes_no_blip() -> None:
    critical = [one for one in RULES.values() if one.severity is Severity.CRITICAL]
    assert 0 < len(critical) <= len(RULES) / 5
    assert all(one.duration_ms >= 15_000 for one in critical)


def test_the_tests_of_the_rules_hold() -> None:
    assert list(rule_tests.run(TESTS, RULES)) == []


@pytest.mark.parametrize("name", RULES)
def test_each_rule_is_tested_firing_and_quiet_with_data(name: str) -> None:
    found = set()
    for group in TESTS.tests:
        for check in group.alert_rule_test:
            if check.alertname == name and RULES[name].metric in {one.series for one in group.input_series}:
                found.add(bool(check.exp_alerts))
    assert found == {True, False}


@pytest.mark.parametrize("name", RULES)
def test_the_tests_of_a_rule_notice_when_it_changes(name: str) -> None:
    ours = [group for group in TESTS.tests if name in {one.alertname for one in group.alert_rule_test}]
    for change in CHANGES:
        changed = _changed(RULES[name], change)
        if changed is not None:
            assert list(rule_tests.run(replace(TESTS, tests=ours), RULES | {name: changed})), change


def _changed(rule: Rule, change: str) -> Rule | None:
    # The values that tests put on both sides of a threshold differ by 1 at most, or by 5 %.
    by = 0.06 if abs(rule.threshold) < 3 else 1.0
    upward = rule.operator in {">", ">="}
    match change:
        case "stricter":
            return _moved(rule, -by if upward else by)
        case "laxer":
            return _moved(rule, by if upward else -by)
        case "sooner":
            return replace(rule, duration_ms=rule.duration_ms - 15_000) if rule.duration_ms else None
        case "later":
            return replace(rule, duration_ms=rule.duration_ms + 15_000)
        case "otherwise":
            other = {">": "<", ">=": "<", "<": ">"}[rule.operator]
            return msgspec.convert({**msgspec.to_builtins(rule), "operator": other}, Rule)
        case _:
            return replace(
                rule, severity=Severity.LOW if rule.severity is not Severity.LOW else Severity.HIGH
            )


def _moved(rule: Rule, by: float) -> Rule | None:
    # Of 0 and 1 every threshold between them is the same.
    if METRICS[rule.metric].unit == "0 or 1" or rule.threshold == 0:
        return None
    return replace(rule, threshold=rule.threshold + by)
