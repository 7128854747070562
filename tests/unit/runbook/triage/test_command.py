import json
from typing import Any

import pytest

from runbook import cli
from runbook.stack import Setting
from runbook.testing import MemoryEngine
from runbook.triage import command
from runbook.triage.cause import Evidence


def amas(*arguments: str) -> int:
    return cli.run(lambda: cli.app(list(arguments), prog_name="amas", standalone_mode=False), as_json=False)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, configured: dict[str, Setting]) -> dict[str, Any]:
    """What is collected, and how it was asked for."""
    asked: dict[str, Any] = {"facts": {}}

    def collected(place: object, topic: str, *, test: bool) -> Evidence:
        asked.update(topic=topic, test=test)
        return Evidence(asked["facts"])

    monkeypatch.setattr(command, "connect", MemoryEngine)
    monkeypatch.setattr(command, "evidence", collected)
    return asked


def test_nothing_wrong_is_exit_code_0(seen: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert amas("triage", "latency", "--stack", "local") == 0
    assert capsys.readouterr().out == "nothing wrong found\n"
    assert (seen["topic"], seen["test"]) == ("latency", False)


def test_a_cause_is_exit_code_1_and_json_has_facts_and_findings(
    seen: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    seen["facts"] = {"db.up": 0.0}
    assert amas("triage", "writes", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["facts"]) == (False, {"db.up": 0.0})
    assert [one["cause"] for one in told["findings"]] == ["database away"]


def test_a_test_message_goes_with_webhooks_only(seen: dict[str, Any]) -> None:
    assert amas("triage", "webhooks", "--test") == 0
    assert seen["test"] is True
    assert amas("triage", "latency", "--test") == 2
    assert amas("triage", "everything") == 2
