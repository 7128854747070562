"""Changes of a standing stack: under load no request fails, and what was not made by pulumi is told."""

import json
from pathlib import Path
from secrets import token_hex

import pytest

from runbook.api import Api, Keys
from tests.change.steady import Steady
from tests.e2e.conftest import ROOT, Stack, eventually, inspected

UP = "pulumi up --yes --skip-preview --non-interactive"
SET = "pulumi config set"


def test_rules_and_the_load_balancers_configuration_change_under_load_without_a_failed_request(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ids(stack)
    keys = {scope: stack.amas("keys", "show", scope).stdout.strip() for scope in ("ingest", "read", "admin")}
    rules = tmp_path / "rules.yaml"
    rules.write_text((ROOT / "service/alerts/default-rules.yaml").read_text())
    run_id = f"change-{token_hex(3)}"
    with Steady(stack.url, keys["ingest"], keys["read"], run_id, tmp_path) as steady:
        stack.shell(f"{SET} amas:alertRulesFile {rules} && {SET} amas:maxReplicas 10 && {UP}")
    changed = ids(stack)
    stack.shell(f"pulumi config rm amas:alertRulesFile && pulumi config rm amas:maxReplicas && {UP}")

    with Api(stack.url, Keys(**keys)) as api:
        eventually(lambda: api.stored_of_run(run_id) >= steady.accepted, within_s=60, what="all stored")
        api.purge_run(run_id)
    with capsys.disabled():
        print(f"\nrules and load balancer: {steady.figures()}")  # noqa: T201 - the figures are the result
    assert steady.failures == [], steady.worst()
    assert steady.accepted > 500
    assert changed["lb"] == before["lb"], "its configuration was taken over in place"
    assert changed["lb-config"].isdisjoint(before["lb-config"])
    assert changed["api"].isdisjoint(before["api"])


def test_what_was_changed_behind_pulumis_back_is_told(stack: Stack) -> None:
    network, scheduler = f"amas-{stack.name}", f"amas-{stack.name}-scheduler"
    stack.run(["docker", "network", "disconnect", network, scheduler])
    try:
        told = stack.amas("status", "--json", check=False)
    finally:
        stack.run(["docker", "network", "connect", "--alias", "scheduler", network, scheduler])
    assert told.returncode == 1
    drift = json.loads(told.stdout)["drift"]
    assert {
        "resource": "scheduler",
        "what": f"is not in network {network}",
        "released": "",
        "found": "",
    } in drift
    found = json.loads(stack.amas("status", "--json").stdout)
    assert found["drift"] == []
    assert found["release"]["number"] >= 1
    assert found["burst"] == []


def ids(stack: Stack) -> dict[str, set[str]]:
    """Containers by part."""
    found: dict[str, set[str]] = {}
    for one in inspected(stack):
        found.setdefault(one["Config"]["Labels"]["amas.part"], set()).add(one["Id"])
    return found
