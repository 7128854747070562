"""Whether the WAL reaches the backup, from one row of the database."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from service.alerts.vocabulary import METRICS
from service.metrics import Metrics
from service.wal import SERIES, Wal, WalFacts, judge
from tests.unit.service.standing import Reads

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MIB = 1 << 20
STREAMING = WalFacts(
    synchronous=True,
    lag_bytes=0,
    heard_at=NOW - timedelta(seconds=2),
    away_since=None,
    retained_bytes=16 * MIB,
    safe_bytes=4080 * MIB,
    slot_lost=False,
)
NO_SLOT = WalFacts(False, None, None, None, None, None, None)


def away(minutes: float, retained_mib: int, safe_mib: int) -> WalFacts:
    since = NOW - timedelta(minutes=minutes)
    return replace(
        STREAMING,
        synchronous=False,
        heard_at=since,
        away_since=since,
        lag_bytes=retained_mib * MIB,
        retained_bytes=retained_mib * MIB,
        safe_bytes=safe_mib * MIB,
    )


def test_a_receiver_that_streams_is_near_and_leaves_no_time_to_count() -> None:
    values = judge(STREAMING, wanted=True, now=NOW)
    assert values["wal.sync_degraded"] == 0
    assert values["wal.receiver_age_s"] == 2
    assert values["slot.lost"] == 0
    assert values["slot.fill"] == pytest.approx(100 * 16 / 4096)
    assert "slot.minutes_left" not in values


@pytest.mark.parametrize(
    ("wanted", "synchronous", "degraded"), [(True, False, 1), (True, True, 0), (False, False, 0)]
)
def test_degraded_is_what_is_wanted_and_is_not(wanted: bool, synchronous: bool, degraded: int) -> None:
    assert judge(replace(STREAMING, synchronous=synchronous), wanted, NOW)["wal.sync_degraded"] == degraded


def test_the_time_left_goes_by_what_was_written_since_the_receiver_went() -> None:
    """1,024 MiB in 10 minutes; 3,072 more may come."""
    values = judge(away(10, 1024, 3072), wanted=True, now=NOW)
    assert values["slot.minutes_left"] == pytest.approx(30)
    assert values["slot.fill"] == pytest.approx(25)
    assert values["wal.receiver_age_s"] == 600


def test_a_slot_that_is_lost_is_full_and_has_no_time_left_to_tell() -> None:
    lost = replace(away(10, 0, 0), retained_bytes=None, safe_bytes=None, slot_lost=True)
    values = judge(lost, wanted=True, now=NOW)
    assert (values["slot.lost"], values["slot.fill"]) == (1, 100)
    assert not {"slot.minutes_left", "slot.retained_bytes"} & set(values)


def test_before_there_is_a_slot_only_the_wish_is_judged() -> None:
    assert judge(NO_SLOT, wanted=True, now=NOW) == {"wal.sync_degraded": 1}
    assert judge(NO_SLOT, wanted=False, now=NOW) == {"wal.sync_degraded": 0}


def test_a_slot_that_nothing_limits_has_no_share() -> None:
    values = judge(replace(away(10, 1024, 0), safe_bytes=None), wanted=True, now=NOW)
    assert values["slot.retained_bytes"] == 1024 * MIB
    assert not {"slot.minutes_left", "slot.fill"} & set(values)


@given(
    some.booleans(),
    some.builds(
        WalFacts,
        synchronous=some.booleans(),
        lag_bytes=some.none() | some.integers(-(2**40), 2**60),
        heard_at=some.none() | some.just(NOW + timedelta(seconds=5)) | some.just(NOW - timedelta(days=9)),
        away_since=some.none() | some.just(NOW) | some.just(NOW - timedelta(days=9)),
        retained_bytes=some.none() | some.integers(-1, 2**60),
        safe_bytes=some.none() | some.integers(-(2**33), 2**60),
        slot_lost=some.none() | some.booleans(),
    ),
)
def test_whatever_the_database_says_gives_finite_values_that_rules_know(wanted: bool, seen: WalFacts) -> None:
    values = judge(seen, wanted, NOW)
    assert set(values) <= set(METRICS)
    assert all(math.isfinite(value) and value >= 0 for value in values.values())
    assert values.get("slot.fill", 0) <= 100


@pytest.mark.anyio
async def test_what_is_judged_is_exposed_and_what_is_not_known_is_no_number() -> None:
    metrics = Metrics("1")
    row = (False, None, None, None, None, None, None)
    facts = await Wal(Reads({"wal_facts": [row]}), metrics, wanted=True, now=lambda: NOW).facts()
    assert facts == {"wal.sync_degraded": (1.0, 1)}
    exposed = metrics.render("")[0].decode().splitlines()
    assert "amas_wal_sync_degraded 1.0" in exposed
    assert "amas_wal_slot_fill_percent NaN" in exposed
    assert set(SERIES) <= set(METRICS)


@pytest.mark.anyio
async def test_a_database_without_the_function_tells_nothing() -> None:
    assert await Wal(Reads(), Metrics("1"), wanted=True, now=lambda: NOW).facts() == {}
