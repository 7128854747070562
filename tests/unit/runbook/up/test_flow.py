from collections.abc import Callable
from pathlib import Path

import pytest

from runbook.errors import CheckFailed, UsageError
from runbook.events import Changed
from runbook.site import Site
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.up import flow
from runbook.up.release import Report

ORDER = [
    "prerequisites",
    "engine",
    "tools",
    "images",
    "secrets",
    "preflight",
    "pulumi up",
    "smoke",
]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every step only writes down that it was taken."""
    taken: list[str] = []

    def step(name: str, returned: object = None) -> Callable[..., object]:
        def take(*_: object) -> object:
            taken.append(name)
            return returned

        return take

    monkeypatch.setattr(flow, "ensure_prerequisites", step("prerequisites"))
    monkeypatch.setattr(flow, "ensure_engine", step("engine"))
    monkeypatch.setattr(flow, "ensure_toolchain", step("tools", Path("/tools")))
    monkeypatch.setattr(flow, "ensure_images", step("images"))
    monkeypatch.setattr(flow, "ensure_secrets", step("secrets"))
    monkeypatch.setattr(flow, "ensure_certificate", lambda *_: None)
    monkeypatch.setattr(flow, "preflight", step("preflight"))
    monkeypatch.setattr(flow, "release", step("pulumi up", Report([Changed("created", "lb", "Container")])))
    monkeypatch.setattr(flow, "smoke", step("smoke"))
    monkeypatch.setattr("runbook.engine.connect", lambda: None)
    monkeypatch.setattr(Stack, "site", lambda _stack: Site("http://127.0.0.1:3000"))
    return taken


def test_the_steps_come_in_their_order_each_with_its_time(done: list[str]) -> None:
    progress = Progress()
    assert flow.bring_up(flow.Plan("local"), progress) == flow.Standing("http://127.0.0.1:3000", changed=1)
    assert done == ORDER
    assert [name for name, _ in progress.finished] == ORDER


def test_preparation_alone_stops_before_any_secret_is_made(done: list[str]) -> None:
    assert flow.bring_up(flow.Plan("local", prepare_only=True), Progress()) is None
    assert done == ORDER[:4]


def test_the_smoke_test_can_be_left_out(done: list[str]) -> None:
    flow.bring_up(flow.Plan("local", with_smoke=False), Progress())
    assert done == ORDER[:-1]


def test_the_first_failure_ends_the_flow(
    done: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise CheckFailed("db: building failed")

    monkeypatch.setattr(flow, "ensure_images", fails)
    with pytest.raises(CheckFailed, match="building failed"):
        flow.bring_up(flow.Plan("local"), Progress())
    assert done == ORDER[:3]
    assert capsys.readouterr().err.splitlines()[-1].startswith("failed images")


@pytest.mark.parametrize("setting", ["replicas", "=3", ""])
def test_a_setting_is_written_as_key_and_value(setting: str, done: list[str]) -> None:
    with pytest.raises(UsageError, match="key=value"):
        flow.bring_up(flow.Plan("local", (setting,)), Progress())
    assert done == []


@pytest.mark.parametrize("key", ["keyIngest", "amas:dbOwnerPassword"])
def test_a_secret_is_refused_on_the_command_line_and_not_repeated(key: str, done: list[str]) -> None:
    with pytest.raises(UsageError) as raised:
        flow.bring_up(flow.Plan("local", (f"{key}=hunter2",)), Progress())
    assert "hunter2" not in raised.value.message
    assert raised.value.next_command == f"pulumi config set --secret {key}"
    assert done == []


def test_the_closing_words_name_address_keys_and_three_commands() -> None:
    told = "\n".join(flow.next_lines(flow.Standing("http://127.0.0.1:3000", 0), "local"))
    for words in (
        "http://127.0.0.1:3000",
        "amas keys show ingest",
        ". scripts/env",
        "amas status",
        "amas logs api",
    ):
        assert words in told
