"""The twins keep the contract that the real stores keep."""

from collections.abc import Awaitable, Callable

import pytest

from service.alerts import testing
from service.alerts.lease import Lease
from service.alerts.shelf import Ledger, Shelf

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
