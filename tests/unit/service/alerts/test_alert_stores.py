"""The twins keep the contract that the real stores keep."""

from collections.abc import Awaitable, Callable

import pytest

from service import settings
from service.alerts import testing
from service.alerts.lease import Lease
from service.alerts.shelf import Ledger, Shelf
from service.metrics import Metrics
from service.stores import real_stores
from tests.unit.service.standing import ENVIRON

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("case", testing.SHELF_CONTRACT, ids=lambda case: case.__name__)
async def test_shelf_keeps_the_contract(case: Callable[[Shelf], Awaitable[None]]) -> None:
    await case(testing.MemoryShelf())


@pytest.mark.parametrize("case", testing.LEDGER_CONTRACT, ids=lambda case: case.__name__)
async def test_ledger_keeps_the_contract(case: Callable[[Ledger], Awaitable[None]]) -> None:
    await case(testing.MemoryShelf())


@pytest.mark.parametrize("case", testing.LEASE_CONTRACT, ids=lambda case: case.__name__)
async def test_lease_keeps_the_contract(case: Callable[[Lease, Lease], Awaitable[None]]) -> None:
    floor = testing.Floor(lambda: 0.0)
    await case(testing.MemoryLease(floor, "one", 15.0), testing.MemoryLease(floor, "other", 15.0))


def test_reads_and_writes_of_the_book_leave_the_lease_its_own_connections() -> None:
    outside = real_stores(settings.load(ENVIRON), "one", Metrics("test")).alerts
    redis = {id(vars(one)["_redis"]) for one in (outside.first, outside.ledger, outside.sources.ledger)}
    assert len(redis) == 3
    sessions = {id(vars(one)["_session"]) for one in (outside.database, outside.sources.database)}
    assert len(sessions) == 2
