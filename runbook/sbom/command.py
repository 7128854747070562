"""`amas sbom`: a bill of materials for each image of the release."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from runbook import places, terminal
from runbook.errors import EnvironmentMissing, UsageError
from runbook.options import AsJson
from runbook.sbom.export import contents
from runbook.sbom.packages import Package, packages
from runbook.terminal import Progress

KINDS = ("deb", "pypi", "golang", "npm")


def sbom(
    image: Annotated[str | None, typer.Argument(help="One image of the release; default: all.")] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")] = Path("sbom"),
    as_json: AsJson = False,
) -> None:
    """What each image holds, as CycloneDX JSON. Runs on the host.

    Debian packages, Python distributions, modules of Go programs: read from the image's files, not from
    what it was made of.
    """
    from runbook.sbom.document import document  # noqa: PLC0415 - host only: absent from the runbook image

    wanted = chosen(locked(places.image_lock()), image)
    out.mkdir(parents=True, exist_ok=True)
    progress, found = Progress(), {}
    for name, entry in wanted.items():
        with progress.step(f"read image {name}"):
            held = contents(entry["id"])
            found[name] = packages(held.files)
            text = document(entry["tag"], entry["id"], held.made, found[name])
            (out / f"{name}.cdx.json").write_text(text, encoding="utf-8")
    _show(out, found, as_json=as_json)


def locked(path: Path) -> dict[str, dict[str, str]]:
    try:
        lock: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EnvironmentMissing(f"there is no image lock at {path}", "amas up --prepare-only") from None
    return lock


def chosen(lock: Mapping[str, dict[str, str]], image: str | None) -> dict[str, dict[str, str]]:
    if image is not None and image not in lock:
        raise UsageError(f"image {image!r}: must be one of {', '.join(sorted(lock))}", "amas sbom")
    return {name: lock[name] for name in ([image] if image else sorted(lock))}


def _show(out: Path, found: Mapping[str, list[Package]], *, as_json: bool) -> None:
    counted = {name: Counter(one.kind for one in held) for name, held in found.items()}
    if as_json:
        facts = {name: {"file": str(out / f"{name}.cdx.json"), **counts} for name, counts in counted.items()}
        terminal.show_json(facts)
        return
    terminal.show_table(
        ["image", *KINDS],
        [[name, *(str(counts[kind]) for kind in KINDS)] for name, counts in counted.items()],
    )
    terminal.show_lines([f"written   {out}"])
