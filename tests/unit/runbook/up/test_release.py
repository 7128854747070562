from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.events import Changed, Diagnosed, Event, Summed
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container
from runbook.up.release import is_ill, release


def plays(
    monkeypatch: pytest.MonkeyPatch, events: Sequence[Event], exit_code: int = 0, printed: str = ""
) -> None:
    def up(_stack: Stack, _settings: Sequence[str], log: Path, on_event: Callable[[Event], None]) -> int:
        log.parent.mkdir(parents=True)
        log.write_text(printed)
        for event in events:
            on_event(event)
        return exit_code

    monkeypatch.setattr(Stack, "up", up)


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
    assert raised.value.message.splitlines() == [
        f"pulumi ended with 255; its whole output is in {state_dir}/logs/up.log",
        "db: container is unhealthy",
        "  after 60 s",
        "--- amas-local-db (unhealthy), last lines:",
        "FATAL: could not write",
        "shutting down",
    ]
    assert raised.value.next_command == f"less {state_dir}/logs/up.log"


def test_without_a_diagnosis_the_end_of_the_log_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    plays(monkeypatch, [], exit_code=1, printed="".join(f"line {n}\n" for n in range(40)))
    with pytest.raises(CheckFailed, match="line 39"):
        release(Stack("local"), [], MemoryEngine(), Progress())


def test_a_dead_engine_does_not_hide_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = MemoryEngine()

    def gone(*_: object) -> None:
        raise EnvironmentMissing("the Docker engine does not answer")

    monkeypatch.setattr(engine, "containers", gone)
    plays(monkeypatch, [Diagnosed("error", "", "no space left")], exit_code=255)
    with pytest.raises(CheckFailed, match="no space left"):
        release(Stack("local"), [], engine, Progress())


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
