"""Every test here has a state folder of its own, and never the operator's environment."""

from pathlib import Path

import pytest

from runbook import reach
from runbook.site import Site
from runbook.stack import Setting, Stack


@pytest.fixture(autouse=True)
def state_dir(unmade_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = unmade_path.with_name(f"{unmade_path.name}-state")
    for name in ("AMAS_URL", "AMAS_STACK", "AMAS_READ_KEY_FILE", "AMAS_METRICS_KEY_FILE", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AMAS_STATE_DIR", str(folder))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    reach.config.cache_clear()
    return folder


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> dict[str, Setting]:
    """What the stack's configuration holds, without a CLI to ask."""
    config = {
        name: Setting(f"{name}-value", secret=True)
        for name in ("keyIngest", "keyRead", "keyAdmin", "keyMetrics", "dbOwnerPassword", "cachePassword")
    }
    monkeypatch.setattr(Stack, "config", lambda _stack: config)
    monkeypatch.setattr(Stack, "site", lambda _stack: Site("http://service.test"))
    return config
