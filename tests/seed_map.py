"""Writes docs/seed-map.md: what of the runbook became which part of this project, from tests/seed.

`python -m tests.seed_map` writes it; `--check` exits 1 when it is out of date.
"""

import ast
import functools
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from infra.keys import KEYS, SECRETS
from service import settings
from tests import pages
from tests.verbs import NoSuchVerb, parsed

ROOT = Path(__file__).resolve().parent.parent
SEED = ROOT / "tests/seed"
PAGE = ROOT / "docs/seed-map.md"
CARRIERS = ("endpoint", "verb", "schedule", "alert", "setting", "file")
_NOTE = "<!-- Written by `python -m tests.seed_map`; change tests/seed/map.yaml instead. -->\n"

Entry = Mapping[str, Any]


def main(words: Sequence[str]) -> int:
    text = page(outline(), carried())
    if "--check" in words:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write(f"{PAGE.relative_to(ROOT)} is out of date; next: python -m tests.seed_map\n")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


def outline() -> dict[str, Entry]:
    """Kind and text of each entry, in the runbook's order."""
    return _read("outline.yaml")


def carried() -> dict[str, Entry]:
    """What carries each entry."""
    return _read("map.yaml")


def faults(entries: Mapping[str, Entry], carriers: Mapping[str, Entry]) -> Iterator[str]:
    """Everything that is missing, or is named and does not exist."""
    for name in carriers.keys() - entries.keys():
        yield f"{name}: no such entry in the outline"
    for name, entry in entries.items():
        one = carriers.get(name)
        if one is not None:
            yield from (f"{name}: {fault}" for fault in _faults_of(one))
        elif not (entry["kind"] == "section" and any(_is_below(other, name) for other in entries)):
            yield f"{name} ({entry['text']}): nothing carries it"


def page(entries: Mapping[str, Entry], carriers: Mapping[str, Entry]) -> str:
    sections = [name for name, entry in entries.items() if entry["kind"] == "section"]
    body = "".join(_section(name, entries, carriers) for name in sections)
    return (
        f"{_NOTE}# Seed map\n\n"
        "The runbook this project came from, entry by entry, and what carries each: an endpoint, a verb, a\n"
        "scheduled job, an alert, a setting or a file, and the test that shows it. A test fails when an\n"
        "entry is carried by nothing, or by something that does not exist.\n\n"
        f"{body}"
    ).rstrip() + "\n"


def _section(name: str, entries: Mapping[str, Entry], carriers: Mapping[str, Entry]) -> str:
    mine = [name, *(other for other in entries if _is_entry_of(other, name))]
    rows = "".join(
        f"| {_text(entries[one]) if one != name else '*as a whole*'} | {_carriers(carriers[one])} "
        f"| {_tests(carriers[one])} |\n"
        for one in mine
        if one in carriers
    )
    title = f"{name} {entries[name]['text']}" if name != "quick" else entries[name]["text"]
    table = f"| runbook | carried by | shown by |\n| --- | --- | --- |\n{rows}\n" if rows else ""
    return f"{'###' if '.' in name else '##'} {title}\n\n{table}"


def _faults_of(one: Entry) -> Iterator[str]:
    unknown = one.keys() - {*CARRIERS, "test", "note"}
    if unknown:
        yield f"unknown fields {sorted(unknown)}"
    if not one.keys() & {*CARRIERS}:
        yield "nothing carries it"
    if not one.get("test"):
        yield "no test shows it"
    for kind in CARRIERS:
        yield from (f"{kind} {what!r} does not exist" for what in _all(one, kind) if not EXISTS[kind](what))
    yield from (f"test {test!r} does not exist" for test in _all(one, "test") if not _is_test(test))


def _is_verb(line: str) -> bool:
    try:
        parsed(line)
    except NoSuchVerb:
        return False
    return True


def _is_test(name: str) -> bool:
    file, _, function = name.partition("::")
    return function in _functions(file)


@functools.cache
def _functions(file: str) -> frozenset[str]:
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(one.name for one in tree.body if isinstance(one, kinds) and one.name.startswith("test_"))


@functools.cache
def _endpoints() -> frozenset[str]:
    described = json.loads((ROOT / "service/openapi.json").read_text(encoding="utf-8"))["paths"]
    return frozenset(f"{method.upper()} {path}" for path, methods in described.items() for method in methods)


@functools.cache
def _settings() -> frozenset[str]:
    return frozenset({*settings.ENV_NAMES, *(key.name for key in KEYS), *(name for name, _ in SECRETS)})


EXISTS: Mapping[str, Callable[[str], bool]] = {
    "endpoint": lambda name: name in _endpoints(),
    "verb": _is_verb,
    "schedule": lambda name: name in {job.job for _, job in pages.scheduled()},
    "alert": lambda name: name in {rule.id for rule in pages.rules()},
    "setting": lambda name: name in _settings(),
    "file": lambda name: (ROOT / name).is_file(),
}


def _all(one: Entry, kind: str) -> list[str]:
    found = one.get(kind, [])
    return [found] if isinstance(found, str) else list(found)


def _is_below(other: str, section: str) -> bool:
    return other.startswith((f"{section}-", f"{section}."))


def _is_entry_of(other: str, section: str) -> bool:
    return other.startswith(f"{section}-")


def _text(entry: Entry) -> str:
    text = _cell(str(entry["text"]))
    return f"`{text}`" if entry["kind"] in {"command", "setting"} else text


def _carriers(one: Entry) -> str:
    shown = [f"{kind} {_shown(kind, what)}" for kind in CARRIERS for what in _all(one, kind)]
    if "note" in one:
        shown.append(f"({one['note']})")
    return "<br>".join(shown)


def _shown(kind: str, what: str) -> str:
    if kind == "alert":
        return f"[{what}](runbook/alerts/{what}.md)"
    if kind == "verb" and pages.page_of_verb(shlex.split(what)[1]).is_file():
        return f"[`{_cell(what)}`](runbook/verbs/{shlex.split(what)[1]}.md)"
    return f"`{_cell(what)}`"


def _tests(one: Entry) -> str:
    return "<br>".join(
        f"{test.partition('::')[2].removeprefix('test_').replace('_', ' ')}" for test in _all(one, "test")
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _read(name: str) -> dict[str, Entry]:
    found: dict[str, Entry] = yaml.safe_load((SEED / name).read_text(encoding="utf-8"))
    return {str(key): entry for key, entry in found.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
