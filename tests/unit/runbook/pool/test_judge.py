from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.pool.judge import (
    Budget,
    Holder,
    Replica,
    Session,
    holders,
    judge,
    proposals,
    to_relieve,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
LIVING = {"172.18.0.9"}
FORGOTTEN = Session(7, START, "amas_owner", "psql", "172.18.0.1", "idle", 3600.0)
POOLED = Session(8, START, "amas_app_1", "amas-api", "172.18.0.9", "idle", 3600.0)
WELL = Budget(most=200, replicas=2, pool=20)
CALM = Replica("r1", open=15, free=15, awaited=0)
FULL = Replica("r2", open=15, free=0, awaited=3)

budgets = st.builds(Budget, most=st.integers(20, 1000), replicas=st.integers(1, 16), pool=st.integers(1, 200))


def test_a_forgotten_session_may_be_ended() -> None:
    assert to_relieve([FORGOTTEN], 600, LIVING, pools=False) == [FORGOTTEN]
    not_ours = replace(FORGOTTEN, role="amas_backup", may_be_ended=False)
    assert to_relieve([not_ours], 600, LIVING, pools=True) == []


def test_a_living_replicas_pool_is_left_alone_unless_it_is_asked_for() -> None:
    assert to_relieve([POOLED], 600, LIVING, pools=False) == []
    assert to_relieve([POOLED], 600, LIVING, pools=True) == [POOLED]


def test_the_pool_of_a_replica_that_is_gone_may_be_ended() -> None:
    assert to_relieve([POOLED], 600, set(), pools=False) == [POOLED]


@pytest.mark.parametrize("state", ["active", "idle in transaction", "fastpath function call", "unknown"])
def test_a_session_that_works_is_never_ended(state: str) -> None:
    assert to_relieve([replace(FORGOTTEN, state=state)], 600, LIVING, pools=True) == []


@given(idle_s=st.floats(0, 1e6), limit_s=st.floats(0, 1e6))
def test_none_younger_than_the_limit_is_ended(idle_s: float, limit_s: float) -> None:
    doomed = to_relieve([replace(FORGOTTEN, state_s=idle_s)], limit_s, LIVING, pools=False)
    assert bool(doomed) == (idle_s > limit_s)


def test_sessions_alike_are_one_line_with_the_longest() -> None:
    other = replace(FORGOTTEN, pid=9, state_s=9000.0)
    assert holders([FORGOTTEN, POOLED, other]) == [
        Holder("amas_owner", "psql", "idle", 2, 9000.0),
        Holder("amas_app_1", "amas-api", "idle", 1, 3600.0),
    ]


def test_all_is_well_with_free_connections() -> None:
    assert {one.state for one in judge(WELL, [POOLED], [CALM])} == {"ok"}
    assert proposals(WELL, [CALM]) == []


def test_requests_that_wait_fail_and_a_larger_pool_is_proposed() -> None:
    failed = [one.name for one in judge(WELL, [POOLED], [CALM, FULL]) if one.state == "failed"]
    assert failed == ["requests that wait"]
    assert proposals(WELL, [FULL]) == [
        "amas pool relieve",
        "./scripts/up --config dbConnectionPoolSize=30",
    ]


def test_a_server_without_room_is_given_more() -> None:
    tight = Budget(most=90, replicas=2, pool=20)
    assert proposals(tight, [FULL])[-1] == (
        "./scripts/up --config dbMaxConnections=130 --config dbConnectionPoolSize=30"
    )


def test_an_open_transaction_that_does_nothing_fails() -> None:
    stuck = replace(FORGOTTEN, state="idle in transaction (aborted)")
    assert [one.name for one in judge(WELL, [stuck], []) if one.state == "failed"] == ["idle in transaction"]


def test_a_server_nearly_full_fails() -> None:
    small = Budget(most=20, replicas=1, pool=5)
    assert [one.state for one in judge(small, [POOLED] * 9, [])][1] == "failed"


@given(budget=budgets)
def test_the_largest_pool_fits_and_one_more_does_not(budget: Budget) -> None:
    if budget.largest_pool:
        assert replace(budget, pool=budget.largest_pool).holds
    assert not replace(budget, pool=budget.largest_pool + 1).holds


@given(budget=budgets, awaited=st.integers(0, 5))
def test_what_is_proposed_keeps_the_budget(budget: Budget, awaited: int) -> None:
    replica = replace(CALM, awaited=awaited)
    for command in proposals(budget, [replica]):
        set_to = dict(word.split("=") for word in command.split() if "=" in word)
        proposed = replace(
            budget,
            most=int(set_to.get("dbMaxConnections", budget.most)),
            pool=int(set_to.get("dbConnectionPoolSize", budget.pool)),
        )
        assert not set_to or proposed.holds
