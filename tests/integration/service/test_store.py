"""The hypertable behind the store."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from service.db import Session
from service.insights import testing
from service.insights.store import DatabaseStore, Store

if TYPE_CHECKING:
    from tests.integration.service.conftest import Database

pytestmark = pytest.mark.anyio


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
