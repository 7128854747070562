"""A certificate of the stack's own, for trying out TLS: made once, renewed by `up` in its last 30 days."""

import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path

from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.stack import Setting, Stack
from runbook.terminal import Progress

SECRET = "tlsSelfSigned"  # noqa: S105 - the name of a setting
DAYS = 397
RENEWED_DAYS_BEFORE = 30
DAY_S = 86_400
HERE = ("localhost", "127.0.0.1", "::1")


def ensure_certificate(stack: Stack, settings: Mapping[str, str], progress: Progress) -> None:
    """Makes one where `tls` is self-signed and there is none that lasts and fits; `settings` come on top."""
    held = stack.config()
    wanted = {name: one.value for name, one in held.items()} | dict(settings)
    address = wanted.get("bindAddress", HERE[1])
    if wanted.get("tls") != "self-signed" or not due(held.get(SECRET), address):
        return
    stack.set_secret(SECRET, self_signed(names(address, socket.gethostname())))
    progress.say(f"self-signed certificate made, for {DAYS} days; clients trust it by: amas keys certificate")


def due(held: Setting | None, address: str, lasts: Callable[[str, int], bool] | None = None) -> bool:
    """Also when it is to be published on an address that the certificate does not name."""
    if held is None or not (lasts or _lasts)(held.value, RENEWED_DAYS_BEFORE * DAY_S):
        return True
    return any(not _names(held.value, one) for one in beyond(address))


def names(bind_address: str, host: str) -> tuple[str, ...]:
    """Under which it is asked for: from this host, and by the address it is published on.

    What is no address is refused later, with the other settings.
    """
    return tuple(dict.fromkeys([*HERE, *beyond(bind_address), host]))


def beyond(bind_address: str) -> list[str]:
    """Besides the usual ones; none where it is published on all."""
    if not _is_address(bind_address) or ip_address(bind_address).is_unspecified:
        return []
    return [str(ip_address(bind_address))]


def self_signed(subjects: Sequence[str]) -> str:
    """Private key and certificate in PEM. The key passes through pipes alone."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "certificate.cnf"
        wanted.write_text(_request(subjects))
        words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        days = ["-days", str(DAYS), "-config", str(wanted)]
        done = _openssl([*words, *days, "-keyout", "/dev/stdout", "-out", "/dev/stdout"])
    if done.returncode != 0:
        raise CheckFailed(f"openssl could not make a certificate: {done.stderr.strip()[-300:]}")
    return done.stdout


def _request(subjects: Sequence[str]) -> str:
    alternatives = ",".join(f"{'IP' if _is_address(one) else 'DNS'}:{one}" for one in subjects)
    return (
        "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = server\n"
        "[name]\nCN = AMAS, self-signed\n"
        "[server]\nbasicConstraints = critical,CA:FALSE\nkeyUsage = critical,digitalSignature\n"
        f"extendedKeyUsage = serverAuth\nsubjectKeyIdentifier = hash\nsubjectAltName = {alternatives}\n"
    )


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _lasts(pem: str, seconds: int) -> bool:
    return _openssl(["x509", "-noout", "-checkend", str(seconds)], pem).returncode == 0


def _names(pem: str, address: str) -> bool:
    """Told in words alone: the exit code of OpenSSL 3.0 is 0 either way."""
    return "does match" in _openssl(["x509", "-noout", "-checkip", address], pem).stdout


def _openssl(words: Sequence[str], typed: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["openssl", *words], input=typed, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise EnvironmentMissing(
            "openssl is not on PATH: it makes the self-signed certificate", "apt-get install openssl"
        ) from None
