"""Least privilege: each role has the rights written down here and not one more, on whatever there is."""

from pathlib import Path

import psycopg
import pytest

from tests.integration.service.conftest import APP_ROLE, Database

GRANTED = Path(__file__).with_name("granted.sql").read_text()

# What the service may: add, read, and call what does one narrow thing with its owner's rights.
APP = {
    "decision_insights": "INSERT, SELECT",
    "decision_keys": "INSERT, SELECT",
    "decision_dead_letters": "INSERT, SELECT",
    "insights": "SELECT",
    "retention_runs": "INSERT, SELECT",
    "metric_snapshots": "INSERT, SELECT",
    "alert_history": "INSERT, SELECT",
    # One document, compared and written whole.
    "alert_book": "SELECT, UPDATE",
    "admin_audit": "INSERT, SELECT",
    "purge_run(text,integer)": "EXECUTE",
    "delete_letters(bigint[])": "EXECUTE",
    "mark_letters(bigint[],text[],text[])": "EXECUTE",
    "purge_run_letters(text,integer)": "EXECUTE",
    "drop_old_chunks(timestamp with time zone)": "EXECUTE",
    "prune_keys(timestamp with time zone,integer)": "EXECUTE",
    "prune_letters(timestamp with time zone,integer)": "EXECUTE",
    "drop_old_metric_snapshots()": "EXECUTE",
    "prune_alert_history(integer)": "EXECUTE",
    "wal_facts()": "EXECUTE",
    "scheduled_jobs": "SELECT",
    "job_runs": "SELECT",
    "load_runs": "SELECT",
}
# People and reports: everything that was recorded, and nothing to change.
READER = dict.fromkeys(
    ("decision_insights", "decision_keys", "decision_dead_letters", "insights", "retention_runs",
     "metric_snapshots", "alert_book", "alert_history", "alert_outbox", "alert_silences", "admin_audit",
     "scheduled_jobs", "job_runs", "load_runs"),
    "SELECT",
)  # fmt: skip
# Exporters and checks: what counts and ages; nothing of what a trace says or who did what.
MONITOR = dict.fromkeys(
    ("decision_insights.created_at", "decision_insights.stored_at", "decision_insights.run_id",
     "decision_keys.created_at", "decision_dead_letters.letter_id", "decision_dead_letters.sqlstate",
     "decision_dead_letters.buried_at", "retention_runs", "metric_snapshots",
     "alert_book.revision", "alert_book.written_at", "alert_history.status",
     "alert_history.at", "alert_history.rule_id", "alert_history.metric", "alert_history.severity",
     "admin_audit.at", "scheduled_jobs", "job_runs.job", "job_runs.started_at", "job_runs.finished_at",
     "job_runs.outcome", "job_runs.exit_code", "load_runs"),
    "SELECT",
)  # fmt: skip
# What the schedule runs: its records, and the retention. It reads as a member of amas_reader.
JOBS = {
    "job_runs": "INSERT, SELECT",
    "load_runs": "INSERT, SELECT",
    "scheduled_jobs": "DELETE, INSERT, SELECT, UPDATE",
    "prune_job_runs(integer)": "EXECUTE",
    "retention_runs": "INSERT",
    "drop_old_chunks(timestamp with time zone)": "EXECUTE",
    "prune_keys(timestamp with time zone,integer)": "EXECUTE",
    "prune_letters(timestamp with time zone,integer)": "EXECUTE",
}
CONNECT = {"database": "CONNECT"}

EXPECTED = {
    "amas_app": APP | CONNECT,
    "amas_reader": READER | CONNECT,
    "amas_monitor": MONITOR | CONNECT,
    "amas_jobs": JOBS,
    "amas_health": CONNECT,
    "amas_backup": CONNECT,
    "public": {"schema public": "USAGE"},
}


def granted(database: Database) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for what, holder, privileges in database.rows(GRANTED):
        found.setdefault(str(holder), {})[str(what)] = str(privileges)
    return found


def test_every_right_on_every_object_is_one_that_was_decided(database: Database) -> None:
    """A new table, column, view, sequence or function has to be added above, with a thought."""
    assert granted(database) == EXPECTED


def test_a_chunk_grants_no_more_than_its_table(database: Database) -> None:
    wider = """
        SELECT c.relname, x.privilege_type FROM pg_inherits AS i
        JOIN pg_class AS c ON i.inhrelid = c.oid
        JOIN pg_class AS p ON i.inhparent = p.oid
        CROSS JOIN LATERAL aclexplode(c.relacl) AS x
        WHERE x.grantee <> c.relowner AND NOT EXISTS (
            SELECT FROM aclexplode(p.relacl) AS y
            WHERE y.grantee = x.grantee AND y.privilege_type = x.privilege_type
        )
    """
    assert database.rows(wider) == []


def test_logins_are_members_of_their_group_alone_and_no_role_is_above_them(database: Database) -> None:
    members = """
        SELECT r.rolname, string_agg(g.rolname, ',' ORDER BY g.rolname)
        FROM pg_auth_members AS m
        JOIN pg_roles AS r ON m.member = r.oid
        JOIN pg_roles AS g ON m.roleid = g.oid
        WHERE r.rolname LIKE 'amas%' GROUP BY r.rolname
    """
    assert dict(database.rows(members)) == {  # type: ignore[arg-type]  # pairs
        APP_ROLE: "amas_app",
        "amas_owner": "pg_monitor,pg_signal_backend,pg_use_reserved_connections",
        "amas_monitor": "pg_monitor,pg_use_reserved_connections",
        "amas_jobs": "amas_reader,pg_monitor",
        "amas_health": "pg_use_reserved_connections",
        "amas_backup": "pg_checkpoint,pg_maintain,pg_monitor,pg_read_all_data",
    }
    above = "rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls"
    found = database.rows(f"SELECT rolname FROM pg_roles WHERE rolname LIKE 'amas%' AND ({above})")  # noqa: S608
    assert found == [("amas_backup",)], "it copies the whole server"


REFUSED = {
    "app": [
        "UPDATE decision_insights SET user_id = 'x'",
        "DELETE FROM decision_insights",
        "TRUNCATE decision_insights",
        "DELETE FROM decision_keys",
        "DELETE FROM decision_dead_letters",
        "UPDATE admin_audit SET actor = 'x'",
        "DELETE FROM admin_audit",
        "SELECT * FROM schema_migrations",
        "CREATE TABLE mine ()",
        "CREATE TEMPORARY TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER TABLE decision_insights ADD COLUMN more text",
        "DROP TABLE admin_audit",
        "SELECT drop_chunks('decision_insights', older_than => now())",
        "SELECT drop_old_chunks(now())",
        "GRANT amas_owner TO CURRENT_USER",
        "SET ROLE amas_owner",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY decision_insights TO '/tmp/x'",
    ],
    "reader": [
        "INSERT INTO decision_keys VALUES ('x', now(), '')",
        "DELETE FROM admin_audit",
        "SELECT purge_run('x', 1)",
        "SELECT * FROM schema_migrations",
        "CREATE TABLE mine ()",
    ],
    "jobs": [
        "INSERT INTO decision_keys VALUES ('x', now(), '')",
        "DELETE FROM decision_insights",
        "DELETE FROM job_runs",
        "UPDATE job_runs SET outcome = 'ok'",
        "SELECT drop_old_chunks(now())",
        "SELECT purge_run('x', 1)",
        "CREATE TABLE mine ()",
    ],
    "monitor": [
        "SELECT detail FROM job_runs",
        "SELECT user_id FROM decision_insights",
        "SELECT state_snapshot FROM decision_insights",
        "SELECT * FROM insights",
        "SELECT raw FROM decision_dead_letters",
        "SELECT actor FROM admin_audit",
        "INSERT INTO metric_snapshots (at) VALUES (now())",
        "CREATE TABLE mine ()",
    ],
}


@pytest.mark.parametrize(
    ("role", "statement"), [(role, one) for role, statements in REFUSED.items() for one in statements]
)
def test_what_a_role_is_not_for_is_refused(database: Database, role: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.rows(statement, role)


def test_what_the_monitor_is_for_works(database: Database) -> None:
    for table, column in (
        ("decision_insights", "created_at"),
        ("admin_audit", "at"),
        ("retention_runs", "*"),
    ):
        ((count,),) = database.rows(f"SELECT count({column}) FROM {table}", "monitor")  # noqa: S608
        assert isinstance(count, int)
