"""Packages by what installers and compilers left of them in an image's files. Pure."""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import PurePosixPath

DPKG_STATUS = "var/lib/dpkg/status"
GO_FOLDER = "usr/local/bin/"
CHARTS = "opt/amas/service/console/charts/uPlot.esm.js"
_CHARTS_VERSION = re.compile(rb"\(v(\d+\.\d+\.\d+)\)")
# What the linker puts before Go's own account of a program: magic, pointer size, flags, 16 bytes of room.
_GO_MAGIC = b"\xff Go buildinf:"
_GO_HEADER_BYTES = 32
_GO_INLINE = 2
# Around the list of modules.
_GO_GUARD_BYTES = 16


@dataclass(frozen=True, order=True)
class Package:
    """`kind` is the type of a package URL: deb, pypi, golang, npm."""

    kind: str
    name: str
    version: str
    licence: str = ""
    architecture: str = ""


def is_wanted(path: str) -> bool:
    """Whether a file tells of packages."""
    place = PurePosixPath(path)
    return (
        path in {DPKG_STATUS, CHARTS}
        or (place.name == "METADATA" and place.parent.name.endswith(".dist-info"))
        or str(place.parent) + "/" == GO_FOLDER
    )


def packages(files: Mapping[str, bytes]) -> list[Package]:
    """All of them, each once, in order; `files` are those that are wanted, by path."""
    return sorted({one for path, content in files.items() for one in _of_file(path, content)})


def _of_file(path: str, content: bytes) -> Iterator[Package]:
    if path == DPKG_STATUS:
        yield from debian(content.decode("utf-8"))
    elif path.endswith("/METADATA"):
        yield from python(content.decode("utf-8"))
    elif path == CHARTS:
        yield from (
            Package("npm", "uplot", found[1].decode()) for found in _CHARTS_VERSION.finditer(content[:400])
        )
    else:
        yield from go(content)


def debian(status: str) -> Iterator[Package]:
    """Installed ones; what was removed and left its settings is none."""
    for paragraph in status.split("\n\n"):
        fields = HeaderParser().parsestr(paragraph)
        if fields.get("Status") == "install ok installed":
            yield Package("deb", fields["Package"], fields["Version"], architecture=fields["Architecture"])


def python(metadata: str) -> Iterator[Package]:
    fields = HeaderParser().parsestr(metadata)
    name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
    yield Package("pypi", name, fields["Version"], fields.get("License-Expression", ""))


def go(program: bytes) -> Iterator[Package]:
    """The modules that a Go program was linked from; a file that is none has none."""
    toolchain, modules = _go_account(program)
    if toolchain:
        yield Package("golang", "stdlib", toolchain.removeprefix("go"))
    lines = [line.split("\t") for line in modules.splitlines()]
    for (word, *fields), (following, *_) in itertools.pairwise([*lines, [""]]):
        # A program built in a module of its own has no version of it.
        is_told = word in {"mod", "dep", "=>"} and len(fields) >= 2 and fields[1] != "(devel)"
        if is_told and following != "=>":
            yield Package("golang", fields[0], fields[1])


def _go_account(program: bytes) -> tuple[str, str]:
    """Toolchain and modules of Go 1.18 and later, where both follow the header; of older ones nothing."""
    start = program.find(_GO_MAGIC)
    if start < 0 or not program[start + len(_GO_MAGIC) + 1] & _GO_INLINE:
        return "", ""
    length, place = _varint(program, start + _GO_HEADER_BYTES)
    toolchain = program[place : place + length]
    length, place = _varint(program, place + length)
    guarded = program[place : place + length]
    return toolchain.decode(), guarded[_GO_GUARD_BYTES:-_GO_GUARD_BYTES].decode("utf-8", errors="replace")


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """The number and where it ends: seven bits a byte, the lowest first."""
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
