"""How far a dump is, from what pg_dump and pg_restore say of their tables."""

from hypothesis import given
from hypothesis import strategies as st

from runbook.portable.pace import Pace

ROWS = {"_timescaledb_internal._hyper_1_1_chunk": 600, "public.decision_keys": 400}


def pace() -> Pace:
    return Pace(ROWS, begun_at_s=10.0)


def test_nothing_is_done_before_the_first_table() -> None:
    started = pace()
    started.hear('pg_dump: finding the columns and types of table "public.decision_keys"')
    assert started.told(20.0, 50) == "0 of 1,000 rows, 0 B"


def test_the_table_at_hand_counts_as_far_as_it_is_and_those_before_it_whole() -> None:
    begun = pace()
    begun.hear('pg_dump: dumping contents of table "_timescaledb_internal._hyper_1_1_chunk"')
    begun.size_bytes = 2_000_000
    assert begun.told(20.0, 250) == "250 of 1,000 rows, 2.0 MB, about 30 s left"
    begun.hear('pg_dump: dumping contents of table "public.decision_keys"')
    assert begun.told(40.0, 150) == "750 of 1,000 rows, 2.0 MB, about 10 s left"


def test_a_restore_is_told_alike() -> None:
    begun = pace()
    begun.hear('pg_restore: processing data for table "public.decision_keys"')
    assert begun.done(400) == 400


@given(st.lists(st.sampled_from([*ROWS, "public.unknown"]), unique=True), st.integers(0, 10**6))
def test_never_more_rows_than_there_are(begun: list[str], current: int) -> None:
    told = pace()
    for relation in begun:
        told.hear(f'pg_dump: dumping contents of table "{relation}"')
    assert 0 <= told.done(current) <= 1_000
