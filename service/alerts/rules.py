"""The rules file: YAML to rules, with every fault at once; the only importer of pyyaml.

`python -m service.alerts.rules FILE` checks a file, `--schema` prints the JSON schema of one.
"""

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from service.alerts import faults
from service.alerts.faults import Fault, RulesInvalid
from service.alerts.rule import Rule
from service.alerts.schema import schema

DEFAULT = Path(__file__).with_name("default-rules.yaml")
MOST_BYTES = 256 * 1024
# A rule's labels are three deep.
MOST_DEPTH = 12
_TOO_BIG = Fault(f"the file may have {MOST_BYTES} bytes at most, and has more")

# The C parser is ten times as fast; it is there wherever PyYAML comes as a wheel.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(text: str) -> list[Rule]:
    """Raises RulesInvalid with all faults, each naming the rule, the field, the value and what is allowed."""
    document = read(text)
    found = faults.find(document.value, document.lines)
    if found:
        raise RulesInvalid(found)
    return msgspec.convert(document.value["rules"], list[Rule])


def load(path: str | Path = "") -> list[Rule]:
    """The rules of a file, the packaged ones without a path. Raises RulesInvalid and OSError."""
    with Path(path or DEFAULT).open("rb") as file:
        # One more than allowed tells that there are too many, whatever the file's size.
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise RulesInvalid([_TOO_BIG])
    return list(_parsed(raw))


@functools.lru_cache(maxsize=1)
def _parsed(raw: bytes) -> tuple[Rule, ...]:
    """A file that says what it said the last time, of the same bytes, is not parsed again."""
    try:
        return tuple(parse(raw.decode("utf-8")))
    except UnicodeDecodeError as error:
        raise RulesInvalid([Fault(f"the file must be UTF-8 text; byte {error.start} is not")]) from None


class Document(NamedTuple):
    """What a YAML file says, and the line of each key and list entry by its path."""

    value: Any
    lines: dict[tuple[str | int, ...], int]


def read(text: str) -> Document:
    """Raises RulesInvalid for what is no plain YAML: aliases, tags, repeated keys, odd numbers included."""
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise RulesInvalid([_TOO_BIG])
    try:
        _screen(text)
        return _composed(text)
    except yaml.MarkedYAMLError as error:
        reason = " ".join(filter(None, [error.context, error.problem]))
        mark = error.problem_mark
        line = None if mark is None else mark.line + 1
        raise RulesInvalid([Fault(f"no YAML: {reason}", line=line)]) from None
    except yaml.YAMLError as error:
        raise RulesInvalid([Fault(f"no YAML: {error}")]) from None


def _screen(text: str) -> None:
    """Before anything is built: an alias can stand for more than memory holds, and depth for more stack."""
    depth, events = 0, yaml.parse(text, Loader=_Loader)
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            raise RulesInvalid([Fault("aliases (*name) are not allowed: write it out", line=line)])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise RulesInvalid([Fault(f"nested more than {MOST_DEPTH} deep", line=line)])


def _composed(text: str) -> Document:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return Document(None, {})
        lines: dict[tuple[str | int, ...], int] = {}
        repeated = list(_repeated(node, (), lines))
        if repeated:
            raise RulesInvalid(repeated)
        return Document(loader.construct_document(node), lines)
    finally:
        loader.dispose()


def _repeated(
    node: yaml.Node, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int]
) -> Iterator[Fault]:
    """Fills `lines` on its way; YAML itself would let the last of two equal keys win."""
    if isinstance(node, yaml.SequenceNode):
        for place, child in enumerate(node.value):
            lines[*path, place] = child.start_mark.line + 1
            yield from _repeated(child, (*path, place), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            inner, line = (*path, str(key.value)), key.start_mark.line + 1
            if inner in lines:
                yield Fault(f"{key.value} stands here for the second time", line=line)
            lines[inner] = line
            yield from _repeated(child, inner, lines)
    elif isinstance(node, yaml.ScalarNode) and faults.odd_number(node.tag, node.value):
        yield Fault(
            f"{path[-1] if path else 'the value'} = {node.value} would be read as another number:"
            " write plain decimal digits, or quotes around text",
            line=node.start_mark.line + 1,
        )


def main(argv: list[str]) -> int:
    """0 when the file is right, 1 with one line for each fault, 2 for wrong usage."""
    if argv == ["--schema"]:
        sys.stdout.write(schema())
        return 0
    if len(argv) != 1 or argv[0].startswith("-"):
        sys.stderr.write("usage: python -m service.alerts.rules FILE | --schema\n")
        return 2
    try:
        rules = load(argv[0])
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: cannot be read: {error.strerror}\n")
        return 1
    except RulesInvalid as error:
        sys.stderr.writelines(f"{argv[0]}: {fault}\n" for fault in error.faults)
        return 1
    sys.stdout.write(f"{argv[0]}: {len(rules)} rules, no faults\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
