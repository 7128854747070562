"""New values for secrets: which, in what order, how proved, and what an operator is told."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from infra.keys import OPTIONAL_SECRETS, REQUIRED_SECRETS
from runbook import rotation
from runbook.engine import Container, Engine
from runbook.errors import CheckFailed, UsageError
from runbook.stack import Setting, Stack
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container
from runbook.up.preflight import refuse_bad_configuration
from runbook.up.release import Report
from runbook.up.secrets import GENERATED, KEYS

STANDING = ("db", "cache", "queue", "api", "lb")


class Vault:
    """The stack's configuration, and what happened to it and to the stack in order."""

    def __init__(self, config: dict[str, str]) -> None:
        self.config = {name: Setting(value, secret=True) for name, value in config.items()}
        self.done: list[str] = []

    def set(self, name: str, value: str) -> None:
        self.done.append(f"set {name}")
        self.config[name] = Setting(value, secret=True)

    def unset(self, name: str) -> None:
        self.done.append(f"unset {name}")
        del self.config[name]

    def release(
        self, _stack: Stack, _settings: Sequence[str], _engine: Engine, _progress: Progress
    ) -> Report:
        self.done.append("release")
        return Report()


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Vault:
    vault = Vault({name: f"old-{name}" for name in GENERATED})
    monkeypatch.setattr(Stack, "config", lambda _stack: dict(vault.config))
    monkeypatch.setattr(Stack, "set_secret", vault.set)
    monkeypatch.setattr(Stack, "unset", vault.unset)
    monkeypatch.setattr(rotation, "release", vault.release)
    return vault


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine(held=[container(part) for part in STANDING])


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What replicas answer to a key, and what a program says to a password typed into it."""
    answers: dict[str, Any] = {"typed": [], "said": (0, "PONG"), "refused": set()}

    def status(_replica: Container, value: str) -> int:
        return 401 if value in answers["refused"] else 403

    def typed(to: Container, command: Sequence[str], password: str) -> tuple[int, str]:
        assert password not in " ".join(command)
        answers["typed"].append((to.part, command[0], password))
        said: tuple[int, str] = answers["said"]
        return said

    monkeypatch.setattr(rotation, "status_for_key", status)
    monkeypatch.setattr(rotation, "typed_into", typed)
    return answers


Rotate = Callable[..., rotation.Rotated]


@pytest.fixture
def rotate(vault: Vault, engine: MemoryEngine, answers: dict[str, Any]) -> Rotate:
    return lambda *names: rotation.rotate(Stack("local"), names, engine, Progress())


@pytest.fixture
def finish(vault: Vault, engine: MemoryEngine, answers: dict[str, Any]) -> Rotate:
    return lambda *names: rotation.finish(Stack("local"), names, engine, Progress())


def test_a_password_gets_one_new_value_and_then_the_stack_is_released(rotate: Rotate, vault: Vault) -> None:
    rotate("dbAppPassword")
    assert vault.done == ["set dbAppPassword", "release"]
    assert len(vault.config["dbAppPassword"].value) == 43


def test_a_key_keeps_its_value_as_the_previous_one(rotate: Rotate, vault: Vault) -> None:
    rotate("keyIngest")
    assert vault.done == ["set keyIngestPrevious", "set keyIngest", "release"]
    assert vault.config["keyIngestPrevious"].value == "old-keyIngest"
    assert vault.config["keyIngest"].value != "old-keyIngest"


def test_all_changes_every_secret_in_one_release(rotate: Rotate, vault: Vault) -> None:
    assert rotate("all").secrets == rotation.ROTATED
    assert vault.done.count("release") == 1
    assert not [name for name in rotation.ROTATED if vault.config[name].value == f"old-{name}"]


def test_finish_forgets_the_previous_keys_and_no_other(rotate: Rotate, finish: Rotate, vault: Vault) -> None:
    rotate("keyIngest", "keyRead")
    vault.done.clear()
    with pytest.raises(CheckFailed, match="still takes the previous key"):
        finish("keyIngest")
    assert vault.done == ["unset keyIngestPrevious", "release"]
    assert "keyReadPrevious" in vault.config


def test_finish_of_all_takes_those_that_have_a_previous_key(
    rotate: Rotate, finish: Rotate, answers: dict[str, Any], vault: Vault
) -> None:
    rotate("keyRead")
    answers["refused"] = {"old-keyRead"}
    assert finish("all") == rotation.Rotated("local", ("keyRead",), 0, finished=True)
    assert set(vault.config) == set(GENERATED)


def test_a_second_rotation_of_a_key_is_refused_while_two_are_valid(rotate: Rotate, vault: Vault) -> None:
    rotate("keyIngest")
    vault.done.clear()
    with pytest.raises(UsageError, match="still valid for keyIngest") as raised:
        rotate("all")
    assert vault.done == []
    assert raised.value.next_command == "amas secrets rotate keyIngest --finish"


def test_a_rotation_interrupted_before_the_new_value_can_be_repeated(rotate: Rotate, vault: Vault) -> None:
    vault.config["keyIngestPrevious"] = vault.config["keyIngest"]
    rotate("keyIngest")
    assert vault.config["keyIngestPrevious"].value == "old-keyIngest"


@pytest.mark.parametrize("name", ["passphrase", "keyIngestPrevious", "KEYINGEST"])
def test_an_unknown_name_is_refused_with_those_there_are(rotate: Rotate, vault: Vault, name: str) -> None:
    with pytest.raises(UsageError, match=f"{name}: not a secret .* dbOwnerPassword, .*keyMetrics"):
        rotate("keyRead", name)
    assert vault.done == []


@pytest.mark.parametrize("names", [("dbAppPassword",), ("keyIngest",), ("all",)])
def test_finish_without_a_previous_key_is_refused(
    finish: Rotate, vault: Vault, names: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError):
        finish(*names)
    assert vault.done == []


def test_passwords_are_proved_by_typing_them_where_they_count(
    rotate: Rotate, answers: dict[str, Any], vault: Vault
) -> None:
    rotate("dbOwnerPassword", "cachePassword", "queuePassword")
    new = {name: vault.config[name].value for name in GENERATED}
    assert answers["typed"] == [
        ("db", "psql", new["dbOwnerPassword"]),
        ("cache", "redis-cli", new["cachePassword"]),
        ("queue", "redis-cli", new["queuePassword"]),
    ]


@pytest.mark.parametrize("name", ["dbMonitorPassword", "cachePassword"])
def test_a_password_that_is_not_taken_fails_and_is_not_shown(
    rotate: Rotate, answers: dict[str, Any], vault: Vault, name: str
) -> None:
    answers["said"] = (2, "WRONGPASS or password authentication failed")
    with pytest.raises(CheckFailed, match="failed") as raised:
        rotate(name)
    assert vault.config[name].value not in raised.value.message


def test_a_key_no_replica_knows_fails(rotate: Rotate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "status_for_key", lambda *_: 401)
    with pytest.raises(CheckFailed, match="keyAdmin: amas-local-api answers 401 to the new key"):
        rotate("keyAdmin")


def test_an_ill_part_fails_the_proof(rotate: Rotate, engine: MemoryEngine) -> None:
    engine.held.append(container("db-exporter", health="unhealthy"))
    with pytest.raises(CheckFailed, match="amas-local-db-exporter is unhealthy"):
        rotate("dbAppPassword")


def test_the_operator_is_told_how_to_end_the_previous_keys_and_no_value(
    rotate: Rotate, vault: Vault, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = rotation.closing_lines(rotate("keyIngest", "dbAppPassword"))
    told = "\n".join([*lines, capsys.readouterr().err])
    assert "amas secrets rotate keyIngest --finish" in told
    assert not [setting for setting in vault.config.values() if setting.value in told]
    assert "--finish" not in "\n".join(rotation.closing_lines(rotate("queuePassword")))


def test_what_opens_the_copy_off_site_is_never_renewed(rotate: Rotate, vault: Vault) -> None:
    """Nothing that was written there before would open again."""
    rotate("all")
    assert vault.config["resticPassword"].value == "old-resticPassword"
    with pytest.raises(UsageError, match="resticPassword: not a secret that can be rotated so"):
        rotate("resticPassword")


def test_every_key_has_its_previous_one_in_the_infrastructure() -> None:
    assert {name for name, _ in OPTIONAL_SECRETS} == {name + rotation.PREVIOUS for name in KEYS}
    assert {name for name, _ in REQUIRED_SECRETS} == set(GENERATED)


def test_up_accepts_a_configuration_with_previous_keys() -> None:
    assert refuse_bad_configuration({name + rotation.PREVIOUS: "former" for name in KEYS})
