from dataclasses import dataclass, field

import pytest

from runbook import cli, restart
from runbook.engine import Container
from runbook.errors import CheckFailed, EnvironmentMissing, UsageError
from runbook.restart import Clock, plan, restart_all
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container
from runbook.up.sole import sole_run


def replica(number: int, **changes: object) -> Container:
    return container("api", id=f"api-{number}", name=f"amas-local-api-{number}", **changes)


@dataclass
class Time:
    """Passes only by sleeping."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> Clock:
        return Clock(lambda: self.now, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> MemoryEngine:
    held = [
        replica(1),
        replica(2),
        container("db"),
        container("migrate", restart_policy="no", state="exited"),
    ]
    engine = MemoryEngine(held=held)
    monkeypatch.setattr(restart, "connect", lambda: engine)
    monkeypatch.setattr(restart, "servers", lambda *_: 2)
    monkeypatch.setattr(restart, "SETTLED_S", 0.0)
    return engine


def amas(*words: str) -> int:
    return cli.run(lambda: cli.app([*words], prog_name="amas", standalone_mode=False), as_json=False)


def test_replicas_are_restarted_one_after_the_other_without_a_question(engine: MemoryEngine) -> None:
    assert amas("restart", "api") == 0
    assert engine.commands == [
        ["stop", "amas-local-api-1", "45"],
        ["start", "amas-local-api-1"],
        ["stop", "amas-local-api-2", "45"],
        ["start", "amas-local-api-2"],
    ]


def test_nothing_is_restarted_while_another_run_is_at_work_on_the_stack(engine: MemoryEngine) -> None:
    with sole_run("local"):
        assert amas("restart", "api", "--stack", "local") == 2
    assert engine.commands == []


@pytest.mark.parametrize("part", ["db"])
def test_a_part_that_is_missed_asks_first_and_says_what_is_noticed(
    part: str, engine: MemoryEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert amas("restart", part) == 2
    assert "spooled" in capsys.readouterr().out
    assert engine.commands == []
    assert amas("restart", part, "--yes") == 0
    assert engine.commands == [["stop", "amas-local-db", "90"], ["start", "amas-local-db"]]


@pytest.mark.parametrize(
    "other", [[], [replica(2, health="unhealthy")], [replica(2, state="exited", health=None)]]
)
def test_the_last_healthy_replica_asks_first(other: list[Container]) -> None:
    assert plan([replica(1), *other], "api").noticed is not None


def test_what_nobody_misses_is_restarted_at_once() -> None:
    assert plan([container("host-exporter")], "host-exporter").noticed is None


def test_a_job_and_an_unknown_part_are_refused_with_what_there_is(engine: MemoryEngine) -> None:
    for part in ("migrate", "nothing"):
        with pytest.raises(UsageError, match="one of api, db"):
            plan(engine.held, part)


def test_a_stack_that_does_not_run_is_missing() -> None:
    with pytest.raises(EnvironmentMissing, match="does not run"):
        plan([], "api")


def test_a_replica_that_stays_ill_ends_the_round(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart, "is_well", lambda *_: False)
    time = Time()
    with pytest.raises(CheckFailed, match="amas-local-api-1 is healthy again; the rest was left alone"):
        restart_all(engine, "local", plan(engine.held, "api"), Progress(), time.clock())
    assert engine.commands == [["stop", "amas-local-api-1", "45"], ["start", "amas-local-api-1"]]
    assert time.now > restart.HEALTHY_WITHIN_S


def test_a_replica_is_taken_out_only_after_all_have_been_in_rotation_for_a_while(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart, "SETTLED_S", 1.0)
    told = iter([2, 1, 2, 2, 2])  # one check was missed at first
    commands_before: list[int] = []

    def servers(*_: object) -> int:
        commands_before.append(len(engine.commands))
        return next(told, 2)

    monkeypatch.setattr(restart, "servers", servers)
    restart_all(engine, "local", plan(engine.held, "api"), Progress(), Time().clock())
    assert commands_before == [0, 0, 0, 0, 2, 2, 2]


def test_replicas_that_never_stay_in_rotation_are_left_alone(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restart, "SETTLED_S", 1.0)
    monkeypatch.setattr(restart, "servers", lambda *_: 1)
    with pytest.raises(CheckFailed, match="steadily; the rest was left alone"):
        restart_all(engine, "local", plan(engine.held, "api"), Progress(), Time().clock())
    assert engine.commands == []


def test_a_single_replica_waits_for_no_other(engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restart, "servers", lambda *_: 0)
    engine.held = [replica(1)]
    restart_all(engine, "local", plan(engine.held, "api"), Progress(), Time().clock())
    assert [one[0] for one in engine.commands] == ["stop", "start"]
