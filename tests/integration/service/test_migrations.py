"""The schema comes up once, whoever asks how often, and gives each role its rights and no more."""

import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from service import migrate
from service.errors import StoreUnavailable
from service.migrate import Migration, MigrationRefused
from tests.integration.service.conftest import Database

OURS = migrate.files(migrate.MIGRATIONS)


def run(database: Database, wanted: list[Migration] = OURS, said: list[str] | None = None) -> int:
    return migrate.migrate(database.url("owner"), wanted, (said if said is not None else []).append)


@pytest.fixture
def empty(bare_database: Database) -> Iterator[Database]:
    """The same server with a second, empty database."""
    bare_database.superuser("DROP DATABASE IF EXISTS scratch WITH (FORCE)")
    bare_database.superuser("CREATE DATABASE scratch OWNER amas_owner")
    bare_database.superuser("GRANT CONNECT ON DATABASE scratch TO amas_app, amas_reader, amas_monitor")
    scratch = dataclasses.replace(bare_database, name="scratch")
    scratch.superuser("ALTER SCHEMA public OWNER TO amas_owner", "CREATE EXTENSION timescaledb")
    yield scratch
    bare_database.superuser("DROP DATABASE scratch WITH (FORCE)")


def test_the_second_run_has_nothing_to_do(empty: Database) -> None:
    assert run(empty) == len(OURS)
    assert run(empty) == 0


def test_a_migration_waits_for_no_backup(empty: Database) -> None:
    """`up` would, with one that is away."""
    with empty.waiting_for_a_standby():
        eventually_waits(empty)
        assert run(empty) == len(OURS)


def eventually_waits(database: Database) -> None:
    """A reload is in force in each session a moment later."""
    deadline = time.monotonic() + 10
    while database.rows("SHOW synchronous_standby_names") != [("nobody",)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_many_at_once_apply_each_migration_once(empty: Database) -> None:
    applied: list[int] = []
    runs = [threading.Thread(target=lambda: applied.append(run(empty))) for _ in range(4)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert sorted(applied) == [0, 0, 0, len(OURS)]


def test_an_edited_migration_is_refused_and_changes_nothing(empty: Database) -> None:
    run(empty)
    edited = [dataclasses.replace(OURS[0], checksum="0" * 64), *OURS[1:]]
    with pytest.raises(MigrationRefused, match="was edited"):
        run(empty, edited)


def test_a_failing_migration_leaves_neither_half_of_itself_nor_a_record(empty: Database) -> None:
    broken = Migration(len(OURS) + 1, "9999_broken.sql", "CREATE TABLE half (); SELECT 1 / 0;", "sum")
    with pytest.raises(Exception, match="division by zero"):
        run(empty, [*OURS, broken])
    assert empty.rows("SELECT to_regclass('half'), count(*) FROM schema_migrations") == [(None, len(OURS))]


def test_a_database_that_does_not_answer_is_waited_for_and_then_told() -> None:
    said: list[str] = []
    with pytest.raises(StoreUnavailable, match="no database within 2 s"):
        migrate.migrate("postgresql://amas_owner@127.0.0.1:1/danci", OURS, said.append, wait_s=2)
    assert said
    assert all("waiting for the database" in line for line in said)


def test_the_command_prints_a_line_for_each_step(empty: Database) -> None:
    environment = os.environ | {"DATABASE_URL": empty.url("owner")}
    done = subprocess.run(
        [sys.executable, "-m", "service.migrate"], env=environment, capture_output=True, text=True, check=True
    )
    assert "applying 0001_decision_insights.sql" in done.stdout
    assert f"schema is up to date, {len(OURS)} applied now" in done.stdout


ROW = "VALUES ('r', now(), now(), 'u', 'a', 1, '{}', '{}', '[]', '{}', 'run', '\\x00')"
COLUMNS = (
    "decision_id, created_at, occurred_at, user_id, action, duration_ms, state_snapshot, "
    "difficulty_factors, triggers, extra, run_id, content_hash"
)


def test_the_service_may_add_and_read_and_purge_runs_only(database: Database) -> None:
    database.rows(f"INSERT INTO decision_insights ({COLUMNS}) {ROW}", "app")
    real = ROW.replace("'r',", "'real',").replace("'run'", "NULL")
    database.rows(f"INSERT INTO decision_insights ({COLUMNS}) {real}", "app")
    assert database.rows("SELECT * FROM purge_run('run', 10)", "app") == [("r",)]
    assert database.rows("SELECT * FROM purge_run(NULL, 10)", "app") == []
    assert database.rows("SELECT decision_id FROM decision_insights", "app") == [("real",)]


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("app", "DELETE FROM decision_insights"),
        ("app", "UPDATE decision_insights SET user_id = 'x'"),
        ("app", "TRUNCATE decision_insights"),
        ("app", "DROP TABLE decision_keys"),
        ("app", "CREATE TABLE mine ()"),
        ("app", "SELECT drop_chunks('decision_insights', now())"),
        ("app", "INSERT INTO schema_migrations VALUES (9, 'x', 'y')"),
        ("reader", "INSERT INTO decision_keys VALUES ('x', now(), '')"),
        ("reader", "SELECT * FROM purge_run('run', 1)"),
        ("monitor", "SELECT state_snapshot FROM decision_insights"),
        ("monitor", "SELECT raw FROM decision_dead_letters"),
    ],
)
def test_a_role_may_not(database: Database, role: str, statement: str) -> None:
    with pytest.raises(
        (psycopg.errors.InsufficientPrivilege, psycopg.errors.RaiseException), match=r"denied|owner"
    ):
        database.rows(statement, role)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("reader", "SELECT count(*) FROM decision_insights"),
        ("reader", "SELECT insight FROM insights"),
        ("monitor", "SELECT count(created_at) FROM decision_insights"),
        ("monitor", "SELECT max(buried_at) FROM decision_dead_letters"),
    ],
)
def test_a_role_may(database: Database, role: str, statement: str) -> None:
    database.rows(statement, role)


def test_chunks_are_days(database: Database) -> None:
    (interval,) = database.rows(
        "SELECT time_interval FROM timescaledb_information.dimensions "
        "WHERE hypertable_name = 'decision_insights'"
    )
    assert str(interval[0]) == "1 day, 0:00:00"
