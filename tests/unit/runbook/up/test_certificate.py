"""The certificate of a stack's own: for whom it is, when it is made anew, and whom its clients believe."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.edge import leaf
from runbook.api import Api, Unreachable
from runbook.site import Site
from runbook.stack import Setting
from runbook.up.certificate import due, names, self_signed


class Healthy(http.server.BaseHTTPRequestHandler):
    """Answers every GET."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name for it
        pass


class Quiet(http.server.ThreadingHTTPServer):
    """Says nothing of a client that goes away in the handshake."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serving(pem: str, folder: Path) -> Iterator[str]:
    file = folder / "served.pem"
    file.write_text(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = Quiet(("127.0.0.1", 0), Healthy)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("subjects", [("localhost", "127.0.0.1"), ("amas.example",)])
def test_the_stacks_own_certificate_is_believed_under_any_name(
    subjects: tuple[str, ...], tmp_path: Path
) -> None:
    pem = self_signed(subjects)
    with serving(pem, tmp_path) as url, Api(Site(url, leaf(pem))) as api:
        assert api.health().status == 200


def test_another_certificate_is_not_believed(tmp_path: Path) -> None:
    with serving(self_signed(("localhost", "127.0.0.1")), tmp_path) as url:
        for believed in (leaf(self_signed(("127.0.0.1",))), ""):
            with (
                Api(Site(url, believed)) as api,
                pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"),
            ):
                api.health()


def test_an_authority_of_ones_own_is_believed_for_its_names_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for subject, answers in (("127.0.0.1", True), ("amas.example", False)):
        pem = self_signed((subject,))
        (tmp_path / "ca.pem").write_text(leaf(pem))
        monkeypatch.setenv("AMAS_CA_FILE", str(tmp_path / "ca.pem"))
        with serving(pem, tmp_path) as url, Api(url) as api:
            if answers:
                assert api.health().status == 200
            else:
                with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
                    api.health()


def test_it_is_made_where_there_is_none_and_anew_before_it_ends() -> None:
    held = Setting(self_signed(("localhost",)), secret=True)
    assert due(None, "127.0.0.1")
    assert not due(held, "0.0.0.0")
    assert due(held, "0.0.0.0", lambda _pem, _seconds: False)
    assert due(Setting("not a certificate", secret=True), "127.0.0.1")


def test_it_is_made_anew_for_an_address_that_it_does_not_name() -> None:
    held = Setting(self_signed(names("192.0.2.7", "box")), secret=True)
    assert not due(held, "192.0.2.7")
    assert not due(held, "127.0.0.1")
    assert due(held, "192.0.2.8")


def test_it_is_for_this_host_and_the_address_it_is_published_on() -> None:
    assert names("0.0.0.0", "box") == ("localhost", "127.0.0.1", "::1", "box")
    assert names("192.0.2.7", "box") == ("localhost", "127.0.0.1", "::1", "192.0.2.7", "box")
    assert names("typo", "box") == ("localhost", "127.0.0.1", "::1", "box"), "refused with the other settings"


def test_the_leaf_is_the_first_certificate_and_never_the_key() -> None:
    pem = self_signed(("localhost",))
    found = leaf(pem + self_signed(("localhost",)))
    assert found.count("BEGIN") == 1
    assert "PRIVATE" not in found
    assert found in pem
    with pytest.raises(ValueError, match="no certificate"):
        leaf("")
