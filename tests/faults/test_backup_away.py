"""The backup is lost under traffic: commits go on without it, an alert tells, and nothing is lost."""

import json
import secrets
import time

import pytest

from tests.e2e.conftest import eventually
from tests.faults.conftest import Stack, output
from tests.faults.flood import Flood
from tests.faults.receiver import Receiver
from tests.faults.test_stores_away import away, ids_of, ingest_key, monitoring

AWAY_S = 60.0
RATE_PER_S = 200
WATCHDOG_S = 10
KEEP_MIB = 256
SEGMENT_MIB = 16


@pytest.mark.full
def test_the_backup_away_for_a_minute_stops_no_write_and_is_told(
    alerted: tuple[Stack, Receiver], capsys: pytest.CaptureFixture[str]
) -> None:
    stack, receiver = alerted
    rule, run_id = "wal-sync-degraded", f"backup-{secrets.token_hex(3)}"
    eventually(lambda: is_synchronous(stack), within_s=60, what="commits that wait for the backup")
    with Flood(stack.http_port, ingest_key(stack), run_id, RATE_PER_S) as flood:
        began = time.monotonic()
        eventually(lambda: len(flood.acknowledged) > 20 * RATE_PER_S, within_s=90, what="traffic before")
        usual_per_s = stored_now(flood) / (time.monotonic() - began)
        with away(stack, "backup"):
            killed = time.monotonic()
            eventually(lambda: not is_synchronous(stack), within_s=30, what="the watchdog")
            alone_s = time.monotonic() - killed
            before, since = stored_now(flood), time.monotonic()
            eventually(lambda: bool(receiver.named(rule, "firing")), within_s=90, what="the alert")
            eventually(lambda: time.monotonic() - killed > AWAY_S, within_s=AWAY_S + 1, what="a minute")
            alone_per_s = (stored_now(flood) - before) / (time.monotonic() - since)
        back = time.monotonic()
        eventually(lambda: is_synchronous(stack), within_s=240, what="commits that wait again")
        back_s = time.monotonic() - back
        eventually(lambda: bool(receiver.named(rule, "resolved")), within_s=60, what="the all-clear")
    told_s = receiver.named(rule, "firing")[0] - killed
    eventually(lambda: monitoring(stack)["spool"]["length"] == 0, within_s=180, what="the spool drained")
    stored = ids_of(stack, run_id)
    with capsys.disabled():
        print(  # noqa: T201 - the figures are the result
            f"\nbackup away {AWAY_S:.0f} s: {flood.figures()}, {len(stored)} rows, {usual_per_s:.0f}/s "
            f"with it; without it after {alone_s:.0f} s, {alone_per_s:.0f}/s; told after {told_s:.0f} s; "
            f"with it again {back_s:.0f} s after its start"
        )
    assert flood.acknowledged - set(stored) == set(), "acknowledged and lost"
    assert len(stored) == len(set(stored)), "stored twice"
    assert alone_s <= WATCHDOG_S + 5
    assert alone_per_s > 0.8 * usual_per_s
    assert told_s <= WATCHDOG_S + 30 + AWAY_S / 2
    assert len(receiver.named(rule, "firing")) == 1


@pytest.mark.full
def test_a_backup_that_stays_away_is_told_before_its_wal_is_dropped(
    alerted: tuple[Stack, Receiver],
) -> None:
    stack, receiver = alerted
    as_superuser(stack, f"ALTER SYSTEM SET max_slot_wal_keep_size = '{KEEP_MIB}MB'")
    as_superuser(stack, "SELECT pg_reload_conf()")
    with away(stack, "backup"):
        write_wal(stack, mib=KEEP_MIB * 5 // 8)
        eventually(lambda: bool(receiver.named("wal-slot-filling", "firing")), within_s=150, what="the alert")
        assert slot_after_checkpoint(stack) in {"reserved", "extended"}
        assert not receiver.named("wal-slot-lost", "firing")
    copies = full_copies(stack)
    eventually(lambda: bool(receiver.named("wal-slot-filling", "resolved")), within_s=120, what="caught up")
    with away(stack, "backup"):
        write_wal(stack, mib=KEEP_MIB * 2)
        eventually(lambda: slot_after_checkpoint(stack) == "lost", within_s=30, what="the slot given up")
        assert kept_mib(stack) <= KEEP_MIB + 2 * SEGMENT_MIB
        eventually(lambda: bool(receiver.named("wal-slot-lost", "firing")), within_s=90, what="that alert")

    eventually(lambda: slot_after_checkpoint(stack) == "reserved", within_s=120, what="a new slot")
    eventually(lambda: full_copies(stack) > copies, within_s=300, what="a full copy from behind the gap")
    eventually(lambda: bool(receiver.named("wal-slot-lost", "resolved")), within_s=90, what="the all-clear")


def full_copies(stack: Stack) -> int:
    """Those that count."""
    listed = json.loads(stack.amas("backup", "list", "--json").stdout)["backups"]
    return sum(one["status"] == "DONE" and one["kind"] == "full" for one in listed)


def kept_mib(stack: Stack) -> int:
    """Behind the segment that is written; those ahead of it are old ones to be written again."""
    behind = "SELECT count(*) FROM pg_ls_waldir() WHERE name < pg_walfile_name(pg_current_wal_lsn())"
    return int(as_superuser(stack, f"{behind} AND name ~ '^[0-9A-F]{{24}}$'")) * SEGMENT_MIB


def is_synchronous(stack: Stack) -> bool:
    return as_superuser(stack, "SHOW synchronous_standby_names") != ""


def slot_after_checkpoint(stack: Stack) -> str:
    """At a checkpoint the database looks at what it has to keep."""
    as_superuser(stack, "CHECKPOINT")
    return as_superuser(stack, "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'amas_barman'")


def write_wal(stack: Stack, mib: int) -> None:
    for _ in range(mib // SEGMENT_MIB):
        as_superuser(stack, "SELECT pg_logical_emit_message(false, 'fill', 'x'), pg_switch_wal()")


def stored_now(flood: Flood) -> int:
    return sum(status == 201 for status in list(flood.answers.values()))


def as_superuser(stack: Stack, statement: str) -> str:
    psql = ("psql", "-XAtq", "-U", "postgres", "-d", "danci", "-c", statement)
    return output("docker", "exec", f"amas-{stack.name}-db", *psql).strip()
