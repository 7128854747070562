"""The page's files, held in memory with their sums and packed once, at start."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

STATIC = Path(__file__).with_name("static")
# The chart library, put here when the image is built; the page says so where it is missing.
CHARTS = Path(__file__).with_name("charts")
PAGE = "index.html"

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Asset:
    """One file as it is sent."""

    content: bytes
    packed: bytes
    kind: str
    etag: str


@dataclass(frozen=True)
class Assets:
    """All files under one release name: modules name one another by relative path, so they change as one."""

    release: str
    page: Asset
    files: dict[str, Asset]


def load(static: Path = STATIC, charts: Path = CHARTS) -> Assets:
    """Raises OSError: a replica without its page should not come up unnoticed."""
    contents = {path.name: path.read_bytes() for path in _files(static)}
    library = {path.name: path.read_bytes() for path in _files(charts)} if charts.is_dir() else {}
    page = contents.pop(PAGE)
    contents |= library
    release = _sum(page, *(part for name in sorted(contents) for part in (name.encode(), contents[name])))
    filled = page.replace(b"{{release}}", release.encode()).replace(
        b"{{charts}}", b"installed" if library else b"missing"
    )
    return Assets(
        release,
        _asset(PAGE, filled),
        {name: _asset(name, content) for name, content in contents.items()},
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in _KINDS)


def _asset(name: str, content: bytes) -> Asset:
    packed = gzip.compress(content, mtime=0)
    return Asset(content, packed, _KINDS[Path(name).suffix], _sum(content))


def _sum(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()[:20]
