import httpx
import pytest
import stamina

from runbook.api import Api, Keys, Unreachable
from runbook.errors import CheckFailed
from runbook.testing import MemoryService

KEYS = Keys(ingest="i", read="r", admin="a", metrics="m")
TRACE = {"decisionId": "a:1", "userId": "слово"}


@pytest.fixture(autouse=True)
def no_waiting() -> None:
    stamina.set_testing(True, attempts=8)


def api(service: MemoryService) -> Api:
    return Api("http://service.test/", KEYS, service.transport())


def test_a_busy_service_is_asked_again_until_it_takes_the_trace(caplog: pytest.LogCaptureFixture) -> None:
    service = MemoryService(busy=3)
    with api(service) as asked:
        assert asked.post_trace(TRACE, "run-1").status == 201
    assert len(service.requests) == 4
    assert not [line for line in caplog.record_tuples if line[0] == "stamina"], "no line for each try"


def test_a_service_that_stays_busy_is_told_as_such() -> None:
    with api(MemoryService(busy=99)) as asked, pytest.raises(Unreachable, match="still 503 after 8 tries"):
        asked.post_trace(TRACE, "run-1")


@pytest.mark.parametrize(("header", "waited_s"), [("2", 2.0), ("3600", 5.0), (None, True), ("soon", True)])
def test_retry_after_is_honoured_within_reason(header: str | None, waited_s: float) -> None:
    from runbook import api as module  # noqa: PLC0415

    busy = module._Busy(module.Answer(503, ""), module._retry_after_s(header))
    assert module._wait_s(busy) == waited_s


def test_a_broken_connection_is_tried_again_and_then_named() -> None:
    tried = []

    def broken(request: httpx.Request) -> httpx.Response:
        tried.append(request)
        raise httpx.ConnectError("connection refused")

    with Api("http://service.test", KEYS, httpx.MockTransport(broken)) as asked:
        with pytest.raises(Unreachable, match=r"runs/x: connection refused"):
            asked.stored_of_run("x")
        assert len(tried) == 8
        with pytest.raises(Unreachable):
            asked.health()
    assert len(tried) == 9, "a check looks once"


def test_each_route_gets_the_key_of_its_scope_and_no_other() -> None:
    service = MemoryService()
    with api(service) as asked:
        asked.health()
        asked.metrics()
        asked.read("/api/alerts/active")
        asked.post_trace(TRACE, "run-1")
        asked.purge_run("run-1")
    assert [request.headers.get("Authorization") for request in service.requests] == [
        None, "Bearer m", "Bearer r", "Bearer i", "Bearer a",
    ]  # fmt: skip


def test_keys_hide_themselves() -> None:
    assert "i" not in repr(Keys(ingest="iii")).replace("Keys(<secret>)", "")


def test_a_marked_batch_is_sent_as_lines_in_utf8() -> None:
    service = MemoryService()
    with api(service) as asked:
        asked.post_traces([TRACE, {**TRACE, "decisionId": "a:2"}], "run-1")
    sent = service.requests[0]
    assert sent.headers["Content-Type"] == "application/x-ndjson"
    assert sent.headers["X-Amas-Run-Id"] == "run-1"
    assert sent.content.decode().count("\n") == 1
    assert "слово" in sent.content.decode()


def test_a_list_is_read_to_its_last_page() -> None:
    service = MemoryService()
    with api(service) as asked:
        asked.post_traces([{**TRACE, "decisionId": f"a:{n}"} for n in range(25)], "run-1")
        assert len(asked.insights_of("слово")) == 25


def test_an_answer_in_another_shape_fails_with_what_came() -> None:
    strange = httpx.MockTransport(lambda _: httpx.Response(200, json={"rows": 3}))
    refused = httpx.MockTransport(lambda _: httpx.Response(403, text="wrong scope"))
    with Api("http://x", KEYS, strange) as asked, pytest.raises(CheckFailed, match="no `stored`"):
        asked.stored_of_run("r")
    with Api("http://x", KEYS, refused) as asked, pytest.raises(CheckFailed, match="403 wrong scope"):
        asked.purge_run("r")
