"""A lost data volume comes back from the backup volume, row by row, and the WAL goes on where it was."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from docker.models.containers import Container

from tests.integration.images.conftest import Lab, ask, ended, eventually, log
from tests.integration.images.test_db import PASSWORDS, UID, cluster_in, healthy, secret_files, sql

DATA, KEPT = "/var/lib/amas/db", "/var/lib/amas/backup"
SYNC = "barman_receive_wal"
KEY = "INSERT INTO decision_keys SELECT '{word}' || n, now(), '\\x00' FROM generate_series(1, {count}) AS n"


@dataclass
class Site:
    """Database and backup on a network; the data volume can be lost."""

    lab: Lab
    db: Container
    backup: Container
    data: str
    kept: str

    def generation(self, *words: str, fails: bool = False) -> Any:
        """A step of a restore, in a container as `amas backup restore` makes it."""
        command = ["amas-backup", "amas", "generation", *words]
        volumes = {self.data: DATA, self.kept: KEPT}
        step = self.lab.run("backup", command, volumes=volumes, network_mode="none", shm_size="128m")
        assert (ended(step, timeout_s=180) != 0) == fails, log(step)
        told = step.logs(stdout=True, stderr=fails).decode()
        return told if fails else json.loads(told)

    def add(self, word: str, count: int) -> None:
        assert sql(self.db, KEY.format(word=word, count=count)) == ""

    def rows(self) -> int:
        return int(sql(self.db, "SELECT count(*) FROM decision_keys"))

    def stop(self) -> None:
        self.db.kill()
        self.backup.stop()

    def serve(self) -> None:
        self.db.start()
        eventually(lambda: healthy(self.db), self.db)
        self.backup.start()
        eventually(lambda: sql(self.db, "SHOW synchronous_standby_names") == SYNC, self.backup)

    def lose_volume(self) -> None:
        """All that lies in it, the link and the marker too."""
        script = f"rm -rf {DATA}/* {DATA}/.[a-z]*"
        eraser = self.lab.run("db", ["sh", "-c", script], volumes={self.data: DATA}, network_mode="none")
        assert ended(eraser) == 0


@pytest.fixture(scope="module")
def site(shared_lab: Lab) -> Site:
    lab = shared_lab
    cluster = cluster_in(lab)
    db = cluster.start()
    eventually(lambda: healthy(db), db)
    network = lab.network()
    lab.engine.networks.get(network).connect(db, aliases=["db"])
    lab.put(cluster.secret, secret_files(PASSWORDS), uid=UID)
    assert cluster.job().exit_code == 0
    sql(db, "ALTER ROLE amas_owner PASSWORD 'plain'")
    url = {"DATABASE_URL": "postgresql://amas_owner:plain@db:5432/danci"}
    migrate = lab.run("service", ["python", "-m", "service.migrate"], network=network, environment=url)
    assert ended(migrate) == 0, log(migrate)
    kept = lab.volume()
    volumes = {kept: KEPT, cluster.secret: "/secrets"}
    backup = lab.run("backup", volumes=volumes, network=network)
    found = Site(lab, db, backup, cluster.volume, kept)
    eventually(lambda: sql(db, "SHOW synchronous_standby_names") == SYNC, backup)
    found.add("before", 100)
    taken = ask(backup, "amas-backup", "amas", "backup", "now", "--json")
    assert taken.exit_code == 0, taken.text
    return found


def test_a_lost_volume_comes_back_with_what_came_after_the_backup(site: Site) -> None:
    rows = site.rows()
    site.add("after", 10)
    site.stop()
    site.lose_volume()
    found = site.generation("look")
    assert (found["current"], found["nextGeneration"]) == (None, "gen-1")
    built = site.generation("build", "gen-1", f"--backup={found['backups'][0]['id']}")
    assert built["compared"]
    assert built["partial"], "the newest rows are in the segment that was being written"
    assert site.generation("switch", "gen-1", f"--timeline={built['timeline']}")["current"] == "gen-1"
    site.serve()
    assert site.rows() == rows + 10
    settings = ask(site.db, "cat", f"{DATA}/current/postgresql.auto.conf").text
    assert "recovery_" not in settings


def test_a_restore_after_it_begins_with_the_new_timeline(site: Site) -> None:
    rows = site.rows()
    site.add("second", 5)
    site.stop()
    found = site.generation("look")
    timeline = int(sql_timeline(site, found))
    built = site.generation("build", found["nextGeneration"], f"--backup={found['backups'][0]['id']}")
    assert built["timeline"] == timeline + 1
    site.generation("switch", found["nextGeneration"], f"--timeline={built['timeline']}")
    site.serve()
    assert site.rows() == rows + 5
    assert site.generation("discard")["discarded"] == [found["current"]]


def test_a_running_server_keeps_every_step_away(site: Site) -> None:
    assert "a database server uses" in site.generation("point", "gen-1", fails=True)


def sql_timeline(site: Site, found: Any) -> str:
    """Of the directory that served, asked without a server."""
    command = ["pg_controldata", f"{DATA}/{found['current']}"]
    asked = site.lab.run("db", command, volumes={site.data: DATA}, network_mode="none")
    assert ended(asked) == 0
    line = next(one for one in log(asked).splitlines() if "Latest checkpoint's TimeLineID" in one)
    return line.split()[-1]
