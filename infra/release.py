"""What a release says of itself.

`python -m infra.release notes vX.Y.Z` prints the changelog's section of that version, which must be the
project's; `python -m infra.release images` prints the tags of the images in the lock, one a line.
"""

import re
import sys
import tomllib
from pathlib import Path

from infra import images

ROOT = Path(__file__).resolve().parent.parent
_TAG = re.compile(r"v(\d+\.\d+\.\d+)")


class NotReleasable(Exception):
    """Tag, version and changelog do not agree; the message says what to do."""


def main(argv: list[str]) -> int:
    try:
        sys.stdout.write(_told(argv))
    except (NotReleasable, images.ImagesMissing) as reason:
        sys.stderr.write(f"error: {reason}\n")
        return 2 if isinstance(reason, NotReleasable) else 3
    return 0


def _told(argv: list[str]) -> str:
    match argv:
        case ["notes", tag]:
            project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
            return notes(tag, project["version"], (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
        case ["images"]:
            tags = images.read(images.lock_path()).tags
            return "".join(f"{tag}\n" for _, tag in sorted(tags.items()))
    raise NotReleasable("usage: python -m infra.release notes vX.Y.Z | images")


def notes(tag: str, version: str, changelog: str) -> str:
    """The section of the tag's version; raises NotReleasable."""
    found = _TAG.fullmatch(tag)
    if found is None:
        raise NotReleasable(f"tag {tag!r}: must be vX.Y.Z; next: git tag v{version}")
    if found[1] != version:
        raise NotReleasable(f"tag {tag}: pyproject.toml says {version}; next: git tag v{version}")
    section = re.search(rf"^## {re.escape(version)}\b.*\n((?:(?!## ).*\n)*)", changelog, re.MULTILINE)
    if section is None or not section[1].strip():
        raise NotReleasable(f"tag {tag}: CHANGELOG.md has no section {version!r}; next: write `## {version}`")
    return section[1].strip() + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
