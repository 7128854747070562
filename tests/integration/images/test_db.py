"""The database image: what it makes at first start, who may do what, and what it survives."""

import json
import time

import pytest
from docker.models.containers import Container

from tests.integration.images.conftest import Lab, ask, ended, eventually, log

UID = 10001
ROLES = ("owner", "app", "reader", "monitor")
PASSWORDS = {role: f"pass'word \\{role}" for role in ROLES}


def secret_files(passwords: dict[str, str]) -> dict[str, bytes]:
    return {f"{role}_password": password.encode() for role, password in passwords.items()}


def start(lab: Lab, volume: str, secret: str) -> Container:
    return lab.run(
        "db",
        volumes={volume: "/var/lib/amas/db", secret: "/secrets"},
        environment={"AMAS_SHARED_BUFFERS_MB": "32", "AMAS_MAX_CONNECTIONS": "30"},
        shm_size="64m",
    )


def healthy(db: Container) -> bool:
    return ask(db, "amas-db-health").exit_code == 0


def ready(lab: Lab, volume: str, secret: str) -> Container:
    db = start(lab, volume, secret)
    eventually(lambda: healthy(db), db)
    return db


def sql(db: Container, statement: str, *, role: str = "postgres", database: str = "danci") -> str:
    return ask(db, "psql", "-XAtq", "-U", role, "-d", database, "-c", statement).text.strip()


def login(db: Container, role: str, password: str) -> str:
    """Over TCP with a password, as other containers do it; the role's name, or the refusal."""
    command = f"psql -XAtqw -h 127.0.0.1 -U amas_{role} -d danci -c".split()
    return ask(db, *command, "SELECT current_user", environment={"PGPASSWORD": password}).text.strip()


@pytest.fixture
def secret(lab: Lab) -> str:
    return lab.volume(secret_files(PASSWORDS), uid=UID)


@pytest.fixture
def volume(lab: Lab) -> str:
    return lab.volume()


@pytest.fixture
def db(lab: Lab, volume: str, secret: str) -> Container:
    return ready(lab, volume, secret)


def test_first_start_makes_a_generation_a_link_and_a_marker(db: Container) -> None:
    assert ask(db, "readlink", "/var/lib/amas/db/current").text.strip() == "gen-1"
    marker = json.loads(ask(db, "cat", "/var/lib/amas/db/marker.json").text)
    assert marker["postgres_major"] == "17"
    assert set(marker) == {"postgres_major", "timescaledb", "libc"}


def test_the_cluster_has_checksums_and_a_collation_no_library_can_change(db: Container) -> None:
    assert sql(db, "SHOW data_checksums") == "on"
    assert sql(db, "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding) FROM pg_database") == (
        "\n".join(["b|C.UTF-8|UTF8"] * 4)
    )


def test_baked_settings_and_those_of_the_environment_are_in_force(db: Container) -> None:
    assert sql(db, "SHOW shared_preload_libraries") == "timescaledb,pg_stat_statements"
    assert sql(db, "SHOW shared_buffers") == "32MB"
    assert sql(db, "SHOW max_connections") == "30"
    assert sql(db, "SHOW timezone") == "UTC"
    assert sql(db, "SHOW timescaledb.telemetry_level") == "off"
    assert sql(db, "SELECT string_agg(extname, ',' ORDER BY extname) FROM pg_extension") == (
        "pg_stat_statements,plpgsql,timescaledb"
    )
    assert sql(db, "SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == "0"


def test_no_job_of_the_extension_fails_in_the_background(db: Container) -> None:
    time.sleep(1)
    assert sql(db, "SELECT count(*) FROM timescaledb_information.jobs WHERE scheduled") == "0"
    assert "threw an error" not in log(db)


def test_owner_makes_hypertables_and_drops_their_chunks(db: Container) -> None:
    create = "CREATE TABLE t (at timestamptz NOT NULL); SELECT create_hypertable('t', 'at')"
    assert "(1,public,t,t)" in sql(db, create, role="amas_owner")
    sql(db, "INSERT INTO t SELECT now() - interval '100 days'", role="amas_owner")
    assert "_hyper_1_1_chunk" in sql(db, "SELECT drop_chunks('t', interval '90 days')", role="amas_owner")


def test_no_role_can_do_more_than_its_part(db: Container) -> None:
    for role in ("amas_app", "amas_reader", "amas_monitor", "amas_health"):
        assert "permission denied for schema public" in sql(db, "CREATE TABLE x (a int)", role=role)
    sql(db, "CREATE TABLE owned (a int)", role="amas_owner")
    for role in ("amas_app", "amas_reader", "amas_health"):
        assert "permission denied" in sql(db, "SELECT * FROM owned", role=role)
        assert "permission denied for database" in sql(db, "SELECT 1", role=role, database="postgres")
    assert sql(db, "SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolsuper") == "postgres"
    monitored = "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    assert sql(db, monitored, role="amas_monitor") == "t"


def test_every_role_logs_in_with_its_password_only(db: Container) -> None:
    for role in ROLES:
        assert login(db, role, PASSWORDS[role]) == f"amas_{role}"
        assert "password authentication failed" in login(db, role, "guess")


def test_superuser_and_health_role_are_refused_from_the_network(lab: Lab, db: Container) -> None:
    network = lab.network()
    lab.engine.networks.get(network).connect(db, aliases=["db"])
    other = lab.run("db", ["sleep", "60"], network=network)
    for role in ("postgres", "amas_health"):
        answer = ask(other, "psql", "-w", "-h", "db", "-U", role, "-d", "danci", "-c", "SELECT 1")
        assert "rejects connection" in answer.text


def test_restart_keeps_rows_and_applies_a_changed_password(
    lab: Lab, db: Container, volume: str, secret: str
) -> None:
    sql(db, "CREATE TABLE kept AS SELECT 42 AS answer", role="amas_owner")
    db.stop()
    assert ended(db) == 0
    lab.put(secret, secret_files({**PASSWORDS, "app": "changed"}), uid=UID)
    db.start()
    eventually(lambda: healthy(db), db)
    assert sql(db, "SELECT answer FROM kept", role="amas_owner") == "42"
    assert login(db, "app", "changed") == "amas_app"
    assert "password authentication failed" in login(db, "app", PASSWORDS["app"])


def test_no_password_is_in_the_log_the_environment_or_the_statistics(db: Container) -> None:
    db.reload()
    statements = sql(db, "SELECT string_agg(query, '\n') FROM pg_stat_statements")
    processes = db.top(ps_args="axo pid,args")
    for seen in (log(db), json.dumps(db.attrs), statements, json.dumps(processes)):
        assert not [password for password in PASSWORDS.values() if password in seen]


def test_stop_is_a_fast_shutdown_although_a_client_stays(db: Container) -> None:
    db.exec_run(["psql", "-U", "amas_owner", "-d", "danci", "-c", "SELECT pg_sleep(60)"], detach=True)
    eventually(
        lambda: sql(db, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sleep(60)'") == "1", db
    )
    started = time.monotonic()
    db.stop(timeout=30)
    assert ended(db) == 0
    assert time.monotonic() - started < 10
    assert "received fast shutdown request" in log(db)
    assert "database system is shut down" in log(db)


def test_kill_at_any_moment_of_the_first_start_is_recovered_from(lab: Lab, volume: str, secret: str) -> None:
    for after_s in (0.3, 0.8, 1.2, 1.6, 2.0, 2.5):
        db = start(lab, volume, secret)
        time.sleep(after_s)
        db.kill("KILL")
        ended(db)
    db = ready(lab, volume, secret)
    assert sql(db, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'amas_%'") == "5"
    assert ".gen-1.unfinished" not in ask(db, "ls", "-A", "/var/lib/amas/db").text


def test_kill_before_the_last_step_of_the_first_start_is_recovered_from(
    lab: Lab, db: Container, volume: str, secret: str
) -> None:
    ask(db, "rm", "/var/lib/amas/db/current", "/var/lib/amas/db/marker.json")
    db.kill("KILL")
    ended(db)
    assert sql(ready(lab, volume, secret), "SELECT 1", role="amas_owner") == "1"


def test_kill_of_a_serving_database_loses_no_committed_row(
    lab: Lab, db: Container, volume: str, secret: str
) -> None:
    sql(db, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n", role="amas_owner")
    db.kill("KILL")
    ended(db)
    assert sql(ready(lab, volume, secret), "SELECT count(*) FROM kept") == "1000"


def test_second_container_on_the_same_volume_waits_for_the_first(
    lab: Lab, db: Container, volume: str, secret: str
) -> None:
    """Process ids mean nothing across containers: without the lock both would write the same files."""
    second = start(lab, volume, secret)
    time.sleep(2)
    assert not healthy(second)
    assert healthy(db)
    db.kill("KILL")
    eventually(lambda: healthy(second), second)


def test_volume_of_other_versions_is_refused_with_both_named(
    lab: Lab, db: Container, volume: str, secret: str
) -> None:
    db.stop()
    marker = b'{"postgres_major": "16", "timescaledb": "2.19.3", "libc": "2.36"}'
    lab.put(volume, {"marker.json": marker}, uid=UID)
    refused = start(lab, volume, secret)
    assert ended(refused) == 1
    (line,) = [line for line in log(refused).splitlines() if line.startswith("amas-db:")]
    assert '"postgres_major": "16"' in line
    assert '"postgres_major": "17"' in line
    assert "next:" in line


def test_volume_without_a_marker_is_refused(lab: Lab, db: Container, volume: str, secret: str) -> None:
    ask(db, "rm", "/var/lib/amas/db/marker.json")
    db.stop()
    refused = start(lab, volume, secret)
    assert ended(refused) == 1
    assert "exists without marker.json" in log(refused)


def test_missing_password_file_is_named(lab: Lab, volume: str) -> None:
    partial = {role: password for role, password in PASSWORDS.items() if role != "reader"}
    refused = start(lab, volume, lab.volume(secret_files(partial), uid=UID))
    assert ended(refused) == 1
    assert "/secrets/reader_password is missing, empty or unreadable" in log(refused)


@pytest.mark.parametrize(
    ("name", "value"),
    [("AMAS_DATABASE", "Danci; DROP"), ("AMAS_SHARED_BUFFERS_MB", "64MB"), ("AMAS_MAX_CONNECTIONS", "-1")],
)
def test_bad_setting_is_refused_by_name(lab: Lab, volume: str, secret: str, name: str, value: str) -> None:
    volumes = {volume: "/var/lib/amas/db", secret: "/secrets"}
    refused = lab.run("db", volumes=volumes, environment={name: value})
    assert ended(refused) == 1
    assert f"{name} is '{value}'; allowed:" in log(refused)


def test_health_check_fails_while_the_database_is_not_there(lab: Lab, db: Container) -> None:
    assert ask(db, "amas-db-health", environment={"AMAS_DATABASE": "other"}).exit_code != 0
