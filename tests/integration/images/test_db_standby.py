"""Commits wait for the WAL receiver of the backup while it keeps up, and never for one that does not."""

import time
from dataclasses import dataclass

import pytest
from docker.models.containers import Container

from tests.integration.images.conftest import Lab, ask, ended, eventually, log
from tests.integration.images.test_db import PASSWORDS, Cluster, cluster_in, healthy, sql

DEGRADE_AFTER_S = 4
AT_ONCE_S = 1.5
SYNC, ASYNC = "barman_receive_wal", ""
RECEIVE = """
export PGHOST=db PGUSER=amas_backup PGAPPNAME=barman_receive_wal
pg_receivewal --slot amas_barman --create-slot --if-not-exists
exec pg_receivewal --slot amas_barman --directory /tmp --no-loop "$@"
"""


@dataclass(frozen=True)
class Site:
    """A database on a network where receivers of its WAL can be."""

    lab: Lab
    cluster: Cluster
    db: Container
    network: str

    def receiver(self, *options: str) -> Container:
        """Stands in for Barman: the same program under the same name."""
        command = ["sh", "-euc", RECEIVE, "receive", *options]
        password = {"PGPASSWORD": PASSWORDS["backup"]}
        return self.lab.run("db", command, network=self.network, environment=password)

    def mode(self) -> str:
        return sql(self.db, "SHOW synchronous_standby_names")

    def becomes(self, mode: str) -> None:
        eventually(lambda: self.mode() == mode, self.db, timeout_s=30)

    def write(self) -> tuple[float, str]:
        """Seconds a commit took, and what was said to it."""
        psql = ["psql", "-XAtq", "-U", "amas_owner", "-d", "danci", "-c", r"\timing on"]
        told = ask(self.db, *psql, "-c", "INSERT INTO written DEFAULT VALUES").text
        said, _, took_ms = told.partition("Time: ")
        return float(took_ms.split()[0]) / 1000, said


def site_in(lab: Lab, **environment: str) -> Site:
    cluster = cluster_in(lab)
    db = cluster.start(**{"AMAS_WAL_DEGRADE_AFTER_S": str(DEGRADE_AFTER_S)} | environment)
    eventually(lambda: healthy(db), db)
    network = lab.network()
    lab.engine.networks.get(network).connect(db, aliases=["db"])
    assert cluster.job().exit_code == 0
    sql(db, "CREATE TABLE written (at timestamptz NOT NULL DEFAULT now())", role="amas_owner")
    return Site(lab, cluster, db, network)


@pytest.fixture(scope="module")
def standing(shared_lab: Lab) -> Site:
    return site_in(shared_lab)


@pytest.fixture
def site(standing: Site) -> Site:
    """Without a receiver, and waiting for none."""
    for container in standing.lab.containers:
        container.reload()
        if container.status in {"running", "paused"} and container != standing.db:
            container.kill()
    standing.becomes(ASYNC)
    return standing


def test_commits_wait_for_a_receiver_that_streams_and_go_on_without_it(site: Site) -> None:
    receiver = site.receiver("--synchronous")
    site.becomes(SYNC)
    assert sql(site.db, "SELECT sync_state FROM pg_stat_replication") == "sync"
    assert site.write()[1] == ""

    receiver.kill("KILL")
    took_s, said = site.write()
    assert said == "", "no warning: it was not cancelled, it was let go"
    assert AT_ONCE_S < took_s < DEGRADE_AFTER_S + 5
    assert site.mode() == ASYNC
    assert site.write()[0] < AT_ONCE_S

    site.receiver("--synchronous")
    site.becomes(SYNC)
    assert site.write()[1] == ""
    told = [line for line in log(site.db).splitlines() if line.startswith("amas-db-standby:")]
    assert [line.split()[1] for line in told[-3:]] == ["sync:", "async:", "sync:"]


def test_a_receiver_that_hangs_is_as_good_as_away(site: Site) -> None:
    """Its connection stands; only what it confirms tells."""
    receiver = site.receiver("--synchronous")
    site.becomes(SYNC)
    receiver.pause()
    took_s, said = site.write()
    assert (said, site.mode()) == ("", ASYNC)
    assert took_s < DEGRADE_AFTER_S + 5
    receiver.unpause()
    site.becomes(SYNC)


def test_a_receiver_that_does_not_sync_is_never_waited_for(site: Site) -> None:
    """It confirms whole segments alone: each commit would wait for 16 MiB of others."""
    site.receiver()
    eventually(lambda: sql(site.db, "SELECT state FROM pg_stat_replication") == "streaming", site.db)
    for _ in range(2 * DEGRADE_AFTER_S):
        assert site.write()[0] < AT_ONCE_S
        assert site.mode() == ASYNC
        time.sleep(0.5)


def test_a_watchdog_that_ends_is_started_again(site: Site) -> None:
    receiver = site.receiver("--synchronous")
    site.becomes(SYNC)
    watching = "FROM pg_stat_activity WHERE application_name = 'amas-db-standby'"
    before = sql(site.db, f"SELECT pid {watching}")
    assert sql(site.db, f"SELECT pg_terminate_backend(pid) {watching}") == "t"
    eventually(lambda: sql(site.db, f"SELECT pid {watching}") not in {"", before}, site.db)
    assert site.mode() == SYNC, "nothing is let go for that"
    receiver.kill("KILL")
    assert site.write()[1] == ""
    assert site.mode() == ASYNC


def test_a_role_of_the_backup_streams_and_nobody_else_does(site: Site) -> None:
    asked = ["psql", "-Xw", "-h", "127.0.0.1", "-d", "replication=true dbname=danci", "-c", "IDENTIFY_SYSTEM"]
    answer = ask(site.db, *asked, "-U", "amas_owner", environment={"PGPASSWORD": PASSWORDS["owner"]})
    assert "no pg_hba.conf entry for replication connection" in answer.text
    answer = ask(site.db, *asked, "-U", "amas_backup", environment={"PGPASSWORD": PASSWORDS["backup"]})
    assert answer.exit_code == 0, answer.text


def test_what_barman_asks_for_is_granted(site: Site) -> None:
    asked = (
        "SELECT pg_has_role('pg_read_all_settings', 'USAGE')",
        "SELECT pg_has_role('pg_read_all_stats', 'USAGE')",
        "SELECT pg_has_role('pg_checkpoint', 'USAGE')",
        "SELECT count(*) > 0 FROM pg_switch_wal()",
        "SELECT count(*) > 0 FROM pg_create_restore_point('probe')",
        "SELECT count(*) > 0 FROM pg_stat_replication",
    )
    site.receiver("--synchronous")
    site.becomes(SYNC)
    assert [sql(site.db, one, role="amas_backup") for one in asked] == ["t"] * len(asked)


def test_neither_roles_and_passwords_nor_a_server_that_starts_wait(lab: Lab) -> None:
    """The receiver it waited for before may be gone; so may the whole host it was on."""
    site = site_in(lab, AMAS_WAL_DEGRADE_AFTER_S="3600")
    receiver = site.receiver("--synchronous")
    site.becomes(SYNC)
    receiver.kill("KILL")
    assert site.cluster.with_passwords(reader="changed").exit_code == 0
    assert site.cluster.job("former").exit_code == 0
    assert site.mode() == SYNC, "any other commit would have waited"

    site.db.kill("KILL")
    ended(site.db)
    site.db.start()
    eventually(lambda: healthy(site.db), site.db)
    assert site.mode() == ASYNC
    took_s, said = site.write()
    assert (took_s < AT_ONCE_S, said) == (True, "")


def test_async_waits_for_nobody(lab: Lab) -> None:
    site = site_in(lab, AMAS_WAL_DURABILITY="async")
    site.receiver("--synchronous")
    eventually(lambda: sql(site.db, "SELECT state FROM pg_stat_replication") == "streaming", site.db)
    time.sleep(3)
    assert site.mode() == ASYNC
    assert "amas-db-standby" not in log(site.db)


def test_a_slot_that_nobody_reads_gives_up_before_the_disk_is_full(site: Site) -> None:
    receiver = site.receiver("--synchronous")
    site.becomes(SYNC)
    receiver.kill("KILL")
    sql(site.db, "ALTER SYSTEM SET max_slot_wal_keep_size = '64MB'")
    sql(site.db, "SELECT pg_reload_conf()")
    for _ in range(8):
        sql(site.db, "SELECT pg_logical_emit_message(false, 'fill', 'x'), pg_switch_wal()")
    eventually(lambda: slot_after_checkpoint(site.db) == "lost", site.db)
    assert int(sql(site.db, "SELECT sum(size)::bigint >> 20 FROM pg_ls_waldir()")) < 256
    sql(site.db, "ALTER SYSTEM RESET max_slot_wal_keep_size")
    sql(site.db, "SELECT pg_reload_conf(), pg_drop_replication_slot('amas_barman')")


def slot_after_checkpoint(db: Container) -> str:
    sql(db, "CHECKPOINT")
    return sql(db, "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'amas_barman'")
