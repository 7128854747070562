"""TLS at the load balancer: what its settings must be together, and the PEM it is given."""

import ipaddress
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from infra.keys import Value

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?", re.DOTALL)
_FILES = ("tlsCertificateFile", "tlsKeyFile")


def problems(values: Mapping[str, Value]) -> list[str]:
    """What is wrong with address and certificate, each named by its key."""
    found: list[str] = []
    address, tls = str(values["bindAddress"]), values["tls"]
    if tls == "off" and not ipaddress.ip_address(address).is_loopback:
        found.append(
            f"amas:bindAddress = {address}: beyond loopback only with TLS: set amas:tls to files, "
            "with amas:tlsCertificateFile and amas:tlsKeyFile"
        )
    given = [name for name in _FILES if values[name]]
    if tls != "files" and given:
        found.append(
            f"amas:{given[0]} = {values[given[0]]}: not used while amas:tls is {tls}; set it to files"
        )
    return found if tls != "files" else [*found, *_file_problems(values)]


def combined(certificate_file: str, key_file: str) -> str:
    """Certificate, chain and private key in one PEM, as HAProxy takes them."""
    files = dict.fromkeys([certificate_file, key_file])  # one file may hold both
    # A tool's remarks around the PEM may be in any language; PEM itself is ASCII.
    parts = [Path(one).read_text(encoding="utf-8", errors="replace").strip() for one in files]
    return "".join(f"{part}\n" for part in parts)


def leaf(pem: str) -> str:
    """The server's own certificate: the first one. It is public."""
    found = _CERTIFICATE.search(pem)
    if found is None:
        raise ValueError("there is no certificate in the PEM")
    return found[0]


def _file_problems(values: Mapping[str, Value]) -> list[str]:
    missing = [
        f"amas:{name} = {values[name]}: no such file; amas:tls files needs it, as a path from the project"
        for name in _FILES
        if not Path(str(values[name])).is_file()
    ]
    return missing or _pair_problems(*(str(values[name]) for name in _FILES))


def _pair_problems(certificate_file: str, key_file: str) -> list[str]:
    def refuse() -> str:
        raise ValueError("it has a password")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate_file, key_file, refuse)
    except (ssl.SSLError, OSError, ValueError) as reason:
        why = reason.reason if isinstance(reason, ssl.SSLError) and reason.reason else reason
        return [
            f"amas:tlsKeyFile = {key_file}: not the key of tlsCertificateFile = {certificate_file}: {why}"
        ]
    return []
