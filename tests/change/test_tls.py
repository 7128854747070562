"""TLS at the load balancer of a stack: verbs, sender and k6 go on, and a renewal fails no request."""

import http.client
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import pytest

from clients.amas_sender import Sender
from infra.edge import leaf
from runbook.up.certificate import self_signed
from tests.change.test_rolling import load
from tests.e2e.conftest import free_ports
from tests.faults.conftest import Stack


def test_with_tls_all_goes_on_and_a_renewed_certificate_fails_no_request(
    new_stack: Callable[[], Stack], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack, (port,) = new_stack(), free_ports(1)
    certificate, key = tmp_path / "site.pem", tmp_path / "site.key"
    renew(certificate, key)
    tls = {"tls": "files", "tlsCertificateFile": certificate, "tlsKeyFile": key, "httpsPort": port}
    done = stack.up(
        "--config", "bindAddress=0.0.0.0", *[f"--config={name}={value}" for name, value in tls.items()]
    )
    assert done.returncode == 0, done.stderr
    stack.secure_port = port

    assert_verbs_go_on(stack)
    assert_plain_http_only_redirects(stack, port)
    assert_reads_need_a_key(port, certificate)
    assert_the_sender_believes_it_alone(stack, certificate, tmp_path)

    before, balancer = shown(port), stack.containers("lb")
    with load(stack, tmp_path, "renewed certificate", capsys):
        renew(certificate, key)
        done = stack.up()
        assert done.returncode == 0, done.stderr
    assert shown(port) != before
    assert shown(port) == leaf(certificate.read_text()).strip()
    assert stack.containers("lb") == balancer
    assert_verbs_go_on(stack)


def assert_verbs_go_on(stack: Stack) -> None:
    for words in (("smoke",), ("health",), ("status",), ("switch", "list")):
        done = stack.amas(*words)
        assert done.returncode == 0, done.stdout + done.stderr


def assert_plain_http_only_redirects(stack: Stack, port: int) -> None:
    plain = http.client.HTTPConnection("127.0.0.1", stack.http_port, timeout=10)
    plain.request("GET", "/api/insights/x?y=1", headers={"Host": "amas.example"})
    answer = plain.getresponse()
    assert (answer.status, answer.headers["Location"]) == (
        308,
        f"https://amas.example:{port}/api/insights/x?y=1",
    )
    plain.close()


def assert_reads_need_a_key(port: int, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    secure = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
    secure.request("GET", "/api/insights/x")
    answer = secure.getresponse()
    assert answer.status == 401
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    secure.close()


def assert_the_sender_believes_it_alone(stack: Stack, certificate: Path, folder: Path) -> None:
    shown_by_verb = folder / "shown.pem"
    shown_by_verb.write_text(stack.amas("keys", "certificate").stdout)
    assert shown_by_verb.read_text().strip() == leaf(certificate.read_text()).strip()
    trace = {
        "userId": "tls",
        "occurredAt": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "action": "show-word",
        "durationMs": 1,
        "decisionId": f"tls-{token_hex(6)}",
    }
    key = stack.amas("keys", "show", "ingest").stdout.strip()
    sender = Sender(stack.url, key, ca_file=str(shown_by_verb))
    assert sender.send(trace).state == "stored"
    sender.close()


def renew(certificate: Path, key: Path) -> None:
    pem = self_signed(("localhost", "127.0.0.1"))
    certificate.write_text(leaf(pem))
    key.write_text(pem)


def shown(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port)).strip()
