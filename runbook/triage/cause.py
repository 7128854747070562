"""Known causes as data: what has to be seen for one to be named, and what mends it. Pure."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Facts = Mapping[str, float]
Operator = Literal[">", ">=", "<"]

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
}


@dataclass(frozen=True)
class When:
    """Holds for a fact that is known and beyond its bound: what nobody could ask is no evidence."""

    fact: str
    operator: Operator
    limit: float

    def holds(self, facts: Facts) -> bool:
        return self.fact in facts and _COMPARE[self.operator](facts[self.fact], self.limit)

    def said(self, facts: Facts) -> str:
        return f"{self.fact} = {facts[self.fact]:g} ({self.operator} {self.limit:g})"


@dataclass(frozen=True)
class Cause:
    """Named when every condition holds. A fix is commands to type, in order; {NAME} is a proposed setting."""

    name: str
    says: str
    when: tuple[When, ...]
    fix: tuple[str, ...]
    # Shown as evidence too, where they are known.
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Topic:
    """One page of section 3; the likeliest cause stands first."""

    name: str
    section: str
    symptoms: tuple[When, ...]
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Evidence:
    """`proposed` are settings a fix may name, `quotes` lines of logs, `missing` what could not be asked."""

    facts: Facts = field(default_factory=dict)
    proposed: Mapping[str, str] = field(default_factory=dict)
    quotes: Sequence[str] = ()
    missing: Sequence[str] = ()


@dataclass(frozen=True)
class Finding:
    cause: str
    says: str
    evidence: tuple[str, ...]
    fix: tuple[str, ...]


@dataclass(frozen=True)
class Diagnosis:
    """`symptoms` are those that show; without a finding they have a cause that is not known here."""

    topic: str
    symptoms: tuple[str, ...]
    findings: tuple[Finding, ...]
    quotes: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def well(self) -> bool:
        return not self.symptoms and not self.findings


def diagnose(topic: Topic, evidence: Evidence) -> Diagnosis:
    facts = evidence.facts
    return Diagnosis(
        topic=topic.name,
        symptoms=tuple(one.said(facts) for one in topic.symptoms if one.holds(facts)),
        findings=tuple(_finding(one, evidence) for one in topic.causes if _shows(one, facts)),
        quotes=tuple(evidence.quotes),
        missing=tuple(evidence.missing),
    )


def _shows(cause: Cause, facts: Facts) -> bool:
    return all(one.holds(facts) for one in cause.when)


def _finding(cause: Cause, evidence: Evidence) -> Finding:
    facts = evidence.facts
    beside = [f"{name} = {facts[name]:g}" for name in cause.beside if name in facts]
    return Finding(
        cause=cause.name,
        says=cause.says,
        evidence=(*(one.said(facts) for one in cause.when), *beside),
        fix=tuple(one.format_map(_Filled(evidence.proposed)) for one in cause.fix),
    )


class _Filled(dict[str, str]):
    """A setting for which nothing can be proposed is the reader's to choose."""

    def __missing__(self, name: str) -> str:
        return "N"
