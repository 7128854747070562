"""Where a webhook may go: public addresses over HTTPS, or hosts that were named."""

import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from service.errors import ServiceError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_REFUSED = tuple(
    ipaddress.ip_network(one)
    for one in (
        # Shared by carriers' customers, protocol assignments, the retired 6to4 relay, tests of networks.
        "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "168.63.129.16/32",
        # Translation to IPv4 by others, Teredo, documentation, sites, IPv4 in disguise.
        "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fec0::/10", "::/96",
    )
)  # fmt: skip


class AddressRefused(ServiceError):
    """Nothing was sent; the reason names the host at most."""


@dataclass(frozen=True)
class Receiver:
    """Whom a webhook's address names."""

    host: str
    port: int
    is_https: bool
    # The operator named it: it may be private.
    allowed: bool


def receiver(url: str, allowed_hosts: Collection[str]) -> Receiver:
    """Raises AddressRefused for what could never be sent to."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise AddressRefused("the address cannot be read") from None
    if parts.scheme not in ("https", "http") or not host:
        raise AddressRefused("the address must be https://HOST/…")
    is_https = parts.scheme == "https"
    port = port or (443 if is_https else 80)
    named = {one.lower() for one in allowed_hosts}
    allowed = host in named or f"{host}:{port}" in named
    if not is_https and not allowed:
        raise AddressRefused(f"{host}: must be https, or named in ALERT_WEBHOOK_ALLOWED_HOSTS")
    return Receiver(host, port, is_https, allowed)


def usable(found: Iterable[str], to: Receiver) -> list[str]:
    """Of the addresses its name stands for now, those to connect to. Raises AddressRefused without any."""
    addresses = list(dict.fromkeys(found))
    kept = [one for one in addresses if to.allowed or is_public(one)]
    if not kept:
        reason = "is at no public address" if addresses else "has no address"
        raise AddressRefused(f"{to.host}: {reason}")
    # Hosts without a way out by IPv6 are more common than those without one by IPv4.
    return sorted(kept, key=lambda one: ":" in one)


def is_public(text: str) -> bool:
    """False for everything that is not on the internet for sure."""
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        # Whatever carries another address inside could reach that one.
        if address.ipv4_mapped or address.sixtofour or address.teredo or "%" in text:
            return False
        if any(address in network for network in _NAT64):
            return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _REFUSED if network.version == address.version)
    )
