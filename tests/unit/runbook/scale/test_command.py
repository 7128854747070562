"""`amas scale`, as it is typed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from runbook.api import Api
from runbook.cli import app, run
from runbook.scale import command, settings
from runbook.scale.decide import Replica, Rules, Signals
from runbook.scale.exposed import Standing
from runbook.testing import MemoryEngine, container


def amas(*words: str) -> int:
    return run(
        lambda: app(["scale", *words], prog_name="amas", standalone_mode=False), as_json="--json" in words
    )


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> MemoryEngine:
    made = MemoryEngine(held=[container("autoscaler", address="172.18.0.7")])
    monkeypatch.setattr(command, "connect", lambda: made)
    return made


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> Standing:
    """What the autoscaler answers, 5 s after its last look."""
    made = Standing(Rules(2, 6), dry_run=False, every_s=10.0, began_at=0.0, looked_at=95.0, seen_at=95.0)
    made.signals = Signals((Replica("base0", cpu_percent=12.0, memory_percent=13.0),), p95_ms=20.0)

    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://172.18.0.7:9747/state"
        return httpx.Response(200, json=made.facts(100.0))

    monkeypatch.setattr(command, "Api", lambda url: Api(url, transport=httpx.MockTransport(answer)))
    return made


def test_status_tells_what_is_seen_and_decided(
    engine: MemoryEngine, standing: Standing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert amas("status") == 0
    said = capsys.readouterr().out
    assert "bounds    2 to 6 replicas" in said
    assert "seen      cpu 12 %, p95 20 ms, queue age 0.0 s" in said
    assert max(map(len, said.splitlines())) <= 80
    assert amas("status", "--json") == 0
    assert json.loads(capsys.readouterr().out)["ok"]


def test_status_says_when_there_is_no_room(
    engine: MemoryEngine, standing: Standing, capsys: pytest.CaptureFixture[str]
) -> None:
    amas("status")
    assert "no room" not in capsys.readouterr().out
    standing.rules = Rules(4, 4)
    amas("status")
    assert "raise maxReplicas or dbMaxConnections" in " ".join(capsys.readouterr().out.split())


def test_status_fails_while_it_is_blind(
    engine: MemoryEngine, standing: Standing, capsys: pytest.CaptureFixture[str]
) -> None:
    standing.seen_at = -100.0
    assert amas("status", "--json") == 1
    assert json.loads(capsys.readouterr().out)["faults"] == ["blind for 3 min 20 s: it sees again"]


def test_without_an_autoscaler_it_says_how_to_have_one(
    capsys: pytest.CaptureFixture[str], engine: MemoryEngine
) -> None:
    engine.held = []
    assert amas("status", "--json") == 3
    assert json.loads(capsys.readouterr().err)["next"] == "./scripts/up --config autoscale=true"


def test_inside_the_network_it_is_asked_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMAS_AUTOSCALER_URL", "http://autoscaler:9747")
    assert command.address("local") == "http://autoscaler:9747"


def test_an_order_goes_to_the_autoscaler(
    engine: MemoryEngine, standing: Standing, capsys: pytest.CaptureFixture[str]
) -> None:
    assert amas("to", "4", "--for", "2h", "--json") == 0
    assert engine.commands == [["autoscaler", "amas", "scale", "to", "4", "--for", "2h"]]
    assert json.loads(capsys.readouterr().out) == {"replicas": 4, "forSeconds": 7200.0}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["to", "1"], "allowed are 2 (amas:replicas) to 6"),
        (["to", "7"], "allowed are 2 (amas:replicas) to 6"),
        (["to", "3", "--for", "soon"], "--for 'soon'"),
        (["simulate", "storm"], "one of step, spike, diurnal, leak, outage"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    words: Sequence[str],
    said: str,
    engine: MemoryEngine,
    standing: Standing,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert amas(*words, "--json") == 2
    assert said in json.loads(capsys.readouterr().err)["error"]
    assert engine.commands == []


def test_an_order_that_was_not_taken_is_told(
    engine: MemoryEngine, standing: Standing, capsys: pytest.CaptureFixture[str]
) -> None:
    engine.answer = (1, "no space")
    assert amas("to", "4", "--json") == 1
    assert "no space" in json.loads(capsys.readouterr().err)["error"]


def test_in_its_own_container_an_order_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Any] = []
    monkeypatch.setenv("AMAS_AGENT_SOCKET", "/agent/orders.sock")
    monkeypatch.setattr(settings, "put_order", kept.append)
    assert amas("to", "4", "--for", "0s") == 0
    assert [one.replicas for one in kept] == [4]


def test_a_simulation_is_a_table_json_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert amas("simulate", "step", "spike", "--most", "3", "--out", str(page)) == 0
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert {"step", "spike", "curves"} <= set(rows)
    assert page.read_text().count("<svg") == 2
    assert amas("simulate", "step", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["trace"] == "step"
