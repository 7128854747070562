"""The jobs beside the database: volumes of before, sessions that stay, servers that were killed."""

from datetime import UTC, datetime, timedelta

import pytest
from docker.models.containers import Container

from tests.integration.images.conftest import Lab, ask, ended, eventually
from tests.integration.images.test_db import (
    PASSWORDS,
    UID,
    Cluster,
    app_role,
    cluster_in,
    healthy,
    login,
    login_of,
    sql,
)

APP = login_of("app")


@pytest.fixture
def cluster(lab: Lab) -> Cluster:
    return cluster_in(lab)


@pytest.fixture
def server(cluster: Cluster) -> Container:
    """Nobody has given it passwords yet."""
    return cluster.ready()


def done(cluster: Cluster, *arguments: str) -> None:
    answer = cluster.job(*arguments)
    assert answer.exit_code == 0, answer.text


def limit(server: Container, role: str) -> str:
    """Minutes a login lasts, or infinity; empty when there is none of that name."""
    minutes = "round(extract(epoch FROM rolvaliduntil - now()) / 60)::text"
    found = f"CASE WHEN isfinite(rolvaliduntil) THEN {minutes} ELSE rolvaliduntil::text END"
    return sql(server, f"SELECT {found} FROM pg_roles WHERE rolname = '{role}'")  # noqa: S608 - our own words


def test_a_former_login_is_limited_once_and_may_come_back(cluster: Cluster, server: Container) -> None:
    """Back to the earlier password is as good a rotation as any."""
    done(cluster)
    cluster.with_passwords(app="after")
    done(cluster, "former")
    assert (limit(server, APP), limit(server, app_role("after"))) == ("15", "infinity")

    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    sql(server, f"ALTER ROLE {APP} VALID UNTIL '{soon}'")
    done(cluster, "former")
    assert limit(server, APP) == "5", "a second run does not prolong it"

    cluster.with_passwords()
    done(cluster, "former")
    assert (limit(server, APP), limit(server, app_role("after"))) == ("infinity", "15")
    assert login(server, APP, PASSWORDS["app"]) == APP


def test_a_former_login_with_a_session_is_not_dropped(cluster: Cluster, server: Container) -> None:
    done(cluster)
    cluster.with_passwords(app="after")
    server.exec_run(["psql", "-U", APP, "-d", "danci", "-c", "SELECT pg_sleep(600)"], detach=True)
    in_use = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{APP}'"  # noqa: S608 - our own name
    eventually(lambda: sql(server, in_use) == "1", server)
    sql(server, f"ALTER ROLE {APP} VALID UNTIL '2000-01-01'")
    done(cluster, "former")
    assert sql(server, in_use) == "1"
    assert limit(server, APP) != ""


def test_a_volume_whose_service_logged_in_as_amas_app_moves_on(cluster: Cluster, server: Container) -> None:
    """Its replicas go on until new ones serve; in the end amas_app is the group alone, with its grants."""
    sql(server, "ALTER ROLE amas_app LOGIN PASSWORD 'early'")
    sql(server, "CREATE TABLE granted (); GRANT SELECT ON granted TO amas_app", role="amas_owner")
    done(cluster)
    assert login(server, "amas_app", "early") == "amas_app"
    done(cluster, "former")
    assert limit(server, "amas_app") == "15"
    sql(server, "ALTER ROLE amas_app VALID UNTIL '2000-01-01'")
    done(cluster, "former")
    group = "SELECT rolcanlogin, rolpassword IS NULL FROM pg_authid WHERE rolname = 'amas_app'"
    assert sql(server, group) == "f|t"
    assert sql(server, "SELECT * FROM granted", role=APP) == ""


def test_a_killed_server_leaves_no_socket_that_stops_the_next(cluster: Cluster, server: Container) -> None:
    """The folder outlives the container, and the number in the lock file may be a living process's there."""
    server.kill("KILL")
    ended(server)
    left = b"1\n/var/lib/amas/db/current\n0\n5432\n/run/postgresql\n"
    cluster.lab.put(cluster.sockets, {".s.PGSQL.5432.lock": left}, uid=UID)
    assert sql(cluster.ready(), "SELECT 1") == "1"


def test_only_the_servers_user_may_open_the_socket_folder(server: Container) -> None:
    seen = ask(server, "stat", "-c", "%u:%g %A", "/run/postgresql").text.split()
    assert seen == [f"{UID}:{UID}", "drwx--S---"]


def test_the_job_waits_for_a_server_that_is_being_replaced(cluster: Cluster, server: Container) -> None:
    server.stop()
    volumes = {cluster.sockets: "/run/postgresql:ro", cluster.secret: "/secrets"}
    job = cluster.lab.run("db", ["amas-db-roles"], volumes=volumes, network_mode="none")
    server.start()
    assert ended(job) == 0
    assert healthy(server)
