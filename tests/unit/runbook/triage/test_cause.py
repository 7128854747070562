"""Every cause of every page: named by its evidence, all of it, and never without."""

import re
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from infra.keys import KEYS
from runbook.cli import app
from runbook.triage.cause import Cause, Evidence, Topic, When, diagnose
from runbook.triage.command import TOPICS, lines

CASES = [(topic, cause) for topic in TOPICS.values() for cause in topic.causes]
CONDITIONS = [one for topic in TOPICS.values() for cause in topic.causes for one in cause.when]
FACTS = sorted({one.fact for one in CONDITIONS} | {one.fact for t in TOPICS.values() for one in t.symptoms})
HEALTHY = {
    "db.up": 1.0,
    "cache.up": 1.0,
    "spool.up": 1.0,
    "receivers.configured": 1.0,
    "replicas.live": 2.0,
    "cache.hit_rate": 95.0,
    "cache.reads": 1000.0,
    "disk.free_percent": 60.0,
    "decision.latency.p99": 40.0,
    "http.error_rate.5xx": 0.1,
    "process.cpu": 20.0,
    "db.pool.utilization": 30.0,
    "sql.connections_percent": 20.0,
}


def beyond(one: When) -> float:
    return {">": one.limit + 1, ">=": one.limit, "<": one.limit - 1}[one.operator]


def just_within(one: When) -> float:
    return {">": one.limit, ">=": one.limit - 1, "<": one.limit}[one.operator]


def facts_for(cause: Cause) -> dict[str, float]:
    return {one.fact: beyond(one) for one in cause.when}


def names(topic: Topic, facts: dict[str, float]) -> list[str]:
    return [one.cause for one in diagnose(topic, Evidence(facts)).findings]


@pytest.mark.parametrize(("topic", "cause"), CASES, ids=lambda one: one.name)
def test_a_cause_is_named_with_the_figures_that_show_it(topic: Topic, cause: Cause) -> None:
    facts = facts_for(cause)
    found = next(one for one in diagnose(topic, Evidence(facts)).findings if one.cause == cause.name)
    assert len(found.evidence) == len(cause.when)
    for condition, said in zip(cause.when, found.evidence, strict=True):
        assert (
            said == f"{condition.fact} = {facts[condition.fact]:g} ({condition.operator} {condition.limit:g})"
        )


@pytest.mark.parametrize(("topic", "cause"), CASES, ids=lambda one: one.name)
def test_a_cause_needs_all_of_its_evidence(topic: Topic, cause: Cause) -> None:
    for condition in cause.when:
        others = {one.fact: beyond(one) for one in cause.when if one is not condition}
        assert cause.name not in names(topic, others)
        assert cause.name not in names(topic, others | {condition.fact: just_within(condition)})


@pytest.mark.parametrize(("topic", "cause"), CASES, ids=lambda one: one.name)
def test_every_fix_is_a_command_without_gaps(topic: Topic, cause: Cause) -> None:
    proposed = dict.fromkeys(("pool", "connections", "timeout", "replicas", "fewer", "url"), "7")
    evidence = Evidence(facts_for(cause), proposed)
    found = next(one for one in diagnose(topic, evidence).findings if one.cause == cause.name)
    assert found.fix
    for command in found.fix:
        assert re.match(r"(amas|\./scripts/up|pulumi config set|docker system df|curl) ?", command)
        assert "{" not in command


def is_verb(words: list[str]) -> bool:
    """Whether the first words name a verb, a group's member included."""
    command: Any = typer.main.get_command(app)
    for word in words:
        members = getattr(command, "commands", {})
        if word not in members:
            break
        command = members[word]
    return bool(command.name) and (not getattr(command, "commands", {}) or command.invoke_without_command)


@pytest.mark.parametrize(("topic", "cause"), CASES, ids=lambda one: one.name)
def test_every_verb_and_setting_of_a_fix_exists(topic: Topic, cause: Cause) -> None:
    settings = {one.name for one in KEYS}
    for command in cause.fix:
        name, *words = command.split()
        assert name != "amas" or is_verb(words), command
        assert set(re.findall(r"--config (\w+)=", command)) <= settings, command


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda one: one.name)
def test_names_of_causes_are_told_apart(topic: Topic) -> None:
    assert len({one.name for one in topic.causes}) == len(topic.causes)


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda one: one.name)
def test_healthy_evidence_is_nothing_wrong(topic: Topic) -> None:
    quiet = HEALTHY | {fact: 0.0 for fact in FACTS if fact not in HEALTHY}
    found = diagnose(topic, Evidence(quiet))
    assert found.well
    assert lines(found) == ["nothing wrong found"]


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda one: one.name)
def test_without_any_evidence_no_cause_is_named(topic: Topic) -> None:
    found = diagnose(topic, Evidence(missing=("database: away",)))
    assert found.well
    assert lines(found) == ["unknown   database: away", "nothing wrong found in what could be asked"]


@given(
    st.sampled_from(sorted(TOPICS)),
    st.dictionaries(st.sampled_from(FACTS), st.floats(-1e9, 1e9, allow_nan=False), max_size=12),
)
def test_whatever_is_seen_no_cause_is_named_without_evidence(name: str, facts: dict[str, float]) -> None:
    topic = TOPICS[name]
    found = diagnose(topic, Evidence(facts))
    by_name = {one.name: one for one in topic.causes}
    for one in found.findings:
        assert one.evidence
        assert all(
            condition.fact in facts and condition.holds(facts) for condition in by_name[one.cause].when
        )
    order = [one.name for one in topic.causes]
    assert [order.index(one.cause) for one in found.findings] == sorted(
        order.index(one.cause) for one in found.findings
    )


def test_a_symptom_without_a_known_cause_says_so() -> None:
    found = diagnose(TOPICS["latency"], Evidence({"decision.latency.p99": 850.0}))
    assert not found.well
    assert lines(found) == [
        "symptom   decision.latency.p99 = 850 (> 500)",
        "no known cause shows; next: amas support-bundle",
    ]


def test_the_likeliest_cause_stands_first_with_its_evidence_and_fix() -> None:
    facts = {"db.pool.waiting": 3.0, "db.pool.utilization": 100.0, "process.cpu": 80.0}
    told = lines(diagnose(TOPICS["latency"], Evidence(facts, {"pool": "30"})))
    assert told[1:9] == [
        "likely cause: connection pool exhausted",
        "  Requests wait for a database connection and none comes free.",
        "  evidence  db.pool.waiting = 3 (> 0)",
        "  evidence  db.pool.utilization = 100 (>= 90)",
        "  next      amas pool",
        "  next      amas pool relieve",
        "  next      amas up --config dbConnectionPoolSize=30",
        "",
    ]
    assert "also: replica short of CPU" in told


def test_requests_that_wait_for_a_database_that_is_away_are_no_exhausted_pool() -> None:
    seen = {"db.up": 0.0, "db.pool.waiting": 5.0, "db.pool.utilization": 6.7}
    assert names(TOPICS["writes"], seen) == ["database away"]


def test_a_setting_that_nobody_could_propose_is_left_to_the_reader() -> None:
    found = diagnose(TOPICS["latency"], Evidence({"db.pool.waiting": 3.0, "db.pool.utilization": 95.0}))
    assert found.findings[0].fix[-1] == "amas up --config dbConnectionPoolSize=N"
