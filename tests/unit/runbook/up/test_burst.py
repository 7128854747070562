"""Burst replicas around a release: kept as long as they help, gone before they are in the way."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runbook.down import take_down
from runbook.engine import Container, container_facts
from runbook.errors import EnvironmentMissing
from runbook.events import Event
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container
from runbook.up.aftermath import held_by
from runbook.up.burst import LOOK_EVERY_S, BurstSweep, obsolete, orphaned, sweep
from runbook.up.record import read_record
from runbook.up.release import release
from runbook.up.watch import Watch

OLD = container("api", id="old", name="amas-local-api-0-old")
NEW = container("api", id="new", name="amas-local-api-0-new")
BURST = container("api", id="burst", name="amas-local-api-burst-1", burst=True)
LATER = container("api", id="later", name="amas-local-api-burst-2", burst=True)
AGENT = container("agent")


@pytest.mark.parametrize(
    ("now", "gone"),
    [
        ([OLD, BURST], []),
        ([OLD, NEW, BURST], []),
        ([NEW, BURST], [BURST]),
        ([NEW, BURST, LATER], [BURST]),
        ([NEW, LATER], []),
    ],
    ids=["nothing new", "both serve", "rolled", "one of the new release", "swept already"],
)
def test_a_burst_goes_once_the_new_replicas_serve(now: list[Container], gone: list[Container]) -> None:
    assert obsolete(now, [OLD, BURST]) == gone


def test_what_was_cloned_while_the_release_began_goes_with_the_volume_it_holds() -> None:
    old, new = replace(OLD, volumes=("secrets-1",)), replace(NEW, volumes=("secrets-2",))
    cloned, fresh = replace(LATER, volumes=("secrets-1",)), replace(BURST, volumes=("secrets-2",))
    assert obsolete([old, new, cloned], [old]) == []
    assert obsolete([new, cloned, fresh], [old]) == [cloned]
    engine = MemoryEngine(held=[new, cloned, fresh, AGENT])
    BurstSweep(engine, "local", [old], Progress()).look()
    assert engine.held == [new, fresh, AGENT]


def test_without_an_agent_a_burst_is_nobodys() -> None:
    assert orphaned([OLD, BURST]) == [BURST]
    assert orphaned([OLD, BURST, AGENT]) == []


def test_a_burst_is_looked_for_once_a_second() -> None:
    now = [0.0]
    engine = MemoryEngine(held=[NEW, BURST, AGENT])
    sweep = BurstSweep(engine, "local", [OLD, BURST], Progress(), lambda: now[0], _next_look=0.5)
    sweep.look()
    assert BURST in engine.held
    now[0] = LOOK_EVERY_S
    sweep.look()
    assert engine.held == [NEW, AGENT]


def test_all_that_go_drain_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    draining = threading.Barrier(2, timeout=5)
    monkeypatch.setattr(MemoryEngine, "remove_container", lambda *_: draining.wait())
    sweep(MemoryEngine(), [BURST, LATER, BURST], Progress())
    assert not draining.broken


def test_an_engine_that_is_away_is_pulumis_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> list[Container]:
        raise EnvironmentMissing("the Docker engine does not answer")

    engine = MemoryEngine(held=[NEW, BURST])
    monkeypatch.setattr(MemoryEngine, "containers", away)
    BurstSweep(engine, "local", [OLD, BURST], Progress()).look()
    assert BURST in engine.held


def plays(
    monkeypatch: pytest.MonkeyPatch, engine: MemoryEngine, during: Sequence[Container], exit_code: int = 0
) -> list[dict[str, str] | None]:
    """A release that leaves `during`; returns the records it saw."""
    records: list[dict[str, str] | None] = []

    def up(
        _stack: Stack,
        _settings: Sequence[str],
        log: Path,
        _on_event: Callable[[Event], None],
        meanwhile: Callable[[], None],
    ) -> int:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("")
        records.append(read_record("local"))
        engine.held = list(during)
        meanwhile()
        return exit_code

    states: list[dict[str, Any]] = [{"resources": [{"id": "old", "type": "", "urn": "u"}]}]
    monkeypatch.setattr(Stack, "up", up)
    monkeypatch.setattr(Stack, "export", lambda _stack: states[-1])
    monkeypatch.setattr(Stack, "put_state", lambda _stack, state: states.append(state))
    monkeypatch.setattr(Stack, "config", lambda _stack: {})
    monkeypatch.setattr("runbook.releases.record.keep", lambda *_: None)
    return records


def test_a_release_takes_the_burst_of_before_away_and_knows_it_from_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = MemoryEngine(held=[OLD, BURST, AGENT])
    records = plays(monkeypatch, engine, [NEW, BURST, AGENT])
    release(Stack("local"), [], engine, Progress())
    assert engine.held == [NEW, AGENT]
    assert records == [{"old": "api", "id-agent": "agent"}]
    assert "removing amas-local-api-burst-1, a burst replica of before" in capsys.readouterr().err


def test_a_release_that_changes_no_replica_keeps_the_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = MemoryEngine(held=[OLD, BURST, AGENT])
    plays(monkeypatch, engine, [OLD, BURST, AGENT])
    release(Stack("local"), [], engine, Progress())
    assert engine.held == [OLD, BURST, AGENT]


def test_a_release_that_ends_scaling_takes_every_burst_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = MemoryEngine(held=[OLD, BURST, AGENT])
    plays(monkeypatch, engine, [OLD, BURST])
    release(Stack("local"), [], engine, Progress())
    assert engine.held == [OLD]


def test_a_burst_that_is_ill_fails_no_release(tmp_path: Path) -> None:
    ill = container("api", id="ill", name="amas-local-api-burst-3", burst=True, health="unhealthy")
    engine = MemoryEngine(held=[OLD, ill])
    watch = Watch(engine, "local", {"old"}, tmp_path)
    watch.look()
    assert watch.reasons == []
    assert held_by(engine, "local", None).containers == [OLD]


def test_down_stops_who_could_make_another_and_takes_the_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    scaler = container("autoscaler")
    engine = MemoryEngine(held=[OLD, BURST, scaler])
    monkeypatch.setattr(Stack, "export", lambda _stack: {"resources": [{"id": "old"}, {"id": scaler.id}]})
    seen: list[list[str]] = []

    def destroy(_stack: Stack, *_: object) -> int:
        seen.append([f"{one.name} {one.state}" for one in engine.held])
        engine.held = []
        return 0

    monkeypatch.setattr(Stack, "destroy", destroy)
    take_down(Stack("local"), engine, Progress())
    assert seen == [["amas-local-api-0-old running", "amas-local-autoscaler exited"]]


def test_a_burst_is_known_by_its_label() -> None:
    attributes: dict[str, Any] = {
        "Id": "1",
        "Name": "/x",
        "State": {"Status": "running", "ExitCode": 0, "StartedAt": "0001-01-01T00:00:00Z"},
        "Config": {"Image": "sha256:aa", "Labels": {"amas.part": "api", "amas.burst": "true"}},
        "NetworkSettings": {"Networks": {}},
        "HostConfig": {"RestartPolicy": {"Name": "always"}},
    }
    assert container_facts(attributes).burst
    del attributes["Config"]["Labels"]["amas.burst"]
    assert not container_facts(attributes).burst
