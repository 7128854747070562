"""What installers and compilers leave in an image is read back as packages."""

import io
import tarfile
from collections.abc import Iterator

import pytest

from runbook.sbom.export import wanted_files
from runbook.sbom.packages import CHARTS, DPKG_STATUS, Package, go, is_wanted, packages

STATUS = b"""Package: apt
Status: install ok installed
Architecture: amd64
Version: 3.0.4
Description: commandline package manager
 with: a colon
 .
 and more

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2026b-0+deb13u1
"""
METADATA = "opt/venv/lib/python3.13/site-packages/{}.dist-info/METADATA"
GUARD = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6"
MODULES = """path\tgo.k6.io/k6/v2
mod\tamas/tools/k6\t(devel)
dep\tgo.k6.io/k6/v2\tv2.2.0\th1:aaa
dep\tgithub.com/old/one\tv1.0.0
=>\tgithub.com/new/one\tv1.0.1\th1:bbb
build\t-compiler=gc
"""


def program(modules: str = MODULES, toolchain: str = "go1.26.8", flags: int = 2) -> bytes:
    told = GUARD + modules.encode() + GUARD
    header = b"\xff Go buildinf:" + bytes([8, flags]) + bytes(16)
    return b"\x7fELF" + bytes(500) + header + text(toolchain.encode()) + text(told) + bytes(90)


def text(content: bytes) -> bytes:
    """Its length in seven bits a byte, then the text."""
    length, head = len(content), b""
    while length >= 0x80:
        head += bytes([length & 0x7F | 0x80])
        length >>= 7
    return head + bytes([length]) + content


def test_installed_debian_packages_are_found_and_removed_ones_are_not() -> None:
    assert packages({DPKG_STATUS: STATUS}) == [
        Package("deb", "apt", "3.0.4", architecture="amd64"),
        Package("deb", "tzdata", "2026b-0+deb13u1", architecture="all"),
    ]


def test_a_python_distribution_goes_by_its_normal_name_and_has_its_licence() -> None:
    metadata = b"Name: Typing_Extensions\nVersion: 4.13.2\nLicense-Expression: PSF-2.0\n\nWhat it is for."
    assert packages({METADATA.format("typing_extensions-4.13.2"): metadata}) == [
        Package("pypi", "typing-extensions", "4.13.2", "PSF-2.0")
    ]


def test_a_go_program_tells_its_toolchain_and_modules_with_replaced_ones_as_they_are() -> None:
    assert list(go(program())) == [
        Package("golang", "stdlib", "1.26.8"),
        Package("golang", "go.k6.io/k6/v2", "v2.2.0"),
        Package("golang", "github.com/new/one", "v1.0.1"),
    ]


@pytest.mark.parametrize(
    "content", [b"", b"#!/bin/sh\nexec amas\n", program(flags=0), b"\x7fELF" + bytes(900)]
)
def test_what_is_no_go_program_of_today_has_no_modules(content: bytes) -> None:
    assert list(go(content)) == []


def test_the_chart_library_is_known_by_its_head() -> None:
    head = b"/**\n* uPlot.js (uPlot)\n* https://github.com/leeoniya/uPlot (v1.6.32)\n*/\n"
    assert packages({CHARTS: head}) == [Package("npm", "uplot", "1.6.32")]


def test_a_package_that_two_files_tell_of_stands_once() -> None:
    metadata = b"Name: rich\nVersion: 15.0.0\n"
    twice = {METADATA.format(place): metadata for place in ("rich-15.0.0", "vendor/rich-15.0.0")}
    assert packages(twice) == [Package("pypi", "rich", "15.0.0")]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (DPKG_STATUS, True),
        (METADATA.format("rich-15.0.0"), True),
        ("usr/local/bin/k6", True),
        ("usr/local/bin/folder/k6", False),
        ("usr/share/METADATA", False),
        ("etc/passwd", False),
    ],
)
def test_only_files_that_tell_of_packages_are_read(path: str, wanted: bool) -> None:
    assert is_wanted(path) is wanted


def archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in (
            (DPKG_STATUS, STATUS),
            ("etc/passwd", b"root"),
            ("usr/local/bin/amas", b"#!/bin/sh"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("usr/local/bin/wget")
        link.type, link.linkname = tarfile.SYMTYPE, "/bin/busybox"
        tar.addfile(link)
    return out.getvalue()


@pytest.mark.parametrize("size", [1, 512, 1 << 20])
def test_files_are_read_from_a_stream_however_it_is_cut(size: int) -> None:
    whole = archive()

    def chunks() -> Iterator[bytes]:
        yield from (whole[start : start + size] for start in range(0, len(whole), size))

    assert wanted_files(chunks()) == {DPKG_STATUS: STATUS, "usr/local/bin/amas": b"#!/bin/sh"}
