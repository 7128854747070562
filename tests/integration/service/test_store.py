"""The hypertable behind the store."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from service.db import Session
from service.insights import testing
from service.insights.decision import Outcome
from service.insights.store import DatabaseStore, Store

if TYPE_CHECKING:
    from tests.integration.service.conftest import Database

pytestmark = pytest.mark.anyio

ROUNDS = 20


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store(database: "Database") -> AsyncIterator[DatabaseStore]:
    session = Session(database.url("app"), 5000)
    yield DatabaseStore(session)
    await session.close()


@pytest.mark.parametrize("case", testing.CONTRACT, ids=lambda case: case.__name__)
async def test_store_keeps_the_contract(store: Store, case: Callable[[Store], Awaitable[None]]) -> None:
    await case(store)


async def test_mixed_batches_of_two_writers_never_wait_in_a_circle(database: "Database") -> None:
    """Keys and rows are locked by one statement: whoever meets a key first must not hold a row already."""
    one, two = (Session(database.url("app"), 5000) for _ in range(2))
    now = datetime.now(UTC)
    try:
        # The chunk is there before: making one takes a lock of its own.
        await DatabaseStore(one).write([testing.decision(testing.uuid7(now))])
        for _ in range(ROUNDS):
            tail = uuid.uuid4().hex
            timed = [testing.decision(testing.uuid7(now)) for _ in range(200)]
            keyed = [testing.decision(f"z:{tail}:{n}", occurredAt=testing.recently()) for n in range(200)]
            early = testing.decision(f"-:{tail}", occurredAt=testing.recently())
            batches = ([early, *timed, *keyed], [*reversed(timed), *reversed(keyed)])
            stores = (DatabaseStore(one), DatabaseStore(two))
            came = await asyncio.gather(*(s.write(b) for s, b in zip(stores, batches, strict=True)))
            stored = [receipt.outcome for receipts in came for receipt in receipts].count(Outcome.STORED)
            assert stored == 401
    finally:
        await one.close()
        await two.close()
