"""Where a webhook may not go, however its address is written."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.alerts.address import AddressRefused, is_public, receiver, usable


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.127.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1",
        "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16",
        "::", "::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1",
        "2002:7f00:1::", "2002:808:808::1", "2001::1", "2001:db8::1", "fc00::1", "fd00:ec2::254", "fe80::1",
        "fe80::1%eth0", "fec0::1", "ff02::1", "3fff::1", "5f00::1", "100::1", "localhost", "", "2130706433",
    ],
)  # fmt: skip
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "100.63.255.255", "2606:4700::1111", "172.32.0.1"])
def test_what_is_public_is_taken(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_no_wrapping_of_an_address_gets_through(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    wrapped = (
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x64FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80)),
        ipaddress.IPv6Address(number),
    )
    assert not any(is_public(str(one)) for one in wrapped)


def test_only_https_unless_named() -> None:
    assert receiver("https://a.example/x", ()).port == 443
    with pytest.raises(AddressRefused, match="ALERT_WEBHOOK_ALLOWED_HOSTS"):
        receiver("http://a.example/x", ())
    assert receiver("http://A.example:81/x", ("a.example",)).allowed
    assert receiver("http://a.example:81/x", ("a.example:81",)).allowed
    with pytest.raises(AddressRefused):
        receiver("http://a.example:82/x", ("a.example:81",))


@pytest.mark.parametrize("url", ["ftp://a.example/", "https://", "https://[::1", "https://a.example:x/", "a"])
def test_what_is_no_address_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        receiver(url + "?secret", ())
    assert "secret" not in str(caught.value)


def test_of_mixed_addresses_the_public_ones_are_used_ipv4_first() -> None:
    to = receiver("https://a.example/", ())
    assert usable(["2606:4700::1111", "10.0.0.1", "8.8.8.8"], to) == ["8.8.8.8", "2606:4700::1111"]
    with pytest.raises(AddressRefused, match="no public address"):
        usable(["10.0.0.1", "::1"], to)
    with pytest.raises(AddressRefused, match="has no address"):
        usable([], to)
    assert usable(["10.0.0.1"], receiver("https://a.example/", ("a.example",))) == ["10.0.0.1"]
