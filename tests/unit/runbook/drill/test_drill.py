"""Traffic keeps every id with its answer, the receiver keeps what came, and nothing is broken unasked."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from runbook.cli import app
from runbook.drill import inject
from runbook.drill.fault import BY_NAME, Fault
from runbook.drill.place import free_ports
from runbook.drill.receiver import Receiver, receiving
from runbook.drill.run import IN_A_ROW, awaited, seconds_until
from runbook.drill.traffic import Traffic
from runbook.engine import Container
from runbook.errors import CheckFailed, UsageError
from runbook.testing import MemoryEngine, container
from service.alerts import rules


@contextmanager
def answering(*statuses: int) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A service that gives these answers in turn, the last one from then on; 0 is none."""
    waiting, came = list(statuses), []

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_id_is_kept_with_its_answer_and_none_is_sent_twice() -> None:
    with answering(201, 503, 0, 202, 201) as (url, came):
        with Traffic(url, "key", "run", rate_per_s=400) as traffic:
            assert awaited(lambda: len(traffic.last(60)) >= 60, 10)
        sent = [one["decisionId"] for one in came]
    assert len(set(sent)) == len(sent)
    assert set(traffic.answers) == set(sent)
    assert {0, 201, 202, 503} == set(traffic.answers.values())
    assert traffic.last(IN_A_ROW) == [201] * IN_A_ROW


def test_a_receiver_keeps_what_it_took_and_refuses_when_it_is_told_to() -> None:
    with receiving("127.0.0.1") as receiver:
        assert posted(receiver, "db-away", "firing") == 200
        engine = Stops(held=[container("cache")])
        with inject.happening(BY_NAME["webhook"], engine, "local", "", receiver):
            assert engine.commands == [["stop", "cache", "0"]]
            assert posted(receiver, "db-away", "resolved") == 500
        assert (receiver.told("db-away", "firing"), receiver.told("db-away", "resolved")) == (True, False)
        assert posted(receiver, "db-away", "resolved") == 200
        assert receiver.told("db-away", "resolved")


def posted(receiver: Receiver, rule: str, status: str) -> int:
    host, _, port = receiver.host.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    alert = {"labels": {"alertname": rule}, "status": status}
    connection.request("POST", "/alerts", json.dumps({"alerts": [alert]}))
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


class Stops(MemoryEngine):
    """Notes what was ended and begun."""

    def stop_container(self, container: Container, grace_s: int) -> None:
        self.commands.append(["stop", container.part, str(grace_s)])

    def start_container(self, container: Container) -> None:
        self.commands.append(["start", container.part])


def test_what_was_killed_is_started_again_whatever_came_in_between() -> None:
    engine = Stops(held=[container("db")])
    with (
        pytest.raises(CheckFailed, match="something else"),
        inject.happening(BY_NAME["db"], engine, "local", "", None),
    ):
        raise CheckFailed("something else")
    assert engine.commands == [["stop", "db", "0"], ["start", "db"]]


def test_the_ballast_is_bounded_by_what_the_spool_may_take_and_goes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[str]] = []

    def typed(to: Container, command: list[str], password: str) -> tuple[int, str]:
        asked.append(command[3:])
        return 0, "maxmemory\n1000\n" if "CONFIG" in command else "OK"

    monkeypatch.setattr(inject, "typed_into", typed)
    engine = MemoryEngine(held=[container("queue")])
    with inject.happening(BY_NAME["disk"], engine, "local", "secret", None):
        assert asked[-1] == ["SETRANGE", inject.BALLAST, "800", "x"]
    assert asked[-1] == ["UNLINK", inject.BALLAST]


@pytest.mark.parametrize("fault", BY_NAME.values(), ids=BY_NAME)
def test_each_fault_waits_for_a_rule_there_is_longer_than_the_rule_does(fault: Fault) -> None:
    known = {rule.id: rule for rule in rules.load()}
    assert known[fault.alert].duration_ms / 1000 + 30 <= fault.told_within_s


def test_another_stacks_name_touches_nothing() -> None:
    done = CliRunner().invoke(app, ["drill", "db", "--stack", "local", "--on", "other"])
    assert isinstance(done.exception, UsageError)
    assert "nothing was touched" in done.exception.message


def test_what_never_holds_ends_in_time_without_a_figure() -> None:
    assert seconds_until(lambda: False, 0.01) is None
    assert seconds_until(lambda: True, 0.01) is not None


def test_ports_are_free_and_different() -> None:
    assert len(set(free_ports(3))) == 3
