"""One loop for all asynchronous tests here."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
