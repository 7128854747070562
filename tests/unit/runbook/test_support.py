import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from runbook.api import Api, Keys
from runbook.errors import CheckFailed
from runbook.stack import Setting
from runbook.support import bundle, packed, place, redaction
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECRET = "s3cr/et+word"
CONFIG = {"keyAdmin": Setting(SECRET, secret=True), "replicas": Setting("2", secret=False)}
LEAKING = [
    f"2026-01-02T03:04:05Z says {SECRET}",
    "2026-01-02T03:04:06Z postgresql://u:s3cr%2Fet%2Bword@db",
]


def files(status: int = 200) -> dict[str, str]:
    engine = MemoryEngine(
        held=[container("api"), container("db")], logs={"api": LEAKING}, answer=(0, "PostgreSQL 17\n")
    )
    transport = httpx.MockTransport(
        lambda request: httpx.Response(status, text=f"{request.url.path} {SECRET}")
    )
    with Api("http://service.test", Keys(), transport) as api:
        return bundle(engine, "local", CONFIG, api, NOW, Progress())


def test_no_form_of_a_secret_is_in_it_but_its_name() -> None:
    everything = json.dumps(files())
    assert SECRET not in everything
    assert "s3cr%2Fet%2Bword" not in everything
    assert "postgresql://u:<secret keyAdmin>@db" in everything


def test_it_holds_configuration_state_logs_and_what_the_service_tells() -> None:
    found = files()
    assert json.loads(found["configuration.json"]) == {"keyAdmin": "<secret>", "replicas": "2"}
    assert "PostgreSQL 17" in found["database.txt"]
    assert found["service/slo.json"].startswith("/api/about/slo")
    assert {"host.json", "metrics.txt", "logs/amas-local-api.log", "containers/amas-local-db.json"} <= set(
        found
    )


def test_what_cannot_be_asked_says_so_and_the_rest_is_there() -> None:
    def gone(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with Api("http://service.test", Keys(), httpx.MockTransport(gone)) as api:
        found = bundle(MemoryEngine(held=[container("api")]), "local", CONFIG, api, NOW, Progress())
    assert found["service/slo.json"].startswith("could not be asked: ")
    assert found["database.txt"] == "could not be asked: no container of part `db` runs in stack `local`\n"
    assert "replicas" in found["configuration.json"]


def test_a_longer_secret_is_not_cut_by_a_shorter_one_inside_it() -> None:
    redact = redaction({"a": Setting("word", secret=True), "b": Setting("password", secret=True)})
    assert redact("password word") == "<secret b> <secret a>"


def test_the_archive_is_for_its_owner_alone_and_replaces_nothing(tmp_path: Path) -> None:
    file = place("local", NOW, tmp_path / "one.tar.gz")
    assert packed({"a/b.txt": "text"}, file, NOW) == file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600
    with tarfile.open(file) as archive:
        assert archive.getnames() == ["one/a/b.txt"]
    with pytest.raises(CheckFailed, match="is there already"):
        place("local", NOW, file)
