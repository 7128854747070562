"""The database is lost for good, under traffic: what was acknowledged comes back, from backup and spool."""

import json
import secrets
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import eventually
from tests.faults.conftest import QUICK, Stack, output
from tests.faults.flood import Flood
from tests.faults.test_stores_away import ids_of, ingest_key, monitoring

RATE_PER_S = 200
SYNC = "SHOW synchronous_standby_names"
AGED_S = 10
COUNT = "SELECT count(*) FROM decision_insights"
MILLION = 1_000_000
FILL = Path(__file__).with_name("million.sql")


@pytest.fixture(scope="module")
def backed_up(new_stack: Callable[[], Stack]) -> Stack:
    """A stack of its own whose WAL is streamed in step, with a first backup."""
    stack = new_stack()
    settings = [word for setting in QUICK for word in ("--config", setting)]
    done = stack.up(*settings)
    assert done.returncode == 0, done.stderr
    eventually(lambda: sql(stack, SYNC) != [""], within_s=60, what="WAL in step with the backup")
    told(stack, "backup", "now")
    return stack


@pytest.mark.full
def test_a_database_killed_and_its_volume_deleted_loses_nothing_acknowledged(
    backed_up: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack, run_id = backed_up, f"lost-{secrets.token_hex(3)}"
    with Flood(stack.http_port, ingest_key(stack), run_id, RATE_PER_S) as flood:
        eventually(lambda: len(flood.acknowledged) > AGED_S * RATE_PER_S, within_s=60, what="traffic before")
        lose_database(stack)
        restored = told(stack, "backup", "restore", "--yes", stack.name)
        before = len(flood.acknowledged)
        eventually(lambda: len(flood.acknowledged) > before + 1000, within_s=60, what="traffic after")
    stored = settled(stack, run_id)
    with capsys.disabled():
        print(  # noqa: T201 - the figures are the result
            f"\nvolume deleted at {RATE_PER_S} posts a second: {flood.figures()}, {len(stored)} rows, "
            f"missing {len(flood.acknowledged - set(stored))}, RTO {restored['rtoS']:.0f} s"
        )
    assert flood.acknowledged - set(stored) == set(), "acknowledged and lost"
    assert len(stored) == len(set(stored)), "stored twice"
    assert restored["kept"] is None
    assert restored["timeline"] == 2
    eventually(lambda: sql(stack, SYNC) != [""], within_s=60, what="WAL in step with the backup again")
    assert stack.pulumi("preview", "--expect-no-changes").returncode == 0


@pytest.mark.full
def test_a_second_restore_begins_with_what_came_after_the_first(
    backed_up: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    stack, run_id = backed_up, f"again-{secrets.token_hex(3)}"
    with Flood(stack.http_port, ingest_key(stack), run_id, RATE_PER_S) as flood:
        eventually(lambda: len(flood.acknowledged) > AGED_S * RATE_PER_S, within_s=60, what="traffic before")
        restored = told(stack, "backup", "restore", "--yes", stack.name)
    stored = settled(stack, run_id)
    with capsys.disabled():
        print(f"\nrestored again under traffic: {flood.figures()}, RTO {restored['rtoS']:.0f} s")  # noqa: T201
    assert flood.acknowledged - set(stored) == set(), "acknowledged and lost"
    assert restored["timeline"] == 3
    assert restored["kept"] == "gen-1"
    refused = stack.amas("backup", "restore", "--discard-old", "--yes", "another")
    assert refused.returncode == 2
    assert told(stack, "backup", "restore", "--discard-old", "--yes", stack.name)["discarded"] == ["gen-1"]


@pytest.mark.full
def test_a_restore_to_a_moment_holds_what_was_stored_until_then_and_nothing_later(backed_up: Stack) -> None:
    stack, early, late = backed_up, f"early-{secrets.token_hex(3)}", f"late-{secrets.token_hex(3)}"
    kept = posted(stack, early)
    moment = datetime.now(UTC).isoformat()
    posted(stack, late)
    restored = told(stack, "backup", "restore", "--to", moment, "--yes", stack.name)
    assert restored["timeline"] == 4
    assert set(settled(stack, early)) == kept
    assert settled(stack, late) == []
    again = told(stack, "backup", "restore", "--yes", stack.name)
    assert again["timeline"] == 5
    assert set(settled(stack, early)) == kept, "the newest state is that of the history that was chosen"
    assert settled(stack, late) == []


@pytest.mark.full
def test_a_million_decisions_come_back(backed_up: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    stack = backed_up
    filled(stack)
    taken = timed(stack, "backup", "now", "--full")
    proven = timed(stack, "backup", "prove")
    rows = sql(stack, COUNT)
    lose_database(stack)
    restored = told(stack, "backup", "restore", "--yes", stack.name)
    with capsys.disabled():
        print(  # noqa: T201 - the figures are the result
            f"\n{rows[0]} rows: backup {taken:.0f} s, proof {proven:.0f} s, "
            f"volume deleted and restored, RTO {restored['rtoS']:.0f} s"
        )
    assert int(rows[0]) >= MILLION
    assert sql(stack, COUNT) == rows


@pytest.mark.full
def test_a_backup_that_is_not_what_was_backed_up_never_serves(backed_up: Stack) -> None:
    stack, run_id = backed_up, f"tampered-{secrets.token_hex(3)}"
    kept = posted(stack, run_id)
    newest = told(stack, "backup", "now")["backupId"]
    manifest = f"/var/lib/amas/backup/state/manifests/{newest}.json"
    container = f"amas-{stack.name}-backup"
    output("docker", "exec", container, "sed", "-i", 's/"rows": [0-9]*/"rows": 7/', manifest)
    refused = stack.amas("backup", "restore", "--yes", stack.name)
    assert refused.returncode == 1
    assert "the restored database is not what was backed up" in refused.stderr
    eventually(lambda: set(ids_of(stack, run_id)) == kept, within_s=60, what="the old database serves again")
    told(stack, "backup", "now", "--full")


@pytest.mark.full
def test_an_empty_host_has_everything_back_from_the_copy_off_site_and_the_sheet(
    backed_up: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Last of all: it destroys the stack."""
    stack, run_id = backed_up, f"total-{secrets.token_hex(3)}"
    kept = posted(stack, run_id)
    told(stack, "backup", "now")
    told(stack, "backup", "offsite")
    sheet, elsewhere = tmp_path / "sheet", tmp_path / "elsewhere"
    assert stack.amas("keys", "escrow", "--out", str(sheet)).returncode == 0
    carried_away(stack, elsewhere)
    key = ingest_key(stack)
    stack.purge()
    assert stack.volumes() == set()
    (stack.state_dir / "passphrase").unlink()
    began = time.monotonic()
    restored = told(
        stack,
        *("backup", "restore", "--from-offsite", "--sheet", str(sheet), "--repository", str(elsewhere)),
        *("--yes", stack.name),
    )
    with capsys.disabled():
        print(  # noqa: T201 - the figures are the result
            f"\ntotal loss: {restored['rows']} rows, RTO {restored['rtoS']:.0f} s, "
            f"{time.monotonic() - began:.0f} s in all"
        )
    assert set(settled(stack, run_id)) == kept
    assert ingest_key(stack) == key, "clients go on with the keys they have"


def filled(stack: Stack) -> None:
    command = ["docker", "exec", "--interactive", f"amas-{stack.name}-db"]
    psql = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "amas_owner", "-d", "danci"]
    subprocess.run([*command, *psql], input=FILL.read_bytes(), check=True, capture_output=True)


def timed(stack: Stack, *words: str) -> float:
    began = time.monotonic()
    told(stack, *words)
    return time.monotonic() - began


def lose_database(stack: Stack) -> None:
    """As a disk would: at once, and with all it held."""
    name = f"amas-{stack.name}-db"
    output("docker", "kill", name)
    output("docker", "rm", "--volumes", name)
    output("docker", "volume", "rm", name)


def carried_away(stack: Stack, into: Path) -> None:
    """The repository, copied out of the volume that goes with the stack."""
    into.mkdir()
    archive = subprocess.run(
        [
            "docker",
            "exec",
            f"amas-{stack.name}-backup",
            "tar",
            "-C",
            "/var/lib/amas/offsite",
            "-cf",
            "-",
            ".",
        ],
        check=True,
        capture_output=True,
    ).stdout
    # By number: the name of that user may be another's here.
    subprocess.run(["tar", "--numeric-owner", "-C", str(into), "-xf", "-"], input=archive, check=True)


def posted(stack: Stack, run_id: str) -> set[str]:
    with Flood(stack.http_port, ingest_key(stack), run_id, RATE_PER_S) as flood:
        eventually(lambda: len(flood.acknowledged) > 300, within_s=60, what="traces")
    settled(stack, run_id)
    return flood.acknowledged


def settled(stack: Stack, run_id: str) -> list[str]:
    eventually(lambda: monitoring(stack)["spool"]["length"] == 0, within_s=180, what="the spool drained")
    return ids_of(stack, run_id)


def sql(stack: Stack, statement: str) -> list[str]:
    return stack.amas("db", "psql", "--", "-Atc", statement).stdout.split("\n")[:-1]


def told(stack: Stack, *words: str) -> Any:
    done = stack.amas(*words, "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)
