"""The load balancer: finds replicas by DNS, loses no request, says so plainly when there are none."""

import json
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker.models.containers import Container

from infra.edge import leaf
from runbook.site import Site, trusted
from runbook.up.certificate import self_signed
from tests.integration.images.conftest import Answer, Lab, archive, ended, eventually, log

STUB = (Path(__file__).parent / "stub_replica.py").read_text()
CONFIGURATION = Path(__file__).parents[3] / "infra/components/haproxy.cfg"
VALUES = {"AMAS_MAX_REPLICAS": "4", "AMAS_TLS": "off", "AMAS_HTTPS_PORT": "3443", "AMAS_HSTS_MAX_AGE_S": "60"}
FIRST, SECOND = "00000000000a", "00000000000b"


@dataclass(frozen=True)
class Reply:
    """One answer of the load balancer."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Balancer:
    """A running load balancer and the network its replicas join."""

    lab: Lab
    network: str
    volume: str
    container: Container

    @property
    def address(self) -> str:
        return self.address_of(self.container)

    def address_of(self, container: Container) -> str:
        container.reload()
        return str(container.attrs["NetworkSettings"]["Networks"][self.network]["IPAddress"])

    def ask(
        self,
        path: str = "/",
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        port: int = 3000,
    ) -> Reply:
        connection = HTTPConnection(self.address, port, timeout=40)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def replica(self, **environment: str) -> Container:
        """A stub under the service's name; listening, and known to the load balancer, when this returns."""
        before = self.up()
        alias = self.lab.alias(self.network, "api")
        stub = self.lab.run("service", ["python", "-c", STUB], environment=environment, **alias)
        eventually(lambda: accepts(self.address_of(stub), 8000), stub)
        # An address new in DNS counts as up; only a check later is that what the check says.
        time.sleep(1.2)
        eventually(lambda: self.up() == before + 1, stub)
        return stub

    def up(self) -> int:
        metrics = self.ask("/metrics", port=8405).body.decode()
        return metrics.count('haproxy_server_status{proxy="api"') and len(
            re.findall(r'haproxy_server_status\{proxy="api",server="[^"]+",state="UP"\} 1', metrics)
        )

    def names(self, count: int = 20) -> set[str]:
        return {self.ask().json["name"] for _ in range(count)}


@pytest.fixture
def lb(lab: Lab) -> Balancer:
    return started(lab, files(FIRST))


def started(lab: Lab, configuration: dict[str, str]) -> Balancer:
    network, volume = lab.network(), lab.volume()
    assert loaded(lab, network, volume, FIRST, configuration) == Answer(0, "")
    container = lab.run("lb", volumes={volume: "/config"}, **lab.alias(network, "lb"))
    balancer = Balancer(lab, network, volume, container)
    eventually(lambda: accepts(balancer.address, 3000), container)
    return balancer


def files(name: str, **values: str) -> dict[str, str]:
    """A configuration as the stack makes it."""
    given = {**VALUES, **values, "AMAS_LB_CONFIG": name, "AMAS_LB_FOLDER": f"/config/{name}"}
    lines = "".join(f"    setenv {key} {value}\n" for key, value in given.items())
    return {"values.cfg": f"global\n{lines}", "haproxy.cfg": CONFIGURATION.read_text()}


def loaded(lab: Lab, network: str, volume: str, name: str, configuration: dict[str, str]) -> Answer:
    """What the loader of the stack does, and says."""
    job = lab.engine.containers.create(
        lab.lock["lb"]["id"],
        ["amas-lb-load", name],
        user="0:0",
        network=network,
        volumes={volume: {"bind": "/config", "mode": "rw"}},
        cap_drop=["ALL"],
        cap_add=["CHOWN", "DAC_OVERRIDE", "FOWNER"],
    )
    lab.containers.append(job)
    packed = {f"incoming/{file}": text.encode() for file, text in configuration.items()}
    job.put_archive("/", archive(packed, 0))
    job.start()
    return Answer(ended(job), log(job))


def accepts(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def test_without_a_replica_it_answers_a_problem_and_when_to_come_back(lb: Balancer) -> None:
    reply = lb.ask("/api/decisions", method="POST", body=b"{}", headers={"X-Request-Id": "mine"})
    assert reply.status == 503
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert 1 <= int(reply.headers["Retry-After"]) <= 5
    assert reply.json["status"] == 503
    assert reply.json["requestId"] == "mine"
    assert lb.ask("/lb-health", port=8405).status == 503


def test_requests_spread_over_replicas_as_they_come_and_go(lb: Balancer) -> None:
    first = lb.replica()
    assert lb.ask("/lb-health", port=8405).status == 200
    assert len(lb.names()) == 1
    lb.replica()
    assert len(lb.names()) == 2
    first.remove(force=True)
    lb.lab.containers.remove(first)
    eventually(lambda: lb.up() == 1)
    assert len(lb.names()) == 1


def test_replicas_that_are_late_with_their_check_go_on_serving(lb: Balancer) -> None:
    """On a host that has too much to do all of them are: to take them away would refuse everybody."""
    lb.replica(AMAS_STUB="late")
    until = time.monotonic() + 10
    while time.monotonic() < until:
        assert lb.ask().status == 200
        time.sleep(0.1)


def test_kill_9_of_a_replica_under_load_fails_no_request(lb: Balancer) -> None:
    """Safe for POST since every decision carries its id; with plain settings some failed."""
    first = lb.replica()
    lb.replica()
    statuses: list[int] = []
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            statuses.append(lb.ask("/api/decisions", method="POST", body=b"{}" * 500).status)

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    time.sleep(1)
    first.kill("KILL")
    time.sleep(3)
    lb.replica()
    time.sleep(1)
    stop.set()
    for sender in senders:
        sender.join()
    assert len(statuses) > 200
    assert set(statuses) == {200}


@pytest.mark.parametrize("body_bytes", [2, 64 * 1024])
def test_request_cut_by_one_replica_is_sent_to_the_next(lb: Balancer, body_bytes: int) -> None:
    lb.replica(AMAS_STUB="drop")
    lb.replica()
    headers = {"X-Padding": "x" * 4000}
    for _ in range(20):
        reply = lb.ask("/api/decisions", method="POST", body=b"x" * body_bytes, headers=headers)
        assert (reply.status, reply.json.get("bodyBytes")) == (200, body_bytes), log(lb.container)


def test_batch_of_8_mib_passes(lb: Balancer) -> None:
    lb.replica()
    reply = lb.ask("/api/decisions", method="POST", body=b"x" * 8 * 1024 * 1024)
    assert (reply.status, reply.json["bodyBytes"]) == (200, 8 * 1024 * 1024)


def test_request_id_is_passed_on_or_made(lb: Balancer) -> None:
    lb.replica()
    for sent, kept in {"order-7.a": True, "x" * 64: True, "x" * 65: False, 'a"b': False}.items():
        reply = lb.ask(headers={"X-Request-Id": sent})
        received = reply.json["headers"]["x-request-id"]
        assert reply.headers.get_all("X-Request-Id") == [received]
        assert (received == sent) is kept
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", received)


def test_what_a_client_claims_about_forwarding_is_replaced(lb: Balancer) -> None:
    lb.replica()
    claimed = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "Forwarded": "for=203.0.113.9"}
    received = lb.ask(headers=claimed | {"Host": "amas.example"}).json["headers"]
    assert "203.0.113.9" not in str(received)
    assert received["x-forwarded-proto"] == "http"
    assert received["x-forwarded-host"] == "amas.example"


def test_slow_client_is_cut_after_10_s(lb: Balancer) -> None:
    lb.replica()
    with socket.create_connection((lb.address, 3000), timeout=20) as half:
        half.sendall(b"POST /api/decisions HTTP/1.1\r\nHost: lb\r\nContent-Length: 1000\r\n\r\n{")
        started = time.monotonic()
        answer = half.recv(4096)
    assert 8 < time.monotonic() - started < 12
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"application/problem+json" in answer


def test_log_tells_what_went_wrong_as_json_without_secrets(lb: Balancer) -> None:
    lb.replica()
    lb.ask("/fine")
    lb.ask("/missing?token=hidden", headers={"Authorization": "Bearer hidden", "X-Request-Id": "wanted"})
    eventually(lambda: "/missing" in log(lb.container), lb.container, timeout_s=5)
    (line,) = [json.loads(line) for line in log(lb.container).splitlines() if line.startswith("{")]
    assert line | {"component": "lb", "requestId": "wanted", "path": "/missing", "status": 404} == line
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", line["time"])
    assert "hidden" not in log(lb.container)


def test_stop_lets_running_requests_end(lb: Balancer) -> None:
    lb.replica()
    replies: list[Reply] = []
    running = threading.Thread(target=lambda: replies.append(lb.ask("/slow")))
    running.start()
    time.sleep(0.5)
    lb.container.stop(timeout=20)
    running.join()
    assert [reply.status for reply in replies] == [200]
    assert ended(lb.container) == 0


def test_a_new_configuration_is_taken_over_in_place_and_loses_no_request(lb: Balancer) -> None:
    lb.replica()
    statuses, stop = [], threading.Event()

    def send() -> None:
        while not stop.is_set():
            statuses.append(lb.ask().status)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        found = loaded(lb.lab, lb.network, lb.volume, SECOND, files(SECOND, AMAS_MAX_REPLICAS="5"))
    finally:
        stop.set()
        sender.join()
    assert found == Answer(0, "")
    assert set(statuses) == {200}
    assert lb.ask("/config", port=8405).body == f"{SECOND}\n".encode()
    assert lb.ask("/metrics", port=8405).body.count(b'haproxy_server_status{proxy="api",server="api-5"')
    assert "Loading success" in log(lb.container)


def test_a_configuration_that_is_refused_changes_nothing(lb: Balancer) -> None:
    lb.replica()
    bad = {**files(SECOND), "haproxy.cfg": CONFIGURATION.read_text() + "    no-such-keyword\n"}
    found = loaded(lb.lab, lb.network, lb.volume, SECOND, bad)
    assert found.exit_code == 1
    assert "no-such-keyword" in found.text
    assert f"HAProxy refuses the configuration {SECOND}" in found.text
    lb.container.restart()
    eventually(lambda: accepts(lb.address, 3000), lb.container)
    assert lb.ask("/config", port=8405).body == f"{FIRST}\n".encode()


def test_with_tls_plain_http_is_redirected_and_browsers_are_told(lab: Lab) -> None:
    pem = self_signed(("localhost",))
    lb = started(lab, {**files(FIRST, AMAS_TLS="on"), "site.pem": pem})
    lb.replica()
    moved = lb.ask("/a?b=c", port=3080, headers={"Host": "amas.example:80"})
    assert (moved.status, moved.headers["Location"]) == (308, "https://amas.example:3443/a?b=c")
    with httpx.Client(verify=trusted(Site("", leaf(pem)))) as client:
        answer = client.get(f"https://{lb.address}:3443/")
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"] == "max-age=60"
    assert answer.json()["headers"]["x-forwarded-proto"] == "https"
    assert "Strict-Transport-Security" not in lb.ask().headers


def test_a_renewed_certificate_is_shown_without_a_restart(lab: Lab) -> None:
    before, after = self_signed(("localhost",)), self_signed(("localhost",))
    lb = started(lab, {**files(FIRST, AMAS_TLS="on"), "site.pem": before})
    lb.replica()
    assert shown(lb) == leaf(before).strip()
    renewed = {**files(SECOND, AMAS_TLS="on"), "site.pem": after}
    assert loaded(lab, lb.network, lb.volume, SECOND, renewed) == Answer(0, "")
    assert shown(lb) == leaf(after).strip()


def shown(lb: Balancer) -> str:
    return ssl.get_server_certificate((lb.address, 3443)).strip()
