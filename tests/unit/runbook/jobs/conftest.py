"""Jobs run in a folder of the test's own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def jobs_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMAS_JOBS_DIR", str(tmp_path))
    for name in ("AMAS_DB_HOST", "AMAS_DATABASE_URL_FILE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
