import stat
from pathlib import Path

import pytest

from runbook.stack import Setting, Stack
from runbook.terminal import Progress
from runbook.up import secrets


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> dict[str, Setting]:
    """A stack without a CLI: what is set is what is there."""
    kept: dict[str, Setting] = {}
    monkeypatch.setattr(Stack, "select_or_create", lambda _stack: None)
    monkeypatch.setattr(Stack, "config", lambda _stack: dict(kept))
    monkeypatch.setattr(
        Stack, "set_secret", lambda _stack, key, value: kept.__setitem__(key, Setting(value, secret=True))
    )
    return kept


def test_everything_is_made_once_and_kept(config: dict[str, Setting], state_dir: Path) -> None:
    secrets.ensure_secrets(Stack("local"), Progress())
    first, passphrase = dict(config), (state_dir / "passphrase").read_text()
    secrets.ensure_secrets(Stack("local"), Progress())
    assert config == first
    assert set(config) == set(secrets.GENERATED)
    assert (state_dir / "passphrase").read_text() == passphrase


def test_secrets_are_long_and_all_different(config: dict[str, Setting]) -> None:
    secrets.ensure_secrets(Stack("local"), Progress())
    values = [setting.value for setting in config.values()]
    assert len(set(values)) == len(values)
    assert min(map(len, values)) >= 43


def test_no_secret_is_printed(
    config: dict[str, Setting], state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets.ensure_secrets(Stack("local"), Progress())
    printed = "".join(capsys.readouterr())
    assert "keyIngest" in printed
    assert not [one.value for one in config.values() if one.value in printed]
    assert (state_dir / "passphrase").read_text() not in printed


def test_a_secret_the_operator_set_is_not_replaced(config: dict[str, Setting]) -> None:
    config["keyRead"] = Setting("mine", secret=True)
    secrets.ensure_secrets(Stack("local"), Progress())
    assert config["keyRead"].value == "mine"


def test_the_state_is_closed_to_others(config: dict[str, Setting], state_dir: Path) -> None:
    state_dir.mkdir(mode=0o755)
    (state_dir / "passphrase").write_text("old")
    (state_dir / "passphrase").chmod(0o644)
    secrets.ensure_secrets(Stack("local"), Progress())
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((state_dir / "passphrase").stat().st_mode) == 0o600
    assert (state_dir / "passphrase").read_text() == "old"
