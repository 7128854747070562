from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from runbook.engine import Container
from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.events import Changed, Diagnosed, Event, Summed
from runbook.releases.record import UPGRADE
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container
from runbook.up.record import read_record, write_record
from runbook.up.release import is_ill, release


def plays(
    monkeypatch: pytest.MonkeyPatch, events: Sequence[Event], exit_code: int = 0, printed: str = ""
) -> None:
    def up(
        _stack: Stack,
        _settings: Sequence[str],
        log: Path,
        on_event: Callable[[Event], None],
        meanwhile: Callable[[], None],
    ) -> int:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(printed)
        for event in events:
            on_event(event)
        meanwhile()
        return exit_code

    monkeypatch.setattr(Stack, "up", up)


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The stack's state as it was last put; the first is that of a run that ended well."""
    states: list[dict[str, Any]] = [{"resources": []}]
    monkeypatch.setattr(Stack, "export", lambda _stack: states[-1])
    monkeypatch.setattr(Stack, "put_state", lambda _stack, state: states.append(state))
    monkeypatch.setattr(Stack, "config", lambda _stack: {})
    monkeypatch.setattr("runbook.releases.record.keep", lambda *_: None)
    return states


def test_each_changed_resource_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plays(monkeypatch, [Changed("created", "lb", "Container"), Summed({"create": 1, "same": 4})])
    assert release(Stack("local"), [], MemoryEngine(), Progress()).count == 1
    assert capsys.readouterr().err == "    created Container lb\n    1 resources changed\n"


def test_a_second_run_says_that_there_is_nothing_to_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plays(monkeypatch, [Summed({"same": 5})])
    assert release(Stack("local"), [], MemoryEngine(), Progress()).count == 0
    assert capsys.readouterr().err == "    nothing to change\n"


def test_a_failure_names_the_reason_the_log_and_the_last_words_of_ill_containers(
    monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    plays(monkeypatch, [Diagnosed("error", "db", "container is unhealthy\nafter 60 s")], exit_code=255)
    engine = MemoryEngine(
        held=[container("db", health="unhealthy"), container("lb")],
        logs={"db": ["2026-01-01T00:00:00Z FATAL: could not write", "2026-01-01T00:00:01Z shutting down"]},
    )
    with pytest.raises(CheckFailed) as raised:
        release(Stack("local"), [], engine, Progress())
    (kept,) = (state_dir / "logs").glob("failed-*")
    assert raised.value.message.splitlines() == [
        f"pulumi ended with 255; its whole output is in {state_dir}/logs/up-local.log",
        "db: container is unhealthy",
        "  after 60 s",
        "--- amas-local-db (unhealthy), last lines:",
        "FATAL: could not write",
        "shutting down",
        f"last log lines of the containers concerned are kept in {kept}",
        "left as it is, without an earlier one to go back to: amas-local-db",
        "no replica serves",
    ]
    assert (kept / "amas-local-db.log").read_text().endswith("2026-01-01T00:00:01Z shutting down\n")
    assert raised.value.next_command == f"less {state_dir}/logs/up-local.log"


def test_without_a_diagnosis_the_end_of_the_log_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    plays(monkeypatch, [], exit_code=1, printed="".join(f"line {n}\n" for n in range(40)))
    with pytest.raises(CheckFailed, match="line 39"):
        release(Stack("local"), [], MemoryEngine(), Progress())


def test_an_engine_that_went_away_is_named_and_the_record_stays(
    monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    engine = MemoryEngine(held=[container("lb")])
    plays(monkeypatch, [Diagnosed("error", "", "Cannot connect to the Docker daemon")], exit_code=255)
    before, asked = engine.containers, iter(range(99))

    def gone(stack: str) -> list[Container]:
        if next(asked):
            raise ConnectionRefusedError(111, "Connection refused")
        return before(stack)

    monkeypatch.setattr(engine, "containers", gone)
    with pytest.raises(EnvironmentMissing, match=r"stopped answering on its socket.*Connection refused"):
        release(Stack("local"), [], engine, Progress())
    assert read_record("local") == {"id-lb": "lb"}


def test_replicas_of_a_failed_release_go_and_the_state_is_put_right(
    monkeypatch: pytest.MonkeyPatch, state: list[dict[str, Any]]
) -> None:
    old = container("api", id="old", name="amas-local-api-old")
    new = container("api", id="new", name="amas-local-api-new")
    engine = MemoryEngine(held=[old])
    urn = "urn:pulumi:local::amas::docker:index/container:Container::api-0"
    kind = {"urn": urn, "type": "docker:index/container:Container"}
    plays(monkeypatch, [], exit_code=255)
    played = Stack.up

    def up(*arguments: Any) -> int:
        engine.held.append(new)
        state.append({"resources": [{**kind, "id": "new"}, {**kind, "id": "old", "delete": True}]})
        return played(*arguments)

    monkeypatch.setattr(Stack, "up", up)
    with pytest.raises(CheckFailed, match=r"removed of the failed release: amas-local-api-new"):
        release(Stack("local"), [], engine, Progress())
    assert engine.held == [old]
    assert state[-1] == {"resources": [{**kind, "id": "old"}]}
    assert read_record("local") is None


def test_a_container_given_up_is_the_reason_whatever_pulumi_makes_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = MemoryEngine()
    played: list[Container] = [container("api", health="unhealthy")]
    plays(monkeypatch, [Diagnosed("error", "api-0", "no such container")], exit_code=255)
    original = Stack.up

    def up(*arguments: Any) -> int:
        engine.held += played
        return original(*arguments)

    monkeypatch.setattr(Stack, "up", up)
    with pytest.raises(CheckFailed, match="not waited for: amas-local-api is unhealthy") as raised:
        release(Stack("local"), [], engine, Progress())
    assert "no such container" not in raised.value.message
    assert engine.held == []


def test_a_run_begins_by_putting_right_what_a_killed_one_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, orphan = container("api", id="old"), container("api", id="orphan", name="amas-local-api-orphan")
    write_record("local", {"old": "api"})
    engine = MemoryEngine(held=[old, orphan])
    plays(monkeypatch, [])
    release(Stack("local"), [], engine, Progress())
    assert engine.held == [old]
    assert "an earlier run did not end well" in capsys.readouterr().err
    assert read_record("local") is None


def test_settings_given_to_a_failed_run_are_said_to_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with plain `pulumi up --config`."""
    plays(monkeypatch, [], exit_code=255)
    with pytest.raises(CheckFailed, match="stays set for the next run: replicas=3"):
        release(Stack("local"), ["replicas=3"], MemoryEngine(), Progress())


def test_an_upgrade_does_not_say_so_since_it_puts_them_back(monkeypatch: pytest.MonkeyPatch) -> None:
    plays(monkeypatch, [], exit_code=255)
    with pytest.raises(CheckFailed) as raised:
        release(Stack("local"), ["replicas=3"], MemoryEngine(), Progress(), how=UPGRADE)
    assert "stays set" not in raised.value.message


def test_what_cannot_be_cleared_away_is_left_to_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> None:
        raise CheckFailed("the state is locked")

    monkeypatch.setattr(Stack, "put_state", locked)
    plays(monkeypatch, [], exit_code=255)
    with pytest.raises(CheckFailed, match=r"not cleared away yet: the state is locked"):
        release(Stack("local"), [], MemoryEngine(), Progress())
    assert read_record("local") == {}


@pytest.mark.parametrize(
    ("changes", "ill"),
    [
        ({}, False),
        ({"health": None}, False),
        ({"health": "starting"}, True),
        ({"state": "restarting"}, True),
        ({"state": "exited", "restart_policy": "no", "health": None}, False),
        ({"state": "exited", "restart_policy": "no", "exit_code": 1}, True),
        ({"state": "exited", "exit_code": 0}, True),
    ],
)
def test_a_finished_job_is_well_and_a_stopped_service_is_not(changes: dict[str, object], ill: bool) -> None:
    assert is_ill(container("api", **changes)) is ill


def test_a_release_in_force_is_written_down_even_when_the_backup_does_not_take_its_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[str] = []

    def refuse(*_: object) -> None:
        raise CheckFailed("the configuration was not handed to the backup")

    plays(monkeypatch, [])
    monkeypatch.setattr("runbook.releases.record.keep", lambda stack, *_: kept.append(stack))
    monkeypatch.setattr("runbook.up.release.hand_in", refuse)
    with pytest.raises(CheckFailed, match="not handed to the backup"):
        release(Stack("local"), [], MemoryEngine(), Progress())
    assert kept == ["local"]
