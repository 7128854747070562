"""The database image: what it makes at first start, who may do what, and what it survives."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from docker.models.containers import Container

from tests.integration.images.conftest import Answer, Lab, ask, ended, eventually, log

UID = 10001
ROLES = ("owner", "app", "reader", "monitor", "backup", "jobs")
PASSWORDS = {role: f"pass'word \\{role}" for role in ROLES}


def app_role(password: str) -> str:
    """The service's login is named by its password, so that two can be valid while replicas are replaced."""
    return f"amas_app_{hashlib.sha256(password.encode()).hexdigest()[:8]}"


def secret_files(passwords: Mapping[str, str]) -> dict[str, bytes]:
    files = {f"{role}_password": password.encode() for role, password in passwords.items()}
    return files | {"app_role": app_role(passwords["app"]).encode()}


@dataclass(frozen=True)
class Cluster:
    """A data volume, the socket folder a server shares with the jobs beside it, and the secrets of those."""

    lab: Lab
    volume: str
    sockets: str
    secret: str

    def start(self, **environment: str) -> Container:
        return self.lab.run(
            "db",
            volumes={self.volume: "/var/lib/amas/db", self.sockets: "/run/postgresql"},
            environment={"AMAS_SHARED_BUFFERS_MB": "32", "AMAS_MAX_CONNECTIONS": "30"} | environment,
            shm_size="64m",
        )

    def ready(self) -> Container:
        db = self.start()
        eventually(lambda: healthy(db), db)
        return db

    def job(self, *arguments: str) -> Answer:
        """`amas-db-roles` beside the running server, without a network, as the stack runs it."""
        volumes = {self.sockets: "/run/postgresql:ro", self.secret: "/secrets"}
        job = self.lab.run("db", ["amas-db-roles", *arguments], volumes=volumes, network_mode="none")
        return Answer(ended(job, timeout_s=90), log(job))

    def with_passwords(self, **changed: str) -> Answer:
        self.lab.put(self.secret, secret_files(PASSWORDS | changed), uid=UID)
        return self.job()


def healthy(db: Container) -> bool:
    return ask(db, "amas-db-health").exit_code == 0


def sql(db: Container, statement: str, *, role: str = "postgres", database: str = "danci") -> str:
    return ask(db, "psql", "-XAtq", "-U", role, "-d", database, "-c", statement).text.strip()


def login(db: Container, name: str, password: str) -> str:
    """Over TCP with a password, as other containers do it; the login's name, or the refusal."""
    command = f"psql -XAtqw -h 127.0.0.1 -U {name} -d danci -c".split()
    return ask(db, *command, "SELECT current_user", environment={"PGPASSWORD": password}).text.strip()


def login_of(role: str) -> str:
    return app_role(PASSWORDS["app"]) if role == "app" else f"amas_{role}"


def cluster_in(lab: Lab) -> Cluster:
    return Cluster(lab, lab.volume(), lab.volume(), lab.volume(secret_files(PASSWORDS), uid=UID))


@pytest.fixture
def cluster(lab: Lab) -> Cluster:
    return cluster_in(lab)


@pytest.fixture
def bare(cluster: Cluster) -> Container:
    """A server nobody has given passwords yet."""
    return cluster.ready()


@pytest.fixture
def db(cluster: Cluster, bare: Container) -> Container:
    assert cluster.job() == Answer(0, "amas-db-roles: roles and passwords are in force\n")
    return bare


@pytest.fixture(scope="module")
def standing(shared_lab: Lab) -> Container:
    """One database for all tests that stop nothing and change no role."""
    cluster = cluster_in(shared_lab)
    db = cluster.ready()
    assert cluster.job().exit_code == 0
    return db


def test_first_start_makes_a_generation_a_link_and_a_marker(standing: Container) -> None:
    assert ask(standing, "readlink", "/var/lib/amas/db/current").text.strip() == "gen-1"
    marker = json.loads(ask(standing, "cat", "/var/lib/amas/db/marker.json").text)
    assert marker["postgres_major"] == "17"
    assert set(marker) == {"postgres_major", "timescaledb", "libc"}


def test_the_cluster_has_checksums_and_a_collation_no_library_can_change(standing: Container) -> None:
    assert sql(standing, "SHOW data_checksums") == "on"
    assert sql(
        standing, "SELECT datlocprovider, datlocale, pg_encoding_to_char(encoding) FROM pg_database"
    ) == ("\n".join(["b|C.UTF-8|UTF8"] * 4))


def test_baked_settings_and_those_of_the_environment_are_in_force(standing: Container) -> None:
    assert sql(standing, "SHOW shared_preload_libraries") == "timescaledb,pg_stat_statements"
    assert sql(standing, "SHOW shared_buffers") == "32MB"
    assert sql(standing, "SHOW max_connections") == "30"
    assert sql(standing, "SHOW timezone") == "UTC"
    assert sql(standing, "SHOW timescaledb.telemetry_level") == "off"
    assert sql(standing, "SELECT string_agg(extname, ',' ORDER BY extname) FROM pg_extension") == (
        "pg_stat_statements,plpgsql,timescaledb"
    )
    assert sql(standing, "SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == "0"


def test_no_job_of_the_extension_fails_in_the_background(standing: Container) -> None:
    time.sleep(1)
    assert sql(standing, "SELECT count(*) FROM timescaledb_information.jobs WHERE scheduled") == "0"
    assert "threw an error" not in log(standing)


def test_owner_makes_hypertables_and_drops_their_chunks(standing: Container) -> None:
    create = "CREATE TABLE t (at timestamptz NOT NULL); SELECT create_hypertable('t', 'at')"
    assert "(1,public,t,t)" in sql(standing, create, role="amas_owner")
    sql(standing, "INSERT INTO t SELECT now() - interval '100 days'", role="amas_owner")
    assert "_hyper_1_1_chunk" in sql(
        standing, "SELECT drop_chunks('t', interval '90 days')", role="amas_owner"
    )


def test_no_role_can_do_more_than_its_part(standing: Container) -> None:
    sql(standing, "CREATE TABLE owned (a int)", role="amas_owner")
    for role in (login_of("app"), "amas_reader", "amas_monitor", "amas_backup", "amas_jobs", "amas_health"):
        assert "permission denied for schema public" in sql(standing, "CREATE TABLE x (a int)", role=role)
        assert "permission denied for database" in sql(standing, "SELECT 1", role=role, database="postgres")
    for role in (login_of("app"), "amas_reader", "amas_jobs", "amas_health"):
        assert "permission denied for table" in sql(standing, "SELECT * FROM owned", role=role)
    assert sql(standing, "SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolsuper") == "postgres"
    monitored = "SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    assert sql(standing, monitored, role="amas_monitor") == "t"


def test_what_the_service_may_do_hangs_on_its_group_not_on_its_login(standing: Container) -> None:
    sql(
        standing,
        "CREATE TABLE granted AS SELECT 7 AS a; GRANT SELECT ON granted TO amas_app",
        role="amas_owner",
    )
    assert sql(standing, "SELECT a FROM granted", role=login_of("app")) == "7"
    assert "not permitted to log in" in sql(standing, "SELECT 1", role="amas_app")


def test_nobody_logs_in_over_the_network_before_there_are_passwords(bare: Container) -> None:
    for role in ("owner", "reader", "monitor", "backup", "jobs"):
        assert "no password supplied" in login(bare, f"amas_{role}", "")
        assert "password authentication failed" in login(bare, f"amas_{role}", PASSWORDS[role])


def test_every_role_logs_in_with_its_password_only(standing: Container) -> None:
    for role in ROLES:
        assert login(standing, login_of(role), PASSWORDS[role]) == login_of(role)
        assert "password authentication failed" in login(standing, login_of(role), "guess")


def test_changed_password_is_in_force_without_a_restart(cluster: Cluster, db: Container) -> None:
    assert cluster.with_passwords(reader="changed").exit_code == 0
    assert login(db, "amas_reader", "changed") == "amas_reader"
    assert "password authentication failed" in login(db, "amas_reader", PASSWORDS["reader"])


def test_former_login_of_the_service_lives_until_it_is_ended(cluster: Cluster, db: Container) -> None:
    """Replicas are replaced one by one: until the last is new, both passwords must work."""
    former, latest = login_of("app"), app_role("changed")
    assert cluster.with_passwords(app="changed").exit_code == 0
    assert login(db, latest, "changed") == latest
    assert login(db, former, PASSWORDS["app"]) == former
    assert cluster.job("former").exit_code == 0
    left_s = (
        "SELECT max(extract(epoch FROM rolvaliduntil - now())) FROM pg_roles WHERE isfinite(rolvaliduntil)"
    )
    assert 800 < float(sql(db, left_s)) <= 900
    assert login(db, former, PASSWORDS["app"]) == former
    sql(db, f"ALTER ROLE {former} VALID UNTIL '2000-01-01'")
    assert "password authentication failed" in login(db, former, PASSWORDS["app"])
    assert cluster.job("former").exit_code == 0
    assert sql(db, "SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolname LIKE 'amas_app_%'") == latest
    assert login(db, latest, "changed") == latest


def test_superuser_and_health_role_are_refused_from_the_network(lab: Lab, bare: Container) -> None:
    network = lab.network()
    lab.engine.networks.get(network).connect(bare, aliases=["db"])
    other = lab.run("db", ["sleep", "60"], network=network)
    for role in ("postgres", "amas_health"):
        answer = ask(other, "psql", "-w", "-h", "db", "-U", role, "-d", "danci", "-c", "SELECT 1")
        assert "rejects connection" in answer.text


def test_restart_keeps_rows_roles_and_passwords(db: Container) -> None:
    sql(db, "CREATE TABLE kept AS SELECT 42 AS answer", role="amas_owner")
    db.stop()
    assert ended(db) == 0
    db.start()
    eventually(lambda: healthy(db), db)
    assert sql(db, "SELECT answer FROM kept", role="amas_owner") == "42"
    assert login(db, login_of("app"), PASSWORDS["app"]) == login_of("app")


def test_no_password_is_in_a_log_the_environment_or_the_statistics(cluster: Cluster, db: Container) -> None:
    for container in cluster.lab.containers:
        container.reload()
        for seen in (log(container), json.dumps(container.attrs)):
            assert not [password for password in PASSWORDS.values() if password in seen]
    statements = sql(db, "SELECT string_agg(query, '\n') FROM pg_stat_statements")
    stored = sql(db, "SELECT string_agg(rolpassword, ',') FROM pg_authid")
    assert not [password for password in PASSWORDS.values() if password in statements + stored]
    assert stored.count("SCRAM-SHA-256$") == len(ROLES)


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


def test_kill_at_any_moment_of_the_first_start_is_recovered_from(cluster: Cluster) -> None:
    for after_s in (0.3, 0.8, 1.2, 1.6, 2.0, 2.5):
        db = cluster.start()
        time.sleep(after_s)
        db.kill("KILL")
        ended(db)
    db = cluster.ready()
    assert sql(db, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'amas_%'") == "7"
    assert ".gen-1.unfinished" not in ask(db, "ls", "-A", "/var/lib/amas/db").text


def test_kill_before_the_last_step_of_the_first_start_is_recovered_from(
    cluster: Cluster, db: Container
) -> None:
    ask(db, "rm", "/var/lib/amas/db/current", "/var/lib/amas/db/marker.json")
    db.kill("KILL")
    ended(db)
    assert sql(cluster.ready(), "SELECT 1", role="amas_owner") == "1"


def test_kill_of_a_serving_database_loses_no_committed_row(cluster: Cluster, bare: Container) -> None:
    sql(bare, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n", role="amas_owner")
    bare.kill("KILL")
    ended(bare)
    assert sql(cluster.ready(), "SELECT count(*) FROM kept") == "1000"


def test_second_container_on_the_same_volume_waits_for_the_first(cluster: Cluster, bare: Container) -> None:
    """Process ids mean nothing across containers: without the lock both would write the same files."""
    second = cluster.start()
    time.sleep(2)
    assert not healthy(second)
    assert healthy(bare)
    bare.kill("KILL")
    eventually(lambda: healthy(second), second)


def test_volume_of_other_versions_is_refused_with_both_named(cluster: Cluster, bare: Container) -> None:
    bare.stop()
    marker = b'{"postgres_major": "16", "timescaledb": "2.19.3", "libc": "2.36"}'
    cluster.lab.put(cluster.volume, {"marker.json": marker}, uid=UID)
    refused = cluster.start()
    assert ended(refused) == 1
    (line,) = [line for line in log(refused).splitlines() if line.startswith("amas-db:")]
    assert '"postgres_major": "16"' in line
    assert '"postgres_major": "17"' in line
    assert "next:" in line


def test_volume_without_a_marker_is_refused(cluster: Cluster, bare: Container) -> None:
    ask(bare, "rm", "/var/lib/amas/db/marker.json")
    bare.stop()
    refused = cluster.start()
    assert ended(refused) == 1
    assert "exists without marker.json" in log(refused)


@pytest.mark.parametrize("name", ["reader_password", "app_role"])
def test_missing_secret_is_named_before_anything_is_done(cluster: Cluster, name: str) -> None:
    cluster.lab.put(cluster.secret, {name: b""}, uid=UID)
    assert cluster.job() == Answer(
        1, f"amas-db-roles: /secrets/{name} is missing, empty or unreadable for UID {UID}\n"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AMAS_DATABASE", "Danci; DROP"),
        ("AMAS_SHARED_BUFFERS_MB", "64MB"),
        ("AMAS_MAX_CONNECTIONS", "-1"),
        ("AMAS_WAL_DURABILITY", "maybe"),
        ("AMAS_WAL_DEGRADE_AFTER_S", "0"),
    ],
)
def test_bad_setting_is_refused_by_name(cluster: Cluster, name: str, value: str) -> None:
    refused = cluster.start(**{name: value})
    assert ended(refused) == 1
    assert f"{name} is '{value}'; allowed:" in log(refused)


def test_health_check_fails_while_the_database_is_not_there(standing: Container) -> None:
    assert ask(standing, "amas-db-health", environment={"AMAS_DATABASE": "other"}).exit_code != 0
