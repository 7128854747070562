"""The whole database in a file and back, on a stack that goes on taking traces."""

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Stack, eventually

ROWS = 120
# Young enough to be kept.
WHEN = (datetime.now(UTC) - timedelta(days=1)).isoformat()


def test_an_export_comes_back_row_by_row_and_nothing_else_does(kept: Stack, tmp_path: Path) -> None:
    run_id = f"portable-{secrets.token_hex(3)}"
    assert set(post(kept, run_id, range(ROWS))) == {201}
    file = tmp_path / "whole.amas"
    exported = as_json(kept.amas("backup", "export", str(file), "--json").stdout)
    assert exported["decisions"] >= ROWS
    assert file.stat().st_mode & 0o777 == 0o600
    post(kept, run_id, range(ROWS, ROWS + 10))

    refused = kept.amas("backup", "import", str(file), check=False)
    assert refused.returncode == 2
    assert f"--replace {kept.name}" in refused.stderr
    assert stored(kept, run_id) == ROWS + 10

    imported = as_json(kept.amas("backup", "import", str(file), "--replace", kept.name, "--json").stdout)
    assert imported["decisions"] == exported["decisions"]
    assert stored(kept, run_id) == ROWS
    assert insight(kept, trace_id(run_id, 0)) == 200
    assert insight(kept, trace_id(run_id, ROWS)) == 404, "neither the cache nor the database tells of it"
    assert "retention" in chunks(kept), "the hypertables are hypertables still"

    again = kept.amas("backup", "import", str(file), "--replace", kept.name, check=False)
    assert again.returncode == 2
    assert f"{imported['former']} still keeps" in again.stderr
    cleared = as_json(kept.amas("backup", "import", "--clear", "--json").stdout)
    assert cleared["dropped"] == [imported["former"]]


def test_traces_sent_while_it_loads_are_there_afterwards(kept: Stack, tmp_path: Path) -> None:
    run_id = f"meanwhile-{secrets.token_hex(3)}"
    file = tmp_path / "whole.amas"
    kept.amas("backup", "export", str(file))
    closed = "REVOKE CONNECT ON DATABASE danci FROM amas_app"
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename ~ '^amas_app'"
    superuser(kept, f"{closed}; {ended}")
    assert set(post(kept, run_id, range(10))) <= {201, 202}
    kept.amas("backup", "import", str(file), "--replace", kept.name)
    eventually(lambda: stored(kept, run_id) == 10, within_s=30, what="the spool drained into what was loaded")
    kept.amas("backup", "import", "--clear")


def test_a_damaged_file_is_refused_before_anything_is_touched(kept: Stack, tmp_path: Path) -> None:
    file = tmp_path / "whole.amas"
    kept.amas("backup", "export", str(file))
    content = bytearray(file.read_bytes())
    content[content.find(b"PGDMP") + 2000] ^= 1
    file.write_bytes(content)
    refused = kept.amas("backup", "import", str(file), "--replace", kept.name, check=False)
    assert refused.returncode == 1
    assert "does not fit its checksum" in refused.stderr
    assert databases(kept) == {"danci", "postgres", "template0", "template1"}


@pytest.fixture
def kept(stack: Stack) -> Iterator[Stack]:
    """Runs of the tests are purged, and nothing of an import is left."""
    yield stack
    stack.amas("backup", "import", "--clear")
    for run_id in stack.amas("db", "psql", "--", "-Atc", RUNS).stdout.split():
        admin = {"Authorization": f"Bearer {key(stack, 'admin')}"}
        httpx.delete(f"{stack.url}/api/runs/{run_id}", headers=admin, timeout=30)


RUNS = "SELECT DISTINCT run_id FROM decision_insights WHERE run_id ~ '^(portable|meanwhile)-'"


def post(stack: Stack, run_id: str, numbers: range) -> list[int]:
    headers = {"Authorization": f"Bearer {key(stack, 'ingest')}", "X-Amas-Run-Id": run_id}
    with httpx.Client(base_url=stack.url, headers=headers, timeout=30) as client:
        return [client.post("/api/decisions", json=trace(run_id, n)).status_code for n in numbers]


def trace(run_id: str, number: int) -> dict[str, Any]:
    return {
        "decisionId": trace_id(run_id, number),
        "userId": "portable",
        "occurredAt": WHEN,
        "action": "show",
        "durationMs": number,
        "stateSnapshot": {"слово": "\U0001f600", "n": number},
    }


def trace_id(run_id: str, number: int) -> str:
    return f"{run_id}:{number}"


def insight(stack: Stack, decision_id: str) -> int:
    return httpx.get(f"{stack.url}/api/insights/{decision_id}", timeout=30).status_code


def stored(stack: Stack, run_id: str) -> int:
    query = f"SELECT count(*) FROM decision_insights WHERE run_id = '{run_id}'"  # noqa: S608 - our own word
    return int(stack.amas("db", "psql", "--", "-Atc", query).stdout)


def chunks(stack: Stack) -> str:
    """Which hypertables have chunks the extension could drop."""
    query = (
        "SELECT 'retention' FROM timescaledb_information.chunks"
        " WHERE hypertable_name = 'decision_insights' LIMIT 1"
    )
    return stack.amas("db", "psql", "--", "-Atc", query).stdout


def databases(stack: Stack) -> set[str]:
    return set(stack.amas("db", "psql", "--", "-Atc", "SELECT datname FROM pg_database").stdout.split())


def superuser(stack: Stack, statement: str) -> None:
    stack.run(
        ["docker", "exec", f"amas-{stack.name}-db", "psql", "-U", "postgres", "-d", "danci", "-c", statement]
    )


def key(stack: Stack, scope: str) -> str:
    return stack.amas("keys", "show", scope).stdout.strip()


def as_json(text: str) -> Any:
    return json.loads(text)
