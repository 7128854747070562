from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from runbook.down import closing_lines, purge, take_down
from runbook.errors import CheckFailed, UsageError
from runbook.events import Diagnosed, Event
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container
from runbook.up.record import write_record

VOLUMES = {"amas-local-db": 10, "amas-local-queue": 20, "amas-local-prometheus": 30}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []

    def destroy(_stack: Stack, flags: Sequence[str], _log: Path, _tell: Callable[[Event], None]) -> int:
        made.append(f"destroy {' '.join(flags)}")
        return 0

    monkeypatch.setattr(Stack, "destroy", destroy)
    monkeypatch.setattr(Stack, "export", lambda _stack: {"resources": [{"id": container("api").id}]})
    monkeypatch.setattr(Stack, "unprotect_all", lambda _stack: made.append("unprotect"))
    monkeypatch.setattr(Stack, "remove", lambda _stack: made.append("remove"))
    return made


def test_down_keeps_the_data_volumes_and_names_them(calls: list[str]) -> None:
    engine = MemoryEngine(volumes=dict(VOLUMES))
    gone = take_down(Stack("local"), engine, Progress())
    assert engine.volumes == VOLUMES
    assert calls == ["destroy --exclude-protected=true"]
    assert "amas-local-db" in closing_lines(gone)[0]


def test_purge_removes_volumes_stack_and_configuration(calls: list[str]) -> None:
    engine = MemoryEngine(volumes=VOLUMES | {"amas-other-db": 1})
    assert purge(Stack("local"), "local", engine, Progress()).kept == ()
    assert engine.volumes == {"amas-other-db": 1}
    assert calls == ["unprotect", "destroy --exclude-protected=false", "remove"]


@pytest.mark.parametrize("typed", ["", "Local", "local ", "other"])
def test_purge_wants_the_name_exactly(typed: str, calls: list[str]) -> None:
    engine = MemoryEngine(volumes=dict(VOLUMES))
    with pytest.raises(UsageError) as raised:
        purge(Stack("local"), typed, engine, Progress())
    assert (calls, engine.volumes) == ([], VOLUMES)
    assert raised.value.next_command == "amas down --purge local"


def test_whatever_is_left_is_named(calls: list[str]) -> None:
    engine = MemoryEngine(
        held=[container("api")], networks=("amas-local",), volumes=VOLUMES | {"amas-local-files-ab12": 1}
    )
    with pytest.raises(CheckFailed) as raised:
        take_down(Stack("local"), engine, Progress())
    assert raised.value.message.splitlines()[1:] == [
        "container amas-local-api",
        "network amas-local",
        "volume amas-local-files-ab12",
    ]


def test_a_destroy_that_fails_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def destroy(_stack: Stack, _flags: Sequence[str], _log: Path, tell: Callable[[Event], None]) -> int:
        tell(Diagnosed("error", "net", "network has active endpoints"))
        return 255

    monkeypatch.setattr(Stack, "destroy", destroy)
    monkeypatch.setattr(Stack, "export", lambda _stack: {})
    with pytest.raises(CheckFailed, match="network has active endpoints"):
        take_down(Stack("local"), MemoryEngine(), Progress())


def test_what_a_killed_up_made_goes_before_pulumi_destroys(
    calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record("local", {})
    monkeypatch.setattr(Stack, "export", lambda _stack: {})
    monkeypatch.setattr(Stack, "put_state", lambda _stack, _state: calls.append("put right"))
    engine = MemoryEngine(held=[container("api")], volumes=dict(VOLUMES))
    take_down(Stack("local"), engine, Progress())
    assert engine.held == []
    assert calls == ["put right", "destroy --exclude-protected=true"]


def test_a_container_that_pulumi_does_not_know_goes_before_it_destroys(calls: list[str]) -> None:
    """A plain `pulumi up` that was killed leaves one, and no record."""
    stray = container("api", id="0123stray", name="amas-local-api-1-ab12")
    engine = MemoryEngine(held=[stray], volumes=dict(VOLUMES))
    take_down(Stack("local"), engine, Progress())
    assert engine.held == []
    assert calls == ["destroy --exclude-protected=true"]
