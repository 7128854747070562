"""What the service may see of the way of the WAL: through one function, with its owner's rights."""

from datetime import UTC, datetime

from service.db import QUERIES
from service.wal import WalFacts, judge
from tests.integration.service.conftest import Database

SLOT = "amas_barman"
WANTED = QUERIES["wal_facts"]


def asked(database: Database) -> WalFacts:
    (row,) = database.rows(WANTED, role="app")
    return WalFacts(*row)  # type: ignore[arg-type]  # as the function declares them


def test_without_a_slot_only_the_mode_is_known(database: Database) -> None:
    assert asked(database) == WalFacts(False, None, None, None, None, None, None)


def test_a_slot_that_nobody_reads_keeps_wal_and_has_its_time_counted(database: Database) -> None:
    database.superuser(f"SELECT pg_create_physical_replication_slot('{SLOT}', true)")
    try:
        for _ in range(2):
            database.superuser("SELECT pg_logical_emit_message(false, 'x', 'y'), pg_switch_wal()")
        values = judge(asked(database), wanted=True, now=datetime.now(UTC))
    finally:
        database.superuser(f"SELECT pg_drop_replication_slot('{SLOT}')")
    assert values["wal.sync_degraded"] == 1
    assert 16 << 20 <= values["slot.retained_bytes"] <= 64 << 20
    assert values["wal.receiver_lag_bytes"] == values["slot.retained_bytes"]
    assert 0 < values["slot.fill"] < 2
    assert values["slot.minutes_left"] > 0
    assert 0 <= values["wal.receiver_age_s"] < 60
