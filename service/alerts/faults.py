"""What is wrong with a rules file: all of it, so that nobody fixes one fault at a time."""

import difflib
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from service.alerts.rule import Rule
from service.alerts.vocabulary import METRICS
from service.errors import ServiceError

Lines = Mapping[tuple[str | int, ...], int]

_FIELDS = {one.encode_name: one for one in msgspec.structs.fields(Rule)}
# YAML 1.1 reads 0300 as 192, 1:30 as 90 and 1_000 as 1000.
_DECIMAL = re.compile(
    r"[-+]?(0|[1-9]\d*)(\.\d*)?([eE][-+]\d+)?|[-+]?\.\d+([eE][-+]\d+)?|[-+]?\.(inf|nan)",
    re.IGNORECASE,
)
_UPWARD, _DOWNWARD = {">", ">="}, {"<", "<="}


class Fault(msgspec.Struct, frozen=True):
    """One thing to mend; `field` has its place where the fault is in one rule."""

    reason: str
    rule: str | None = None
    field: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        where = [f"line {self.line}" if self.line else "", f"rule {self.rule}" if self.rule else ""]
        said = f"{self.field} {self.reason}" if self.field else self.reason
        return ": ".join([*filter(None, [", ".join(filter(None, where))]), said])


class RulesInvalid(ServiceError):
    """Nothing of the file is taken; `faults` has all that is wrong with it."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("\n".join(map(str, faults)))


def find(document: Any, lines: Lines) -> list[Fault]:
    """Empty when `document` is a mapping with valid rules."""
    if not isinstance(document, dict) or not isinstance(document.get("rules"), list):
        return [Fault(f"the file must be a mapping with a list named rules; it is {_shown(document)}")]
    found = [
        Fault(f"{_shown(name)} is not known; allowed beside rules: nothing", line=lines.get((str(name),)))
        for name in document
        if name != "rules"
    ]
    ids = Counter(one["id"] for one in document["rules"] if _has_id(one))
    for place, one in enumerate(document["rules"]):
        name = one["id"] if _has_id(one) else f"number {place + 1}"
        for field, reason in _of_rule(one, ids):
            line = lines.get(("rules", place, field or ""), lines.get(("rules", place)))
            found.append(Fault(reason, name, field, line))
    return found


def odd_number(tag: str, text: str) -> bool:
    """Whether YAML makes another number of it than a reader does."""
    return tag in {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"} and not _DECIMAL.fullmatch(text)


def _has_id(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("id"), str)


def _of_rule(one: Any, ids: Counter[str]) -> Iterator[tuple[str | None, str]]:
    if not isinstance(one, dict):
        yield None, f"must be a mapping of fields; it is {_shown(one)}"
        return
    for name in one:
        if name not in _FIELDS:
            yield str(name), f"is no field of a rule; {_meant(str(name), list(_FIELDS))}"
    wrong = set()
    for name, field in _FIELDS.items():
        reason = _of_field(field, one)
        if reason:
            wrong.add(name)
            yield name, reason
    if "id" not in wrong and ids[one["id"]] > 1:
        yield "id", f"= {_shown(one['id'])} stands {ids[one['id']]} times; allowed: once"
    if "metric" not in wrong and one["metric"] not in METRICS:
        yield "metric", f"= {_shown(one['metric'])} is not measured; {_meant(one['metric'], list(METRICS))}"
    if not wrong & {"threshold", "clearThreshold", "operator"}:
        yield from _clear_threshold(one)


def _of_field(field: msgspec.structs.FieldInfo, one: dict[Any, Any]) -> str | None:
    name = field.encode_name
    if name not in one:
        return f"is missing; allowed: {_allowed(field)}" if field.required else None
    value = one[name]
    try:
        converted = msgspec.convert(value, field.type)
    except (msgspec.ValidationError, OverflowError):
        hint = "; 1e3 is text in YAML: write 1000" if _exponent(value) else ""
        return f"= {_shown(value)}: must be {_allowed(field)}{hint}"
    if isinstance(converted, float) and not math.isfinite(converted):
        return f"= {_shown(value)}: must be {_allowed(field)}"
    return None


def _allowed(field: msgspec.structs.FieldInfo) -> str:
    described = next(one for one in _metas(field.type) if one.description)
    return str(described.description).partition(";")[0]


def _metas(annotated: Any) -> tuple[msgspec.Meta, ...]:
    found: tuple[msgspec.Meta, ...] = annotated.__metadata__
    return found


def _clear_threshold(one: dict[str, Any]) -> Iterator[tuple[str, str]]:
    clear, threshold, operator = one.get("clearThreshold"), one["threshold"], one["operator"]
    if clear is None:
        return
    if operator in _UPWARD and not clear < threshold:
        yield "clearThreshold", f"= {_shown(clear)}: must be below the threshold {_shown(threshold)}"
    elif operator in _DOWNWARD and not clear > threshold:
        yield "clearThreshold", f"= {_shown(clear)}: must be above the threshold {_shown(threshold)}"
    elif operator not in _UPWARD | _DOWNWARD:
        yield "clearThreshold", f"= {_shown(clear)}: allowed with > >= < <= only; operator is {operator}"


def _meant(name: str, known: list[str]) -> str:
    words = name.split("_")
    camel = words[0] + "".join(word.capitalize() for word in words[1:])
    close = [camel] if camel in known else difflib.get_close_matches(name, known, n=1)
    return (f"did you mean {close[0]}? " if close else "") + f"allowed: {', '.join(known)}"


def _exponent(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]+[eE][-+]?\d+", value) is not None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str, skipkeys=True)
    return text if len(text) <= 80 else text[:77] + "..."
