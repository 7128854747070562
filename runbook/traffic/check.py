"""Whether what was answered and what is stored is what had to be. Pure: lines, answers and counts in."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from runbook.traffic.line import STATUS, Line, Outcome
from runbook.traffic.manifest import Entry, Totals

SHOWN = 20
# Durable outside of the database, which was away or behind; a row as soon as it is back.
SPOOLED = 202
ACKNOWLEDGED = frozenset({STATUS[Outcome.STORED], STATUS[Outcome.DUPLICATE], SPOOLED})


class Kind(StrEnum):
    """Ways to deviate, the worst first."""

    MISSING = "acknowledged, but not there"
    CHANGED = "stored with other content"
    MISCOUNTED = "another number of rows than acknowledged"
    TAKEN = "taken, but had to be refused"
    UNSTORED = "refused, but had to be stored"
    CONFUSED = "new, duplicate and conflict confused"
    OTHERWISE = "refused with another status or field"
    UNLISTED = "stored, but not in its user's list"
    UNREADABLE = "could not be read back"
    UNANSWERED = "left without an answer"
    LEFT = "left after the purge"


@dataclass(frozen=True)
class Deviation:
    """One thing that is not as the manifest says; number 0 is about the run as a whole."""

    kind: Kind
    number: int
    about: str
    due: str
    came: str

    def sentence(self) -> str:
        where = f"line {self.number} ({self.about})" if self.number else self.about
        return f"{where}: due {self.due}, came {self.came}"


class Deviations:
    """Counts all, keeps the first of each kind: a service that is down must not fill the memory."""

    def __init__(self, known: Iterable[Deviation] = ()) -> None:
        self.counts: Counter[Kind] = Counter()
        self.first: dict[Kind, list[Deviation]] = {}
        for deviation in known:
            self.add(deviation)

    def add(self, deviation: Deviation | None) -> None:
        if deviation is None:
            return
        self.counts[deviation.kind] += 1
        kept = self.first.setdefault(deviation.kind, [])
        if len(kept) < SHOWN:
            kept.append(deviation)

    def merge(self, other: "Deviations") -> None:
        self.counts += other.counts
        for kind, kept in other.first.items():
            self.first[kind] = (self.first.get(kind, []) + kept)[:SHOWN]


@dataclass(frozen=True)
class Answer:
    """What the service said of one line."""

    status: int
    decision_id: str | None = None
    field: str | None = None
    detail: str = ""

    def __str__(self) -> str:
        return " ".join(str(one) for one in (self.status, self.field, self.detail[:120]) if one)


def judge(line: Line, answer: Answer | None, *, perhaps_again: bool) -> Deviation | None:
    """None: as due. `perhaps_again`: the line may have come twice, and a new trace be a duplicate then."""
    expected = line.expected
    due = f"{expected.status}" + (f" {expected.field}" if expected.field else "")
    if answer is None:
        return Deviation(Kind.UNANSWERED, line.number, expected.reason, due, "nothing")
    allowed = {expected.status} | ({200} if perhaps_again and expected.outcome is Outcome.STORED else set())
    # A spool compares nothing yet, so it may take a repeat too.
    allowed |= {SPOOLED} if expected.outcome in {Outcome.STORED, Outcome.DUPLICATE} else set()
    same_id = not line.decision_id or answer.decision_id in {None, line.decision_id}
    same_field = expected.outcome is not Outcome.REFUSED or answer.field == expected.field
    if answer.status in allowed and same_id and same_field:
        return None
    came = str(answer) if same_id else f"{answer} for {answer.decision_id} instead of {line.decision_id}"
    return Deviation(_kind(expected.outcome, answer.status), line.number, expected.reason, due, came)


def _kind(outcome: Outcome, status: int) -> Kind:
    taken = status in ACKNOWLEDGED
    match outcome:
        case Outcome.STORED:
            return Kind.CONFUSED if taken or status == STATUS[Outcome.CONFLICT] else Kind.UNSTORED
        case Outcome.DUPLICATE:
            return Kind.CONFUSED
        case Outcome.CONFLICT | Outcome.REFUSED:
            return Kind.TAKEN if taken else Kind.OTHERWISE


@dataclass(frozen=True)
class Found:
    """One trace as it was read back by its id; `listed`: its user's list had shown it as due."""

    status: int
    content_hash: str
    listed: bool


def compare(entry: Entry, found: Found) -> Deviation | None:
    """One trace that was acknowledged, as it was found."""
    kind = _difference(entry, found)
    if kind is None:
        return None
    came = found.content_hash or "no trace" if found.status == 200 else f"{found.status or 'no answer'}"
    about = f"{entry.expected.reason}, {entry.decision_id}"
    return Deviation(kind, entry.number, about, entry.content_hash, came)


def _difference(entry: Entry, found: Found) -> Kind | None:
    if found.status == 404:
        return Kind.MISSING
    if found.status != 200:
        return Kind.UNREADABLE
    if found.content_hash != entry.content_hash:
        return Kind.CHANGED
    return None if found.listed else Kind.UNLISTED


@dataclass
class Sent:
    """What became of the sending."""

    lines: int = 0
    requests: int = 0
    resent: int = 0
    # Why: how often each status, 0 for a connection that broke.
    again: Counter[int] = field(default_factory=Counter)
    size_bytes: int = 0
    acknowledged: int = 0
    # New traces that were answered as duplicates, since they may have come twice.
    twice: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    deviations: Deviations = field(default_factory=Deviations)
    stopped_because: str = ""


@dataclass
class Looked:
    """What was found stored. `left`: rows after the purge, None when they were kept."""

    rows: int = 0
    # As they had to be, in the lists of their users; and read one by one.
    listed: int = 0
    read_back: int = 0
    left: int | None = None
    deviations: Deviations = field(default_factory=Deviations)


@dataclass(frozen=True)
class Verdict:
    """`deviations` by kind, the worst first, each with its count and its first cases."""

    deviations: tuple[tuple[str, int, tuple[str, ...]], ...]

    @property
    def ok(self) -> bool:
        return not self.deviations

    def lines(self) -> list[str]:
        return [line for kind, count, cases in self.deviations for line in _told(kind, count, cases)]


def verdict(due: Totals, sent: Sent, looked: Looked) -> Verdict:
    found = Deviations()
    found.merge(sent.deviations)
    found.merge(looked.deviations)
    found.add(_row_count(due, sent, looked))
    if sent.lines < due.lines or not due.lines:
        why = sent.stopped_because or "stopped"
        found.add(Deviation(Kind.UNANSWERED, 0, why, f"{due.lines} lines", f"{sent.lines} answered"))
    if looked.left:
        found.add(Deviation(Kind.LEFT, 0, "rows of the run", "0", str(looked.left)))
    return Verdict(
        tuple(
            (str(kind), found.counts[kind], tuple(one.sentence() for one in found.first[kind]))
            for kind in Kind
            if found.counts[kind]
        )
    )


def _row_count(due: Totals, sent: Sent, looked: Looked) -> Deviation | None:
    """Rows whose sending ended without an answer may be there or not; all others must be, and no more."""
    if sent.acknowledged <= looked.rows <= due.stored:
        return None
    allowed = (
        f"{sent.acknowledged}" if sent.acknowledged == due.stored else f"{sent.acknowledged} to {due.stored}"
    )
    return Deviation(Kind.MISCOUNTED, 0, "rows of the run", allowed, str(looked.rows))


def _told(kind: str, count: int, cases: tuple[str, ...]) -> list[str]:
    more = [f"  and {count - len(cases)} more"] if count > len(cases) else []
    return [f"{kind}: {count}", *(f"  {case}" for case in cases), *more]
