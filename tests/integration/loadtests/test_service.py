"""The scripts against the service itself, on in-memory stores: what they take its answers for is true."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from loadtests import flow, k6
from loadtests.catalog import TESTS, Hold, Profile, catalog
from loadtests.flow import Place, Wishes
from loadtests.plan import Order
from loadtests.tell import Teller
from runbook.api import Api, Keys
from runbook.terminal import Progress
from runbook.up.toolchain import tools_bin
from service import settings
from service.app import Service
from service.insights.testing import MemoryStore
from service.metrics import Metrics
from tests.unit.service.standing import ENVIRON, Reads, stores


class Rows(Reads):
    """What the load tests read of what is stored."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__()
        self._store = store

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        stored, run_id = self._store.rows, parameters.get("run_id")
        mine = [one for one in stored.values() if one.run_id == run_id]
        if query == "count_run":
            return [(len(mine),)]
        if query == "purge_run":
            return [(stored.pop(one.decision_id).decision_id,) for one in mine[:2000]]
        if query in ("insight_by_time", "insight_by_key"):
            return [('{"decisionId":"x"}',)] if parameters["decision_id"] in stored else []
        return await super().rows(query, parameters)


@pytest.fixture
def served() -> Iterator[tuple[str, MemoryStore]]:
    """The service at an address of this machine, and what it holds."""
    store = MemoryStore()
    service = Service(settings.load(ENVIRON), Metrics("test"), stores(Rows(store), store))
    config = uvicorn.Config(service.asgi, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    held = socket.create_server(("127.0.0.1", 0))

    async def serve() -> None:
        await service.start()
        await server.serve(sockets=[held])
        await service.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    yield f"http://127.0.0.1:{held.getsockname()[1]}", store
    server.should_exit = True
    thread.join()
    held.close()


@pytest.mark.parametrize("test", TESTS)
def test_every_script_passes_against_the_service(
    tmp_path: Path, served: tuple[str, MemoryStore], test: str
) -> None:
    url, store = served
    known = catalog()
    short = Profile("short", "short", measure=(Hold(30, 2.0),))
    with Api(url, Keys("ingest", "read", "admin", "metrics")) as api:
        place = Place(
            service=api,
            keys=k6.Keys(ingest="ingest", read="read"),
            k6=k6.find(tools_bin()),
            results=tmp_path,
            progress=Progress(),
            teller=Teller(),
            url=url,
            catalog=replace(known, profiles={**known.profiles, "short": short}),
        )
        outcome = flow.load_test(Order(test, "short", url), place, datetime.now(UTC), Wishes())
    assert outcome.verdict.reasons == []
    assert outcome.result is not None
    assert outcome.found.stored == outcome.result.accepted
    assert store.rows == {}
