"""Backups of a real database by the backup image: taken, proven, and not proven when something is wrong."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from docker.models.containers import Container

from tests.integration.images.conftest import Answer, Lab, ask, ended, eventually, log
from tests.integration.images.test_db import PASSWORDS, UID, cluster_in, healthy, sql

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
HOME = "/var/lib/amas/backup"
SYNC = "barman_receive_wal"
STARTS_WITHIN_S = 180
HELD = ("flock", "--nonblock", "/run/amas/proof.lock", "true")
ROWS = 1000
SECRETS = {"backup_password": PASSWORDS["backup"].encode(), "restic_password": b"open", "offsite_env": b"\n"}


@dataclass(frozen=True)
class Site:
    """A database with a thousand decisions, and the container that backs it up."""

    lab: Lab
    db: Container
    backup: Container
    kept: str
    secret: str
    network: str
    backup_id: str = ""

    def amas(self, *words: str) -> Answer:
        return ask(self.backup, "amas", "backup", *words)

    def told(self, *words: str) -> dict[str, Any]:
        """Its one object on stdout; what it said besides is on stderr."""
        done: Any = self.backup.exec_run(["amas", "backup", *words, "--json"], demux=True)
        exit_code, (out, said) = done
        assert exit_code == 0, said
        found = json.loads(out)
        assert isinstance(found, dict)
        return found

    def refused(self, *words: str) -> str:
        done = self.amas(*words)
        assert done.exit_code == 1, done.text
        return done.text

    def newest(self) -> str:
        return str(self.told("list")["backups"][0]["backupId"])

    def sh(self, command: str) -> str:
        done = ask(self.backup, "sh", "-euc", command)
        assert done.exit_code == 0, done.text
        return done.text.strip()

    @contextmanager
    def changed(self, path: str) -> Iterator[str]:
        """A file, as it was again afterwards."""
        self.sh(f"cp -p {path} /tmp/kept")
        try:
            yield path
        finally:
            self.sh(f"cp -p /tmp/kept {path}")

    def is_clean(self) -> bool:
        return self.sh(f"ls {HOME}/scratch; pgrep -x postgres || true") == ""


def schema() -> list[str]:
    return [file.read_text() for file in sorted((ROOT / "service/sql/migrations").glob("*.sql"))]


def database_in(lab: Lab, durability: str) -> tuple[Container, str]:
    cluster = cluster_in(lab)
    db = cluster.start(AMAS_WAL_DURABILITY=durability, AMAS_WAL_DEGRADE_AFTER_S="3")
    eventually(lambda: healthy(db), db, timeout_s=STARTS_WITHIN_S)
    job = cluster.job()
    assert job.exit_code == 0, job.text
    network = lab.network()
    lab.engine.networks.get(network).connect(db, aliases=["db"])
    for script in [*schema(), (HERE / "decisions.sql").read_text()]:
        assert "ERROR" not in sql(db, script, role="amas_owner")
    # Hints and visibility are written now: afterwards no WAL brings a page of these rows back.
    sql(db, "VACUUM (FREEZE, ANALYZE)")
    sql(db, "CHECKPOINT")
    return db, network


def site_in(lab: Lab, durability: str = "sync") -> Site:
    db, network = database_in(lab, durability)
    kept, secret = lab.volume(), lab.volume(SECRETS, uid=UID)
    backup = lab.run(
        "backup",
        volumes={kept: HOME, secret: "/secrets", lab.volume(): "/var/lib/amas/offsite"},
        network=network,
        memory_mb=512,
    )
    site = Site(lab, db, backup, kept, secret, network)
    eventually(lambda: ask(backup, "amas-backup-health").exit_code == 0, backup, STARTS_WITHIN_S)
    return site


@pytest.fixture(scope="module")
def site(shared_lab: Lab) -> Site:
    """With one full backup, taken while nobody wrote: an idle database ends no WAL segment by itself."""
    site = site_in(shared_lab)
    taken = site.told("now")
    assert taken["kind"] == "full"
    assert taken["rows"] >= ROWS
    return replace(site, backup_id=taken["backupId"])


def test_wal_streams_and_commits_wait_for_it(site: Site) -> None:
    eventually(lambda: sql(site.db, "SHOW synchronous_standby_names") == SYNC, site.db)
    assert sql(site.db, "SELECT state, sync_state FROM pg_stat_replication") == "streaming|sync"


def test_a_receiver_that_ends_is_back_within_seconds(site: Site) -> None:
    before = site.sh("pgrep -x pg_receivewal")
    site.sh("pkill -x pg_receivewal")
    eventually(
        lambda: (
            ask(site.backup, "pgrep", "-x", "pg_receivewal").text.strip() not in {"", before}
            and ask(site.backup, "amas-backup-health").exit_code == 0
        ),
        site.backup,
        timeout_s=30,
    )


def test_the_backup_of_an_idle_database_is_done(site: Site) -> None:
    (only,) = site.told("list")["backups"]
    assert (only["status"], only["kind"]) == ("DONE", "full")
    assert site.told("verify") == {"ok": True, "backupId": only["backupId"], "copies": 1}


def test_a_proof_finds_every_row_and_those_that_came_after_the_backup(site: Site) -> None:
    before = int(sql(site.db, "SELECT count(*) FROM decision_keys"))
    sql(site.db, "INSERT INTO decision_keys SELECT 'after-' || now(), now(), '\\x00'", role="amas_owner")
    proof = site.told("prove")
    assert proof["ok"]
    assert proof["backupId"] == site.backup_id
    assert proof["pitrRows"] == proof["rows"] + before + 1
    assert 0 <= proof["rpoS"] < 5
    assert 0 < proof["rtoS"] <= proof["tookS"]
    assert site.is_clean()


def test_status_shows_the_ages_and_how_wal_comes_in(site: Site) -> None:
    """What the last proof said is another test's matter: it may have been made to fail."""
    found = {one["name"]: one["state"] for one in json.loads(site.amas("status", "--json").text)["checks"]}
    assert {name for name, state in found.items() if state == "failed"} <= {"restore proof"}
    assert found["newest backup"] == found["WAL receiver"] == found["replication slot"] == "ok"


def test_a_tampered_backup_is_no_proof(site: Site) -> None:
    base = f"{HOME}/barman/db/base/{site.backup_id}/data"
    victim = site.sh(f"find {base}/base -type f -size +64k | sort | head -1")
    with site.changed(victim):
        site.sh(f"printf amas | dd of={victim} bs=1 seek=30000 conv=notrunc status=none")
        said = site.refused("prove")
    assert "is not what was backed up" in said
    assert victim.removeprefix(f"{base}/") in said
    assert "next: amas backup now --full" in said
    assert site.is_clean()


def test_a_missing_wal_segment_is_no_proof(site: Site) -> None:
    segment = site.sh(f"ls {HOME}/barman/db/wals/*/* | tail -1")
    with site.changed(segment):
        site.sh(f"rm {segment}")
        said = site.refused("prove")
    assert f"WAL segment {segment.rpartition('/')[2]} is missing" in said


def test_another_extension_version_is_no_proof(site: Site) -> None:
    with site.changed(f"{HOME}/state/manifests/{site.backup_id}.json") as manifest:
        site.sh(f"""sed -i 's/"timescaledb": ".*"/"timescaledb": "2.18.0"/' {manifest}""")
        said = site.refused("prove")
    assert "extension timescaledb is 2.19.3, the manifest says 2.18.0" in said
    assert "next: amas outdated" in said
    assert site.is_clean()


def test_an_empty_table_is_no_proof_though_every_checksum_fits(site: Site) -> None:
    base = f"{HOME}/barman/db/base/{site.backup_id}/data"
    chunk = (
        "SELECT pg_relation_filepath(c) FROM show_chunks('decision_insights') AS c ORDER BY 1 DESC LIMIT 1"
    )
    file = sql(site.db, chunk)
    with site.changed(f"{base}/{file}"), kept_beside(site, f"{base}/backup_manifest"):
        done = ask(site.backup, "python3", "-c", (HERE / "emptied.py").read_text(), base, file)
        assert done.exit_code == 0, done.text
        assert site.told("verify")["ok"], "the files alone tell nothing"
        said = site.refused("prove")
    assert "public.decision_insights has" in said
    assert "rows, the manifest says" in said


@contextmanager
def kept_beside(site: Site, path: str) -> Iterator[None]:
    site.sh(f"cp -p {path} /tmp/beside")
    try:
        yield
    finally:
        site.sh(f"cp -p /tmp/beside {path}")


def test_a_full_scratch_disk_is_no_proof(site: Site) -> None:
    volumes = {
        site.kept: HOME,
        site.secret: "/secrets",
        site.lab.small_volume(32, uid=UID): f"{HOME}/scratch",
    }
    words = ["amas-backup", "amas", "backup", "prove"]
    container = site.lab.run("backup", words, volumes=volumes, network=site.network, memory_mb=512)
    assert ended(container) == 1
    assert re.search(r"the scratch disk is full: 3[0-2] MiB free, \d+ MiB needed", log(container))


def test_a_proof_that_hangs_is_ended_with_its_server(site: Site) -> None:
    said = site.refused("prove", "--limit-s", "1")
    assert "the proof hung: it was not over within 1 s" in said
    # The server's own processes notice that it is gone.
    eventually(site.is_clean, site.backup, timeout_s=10)


def test_a_failed_proof_is_told_by_status_until_the_next_one(site: Site) -> None:
    site.refused("prove", "--limit-s", "1")
    status = site.amas("status", "--json")
    assert status.exit_code == 1
    (proof,) = [one for one in json.loads(status.text)["checks"] if one["name"] == "restore proof"]
    assert (proof["state"], proof["reason"]) == ("failed", "the proof hung: it was not over within 1 s")


@pytest.mark.parametrize(
    ("name", "value"),
    [("AMAS_RETENTION", "forever"), ("AMAS_DATABASE", "Danci; DROP"), ("AMAS_DB_HOST", "db dbname=x")],
)
def test_bad_setting_is_refused_by_name(lab: Lab, name: str, value: str) -> None:
    refused = lab.run("backup", volumes={lab.volume(): HOME}, environment={name: value}, network_mode="none")
    assert ended(refused) == 1
    assert f"amas-backup: {name} is '{value}'; allowed:" in log(refused)


def test_without_a_password_nothing_starts(lab: Lab) -> None:
    refused = lab.run("backup", volumes={lab.volume(): HOME}, network_mode="none")
    assert ended(refused) == 1
    assert "/secrets/backup_password is missing" in log(refused)


@pytest.mark.full
def test_incremental_backups_and_the_copy_off_site_are_proven_too(site: Site) -> None:
    sql(
        site.db, "INSERT INTO decision_keys SELECT 'more-' || n, now(), '\\x00' FROM generate_series(1, 50) n"
    )
    assert site.told("prove")["ok"], "nothing is built upon what a proof has failed on"
    assert site.told("now")["kind"] == "incremental"
    assert site.told("prove")["ok"]
    first = site.told("offsite")
    again = site.told("offsite")
    assert again["addedBytes"] < first["addedBytes"]
    away = site.told("prove", "--from-offsite")
    assert away["ok"]
    assert away["backupId"] == site.newest()
    assert away["pitrRows"] is None
    assert site.is_clean()


@pytest.mark.full
def test_a_killed_proof_leaves_nothing_that_stops_the_next(site: Site) -> None:
    site.backup.exec_run(["amas", "backup", "prove"], detach=True)
    eventually(lambda: ask(site.backup, "pgrep", "-x", "postgres").exit_code == 0, site.backup)
    # In brackets, or the shell that is told so would find itself.
    site.sh("pkill -KILL -f '[a]mas backup prove'")
    eventually(lambda: ask(site.backup, "pgrep", "-x", "postgres").exit_code != 0, site.backup)
    assert site.sh(f"ls {HOME}/scratch") == "proof"
    assert site.told("prove")["ok"]
    assert site.is_clean()


@pytest.mark.full
def test_a_stop_breaks_off_a_copy_and_what_is_left_of_it_is_forgotten(site: Site) -> None:
    """Supercronic by itself would wait for its jobs."""
    site.backup.exec_run(["amas", "backup", "now", "--full"], detach=True)
    eventually(lambda: ask(site.backup, "pgrep", "-x", "pg_basebackup").exit_code == 0, site.backup)
    started = time.monotonic()
    site.backup.stop(timeout=60)
    assert time.monotonic() - started < 30
    assert ended(site.backup) == 0
    site.backup.start()
    eventually(lambda: ask(site.backup, "amas-backup-health").exit_code == 0, site.backup, STARTS_WITHIN_S)
    site.told("now", "--full")
    assert {one["status"] for one in site.told("list")["backups"]} == {"DONE"}


@pytest.mark.full
def test_two_proofs_at_once_are_one(site: Site) -> None:
    site.backup.exec_run(["amas", "backup", "prove"], detach=True)
    eventually(lambda: ask(site.backup, *HELD).exit_code == 1, site.backup)
    second = site.amas("prove")
    assert second.exit_code == 2
    assert "another proof is running" in second.text
    eventually(site.is_clean, site.backup, timeout_s=120)


WRITE = """
seq 1 100000 | sed 's/.*/INSERT INTO acknowledged VALUES (&) RETURNING n;/' |
    psql -XAtq -h db -U amas_owner -d danci -v ON_ERROR_STOP=1
"""
# A server on what was recovered, asked once.
COUNT = """
amas backup recover $AMAS_BACKUP_HOME/scratch/lost >&2
postgres -D $AMAS_BACKUP_HOME/scratch/lost -c config_file=/etc/amas/postgresql.conf -c listen_addresses= \
    -c unix_socket_directories=/run/amas -c max_connections=30 >/dev/null 2>&1 &
until psql -XAtq -h /run/amas -U postgres -d danci -c 'SELECT 1 / (NOT pg_is_in_recovery())::int' 2>/dev/null
do sleep 0.2; done
psql -XAtq -h /run/amas -U postgres -d danci -c 'SELECT n FROM acknowledged'
kill -INT $!
wait
"""


@pytest.mark.full
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_the_database_and_its_volume_are_lost_under_writes(lab: Lab, durability: str) -> None:
    """Of what was acknowledged the backup lacks nothing with sync, with async the last moment."""
    site = site_in(lab, durability)
    site.told("now")
    sql(site.db, "CREATE TABLE acknowledged (n int PRIMARY KEY)", role="amas_owner")
    wanted = SYNC if durability == "sync" else ""
    eventually(lambda: sql(site.db, "SHOW synchronous_standby_names") == wanted, site.db)
    password = {"PGPASSWORD": PASSWORDS["owner"]}
    writer = lab.run("db", ["sh", "-c", WRITE], network=site.network, environment=password)
    eventually(lambda: log(writer).count("\n") > 500, writer)
    site.db.kill("KILL")
    ended(writer)
    acknowledged = {int(line) for line in log(writer).splitlines() if line.isdigit()}
    kept = {int(line) for line in site.sh(COUNT).splitlines() if line.isdigit()}
    missing = acknowledged - kept
    print(f"{durability}: {len(missing)} of {len(acknowledged)} acknowledged rows missing")  # noqa: T201
    assert len(acknowledged) > 500
    if durability == "sync":
        assert missing == set()
    else:
        assert all(number > max(acknowledged) - 50 for number in missing), "only the newest"
