from pathlib import Path
from typing import Any

import pytest

from runbook.engine import Container
from runbook.errors import EnvironmentMissing
from runbook.testing import MemoryEngine, container
from runbook.up.watch import LOOK_EVERY_S, Watch, lost


@pytest.mark.parametrize(
    ("part", "changes", "is_lost"),
    [
        ("api", {}, False),
        ("api", {"health": "starting"}, False),
        ("api", {"health": "unhealthy"}, True),
        ("api", {"health": "starting", "restarts": 3}, False),
        ("api", {"health": "starting", "restarts": 4}, True),
        ("api", {"state": "restarting", "health": "unhealthy", "restarts": 1}, False),
        ("db", {"health": "unhealthy"}, False),
        ("db", {"state": "restarting", "restarts": 4}, True),
        ("migrate", {"state": "exited", "exit_code": 1, "restart_policy": "no"}, False),
    ],
)
def test_what_will_not_become_well(part: str, changes: dict[str, Any], is_lost: bool) -> None:
    """A restarting container counts as unhealthy to the engine; a store may be at work on its data."""
    assert bool(lost([container(part, **changes)])) is is_lost


def test_a_lost_container_of_the_run_goes_with_its_log_kept(tmp_path: Path) -> None:
    ill = container("api", id="new", health="unhealthy")
    earlier = container("lb", id="old", health="unhealthy")
    engine = MemoryEngine(held=[ill, earlier], logs={"api": ["2026-01-01T00:00:00Z no database"]})
    watch = Watch(engine, "local", {"old"}, tmp_path / "failed")
    watch.look()
    assert engine.held == [earlier]
    assert watch.reasons == ["amas-local-api is unhealthy"]
    assert watch.words == ["--- amas-local-api (unhealthy), last lines:", "no database"]
    assert "no database" in (tmp_path / "failed" / "amas-local-api.log").read_text()


def test_the_engine_is_asked_once_in_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    now = [100.0]
    engine = MemoryEngine()

    def containers(_stack: str) -> list[Container]:
        asked.append(now[0])
        return []

    monkeypatch.setattr(engine, "containers", containers)
    watch = Watch(engine, "local", (), tmp_path, clock=lambda: now[0])
    for _ in range(3):
        watch.look()
    now[0] += LOOK_EVERY_S
    watch.look()
    assert asked == [100.0, 100.0 + LOOK_EVERY_S]


def test_an_engine_that_is_away_is_not_the_watchs_to_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise EnvironmentMissing("no engine")

    engine = MemoryEngine()
    monkeypatch.setattr(engine, "containers", away)
    watch = Watch(engine, "local", (), tmp_path)
    watch.look()
    assert watch.reasons == []
