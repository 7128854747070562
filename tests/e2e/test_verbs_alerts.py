"""The verbs about alerts and incidents, on a standing stack; every test leaves it as it was."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROOT, Stack


def answer(stack: Stack, *words: str, check: bool = True) -> Any:
    return json.loads(stack.amas(*words, "--json", check=check).stdout)


def test_review_judges_the_present(stack: Stack) -> None:
    found = answer(stack, "review", check=False)
    names = [one["name"] for one in found["checks"]]
    assert names[:2] == ["queue depth", "decision write P99"]
    assert {"P95 latency", "P99 latency", "Error rate", "Cache hit rate"} <= set(names)
    assert next(one for one in found["checks"] if one["name"] == "queue depth")["state"] == "ok"


def test_health_judges_the_present(stack: Stack) -> None:
    """Not the totals since the start, which hold all that went wrong in other tests."""
    found = {one["name"]: one for one in answer(stack, "health", check=False)["checks"]}
    assert found["queue depth"]["state"] == "ok"
    assert {found[name]["state"] for name in ("decision write P99", "error rate")} <= {"ok", "unknown"}


@pytest.mark.parametrize("trouble", ["latency", "errors"])
def test_triage_asks_every_source(stack: Stack, trouble: str) -> None:
    found = answer(stack, "triage", trouble, check=False)
    assert found["missing"] == []
    facts = found["facts"]
    assert (facts["db.up"], facts["sql.takes_no_writes"], facts["log.disk_full"]) == (1, 0, 0)
    assert {"containers.unhealthy", "disk.free_percent", "switch.disable-insight-writes"} <= set(facts)
    assert all(one["evidence"] for one in found["findings"])
    assert "database away" not in {one["cause"] for one in found["findings"]}


def test_triage_names_the_switch_that_stops_writes(stack: Stack) -> None:
    stack.amas("switch", "set", "disable-insight-writes", "on", "--reason", "a test")
    try:
        done = stack.amas("triage", "writes", check=False)
    finally:
        stack.amas("switch", "set", "disable-insight-writes", "off", "--reason", "the test is over")
    assert done.returncode == 1
    assert "likely cause: writes switched off" in done.stdout
    assert "evidence  switch.disable-insight-writes = 1 (> 0)" in done.stdout


def test_triage_says_that_nobody_is_told(stack: Stack) -> None:
    done = stack.amas("triage", "webhooks", "--test", check=False)
    assert done.returncode == 1
    assert "likely cause: no receiver" in done.stdout
    assert "409 no receiver is configured" in " ".join(done.stdout.split())


def test_alerts_are_listed_and_one_that_does_not_fire_is_not_acknowledged(stack: Stack) -> None:
    firing = {one["ruleId"] for one in answer(stack, "alerts")}
    assert isinstance(answer(stack, "alerts", "history"), list)
    done = stack.amas("alerts", "ack", "no-such-alert", check=False)
    assert done.returncode == 2
    assert "no alert 'no-such-alert' is firing" in done.stderr
    assert "no-such-alert" not in firing


def test_a_silence_is_added_listed_and_ended(stack: Stack) -> None:
    added = ("silence", "add", "--metric", "queue.size", "--for", "10m", "--reason", "a test")
    (made,) = answer(stack, *added)
    try:
        assert made["id"] in {one["id"] for one in answer(stack, "silence")}
    finally:
        stack.amas("silence", "end", made["id"])
    assert stack.amas("silence", "end", made["id"], check=False).returncode == 2


def test_a_quiet_stack_has_no_storm(stack: Stack) -> None:
    assert "no alert storm" in stack.amas("storm").stdout


def test_rules_and_thresholds_are_reviewed_from_what_was_kept(stack: Stack) -> None:
    reviewed = answer(stack, "audit")
    in_force = {one["rule_id"] for one in reviewed["rules"]}
    assert {"decision-latency-p99", "slo-error-rate", "alert-storm"} <= in_force
    proposals = answer(stack, "audit", "thresholds")["rules"]
    # A stack of minutes has too little history, and says so.
    assert {one["proposed"] for one in proposals} == {None}
    assert all("are needed" in one["reason"] for one in proposals)


@pytest.fixture
def no_incident_left(stack: Stack) -> Iterator[Path]:
    folder = ROOT / ".amas/incidents"
    before = set(folder.glob("INC-*"))
    yield folder
    for file in set(folder.glob("INC-*")) - before:
        file.unlink()


def test_an_incident_is_opened_noted_and_closed(stack: Stack, no_incident_left: Path) -> None:
    opened = answer(stack, "incident", "new", "slow decisions", "--severity", "medium", "--by", "ada")
    assert opened["stack"] == stack.name
    assert "queue.size" in opened["before"]
    stack.amas("incident", "note", "killed idle sessions", "--id", opened["id"], "--by", "ada")
    closing = ("--cause", "pool exhausted", "--resolution", "killed idle sessions")
    assert answer(stack, "incident", "close", opened["id"], *closing)["resolved"]
    page = (no_incident_left / f"{opened['id']}.md").read_text()
    for line in (
        "**Severity**: Medium",
        "- pool exhausted",
        "1. killed idle sessions",
        "| ada | killed idle",
    ):
        assert line in page
    assert stack.amas("incident", "show", opened["id"]).stdout.strip() == page.strip()
    assert opened["id"] in stack.amas("incident").stdout


def test_contacts_say_that_nobody_is_named_and_how_to_name_them(stack: Stack) -> None:
    told = " ".join(stack.amas("contacts").stdout.split())
    assert "next: amas up --config 'contacts=" in told


def test_doctor_finds_a_standing_stack_in_order(stack: Stack) -> None:
    findings = {one["name"]: one for one in answer(stack, "doctor", check=False)["findings"]}
    wanted = ("programs", "tools", "state folder", "engine", "images", "configuration", "ports")
    assert {name: findings[name]["state"] for name in wanted} == dict.fromkeys(wanted, "ok")
