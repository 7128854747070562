"""The plan of a run, line by line, the same for the same seed, count and time.

What must happen to a line never hangs on the order in which the others arrive: ids are unique within a
wave, and a repeat or a conflict refers to a line of an earlier wave only. A sender that has the answers of
one wave before it begins the next may send the lines of a wave in any order, many at a time.
"""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runbook.traffic.again import CHANGES, SPELLINGS, Earlier, Memory, changed, respelled
from runbook.traffic.bad import BAD
from runbook.traffic.ids import EPOCH, free_id, longest_id, milliseconds, uuid7
from runbook.traffic.line import STATUS, Expected, Line, Outcome
from runbook.traffic.load import DAY_S, load_at, moments
from runbook.traffic.meaning import canonical_id, content_hash
from runbook.traffic.odd import ODD
from runbook.traffic.population import Learner, population
from runbook.traffic.session import Session

Trace = dict[str, Any]

# With the latest reports and a run of an hour it stays within a retention of one day, the shortest there is.
SPAN = timedelta(hours=21)
LATEST_REPORT_MS = 2 * 3_600_000
LARGEST_PLAIN_BYTES = 20_480
LONGEST_WAVE, SHORTEST_WAVE, WAVES = 5_000, 25, 10
SECONDS_A_STEP = 8.0
# Of each hundred lines; the others are plain traces.
SHARES = {"bad": 10, "odd": 4, "repeat": 2, "respelled": 1, "other": 1}
PLAIN = Expected(Outcome.STORED, STATUS[Outcome.STORED], "plain")
REPEAT = Expected(Outcome.DUPLICATE, STATUS[Outcome.DUPLICATE], "repeat")


def generate(seed: int, count: int, now: datetime) -> Iterator[Line]:
    """`now` is aware. Other seeds or times share no id: a run that stays stored disturbs no later one."""
    return _Plan(seed, count, now).lines()


def wave_of(number: int, count: int) -> int:
    """Waves are long in a large run, and a small one has some too; numbers count from 1."""
    return (number - 1) // min(LONGEST_WAVE, max(SHORTEST_WAVE, count // WAVES))


@dataclass(frozen=True, slots=True)
class _Place:
    number: int
    wave: int
    at_ms: int


class _Plan:
    def __init__(self, seed: int, count: int, now: datetime) -> None:
        # One source for what is said and one for names: the same seed says the same at any time.
        self._rng = random.Random(f"traffic {seed}")  # noqa: S311 - variety, not secrecy
        self._names = random.Random(f"names {seed} {milliseconds(now)}")  # noqa: S311
        self._tag = hashlib.blake2b(f"{seed} {now.isoformat()}".encode(), digest_size=5).hexdigest()
        self._count = count
        self._now = now
        self._learners: Sequence[Learner] = population(self._rng, count, self._tag)
        self._sessions: list[Session] = []
        self._memory = Memory(self._rng)
        self._turns = dict.fromkeys(SHARES, 0)

    def lines(self) -> Iterator[Line]:
        start = self._now - SPAN
        start_ms = milliseconds(start)
        time_of_day_s = start_ms / 1000 % DAY_S
        roles: list[str] = []
        wave = 0
        for number, after_s in enumerate(moments(self._count, time_of_day_s, SPAN.total_seconds()), start=1):
            place = _Place(number, wave_of(number, self._count), start_ms + int(after_s * 1000))
            if place.wave != wave:
                wave = place.wave
                self._memory.next_wave()
            if not roles:
                roles = self._hundred()
            self._crowd(load_at(time_of_day_s + after_s))
            yield self._line(roles.pop(), place)

    def _hundred(self) -> list[str]:
        roles = [role for role, share in SHARES.items() for _ in range(share)]
        roles += ["plain"] * (100 - len(roles))
        self._rng.shuffle(roles)
        return roles

    def _crowd(self, load: float) -> None:
        """As many sessions at a time as the hour brings: at least one, in a small run."""
        wanted = 1 + int(load * self._count * SECONDS_A_STEP / SPAN.total_seconds())
        self._sessions = [session for session in self._sessions if not session.over]
        for _ in range(wanted - len(self._sessions)):
            learner = self._learners[int(self._rng.random() * len(self._learners))]
            self._sessions.append(Session(self._rng, learner, int(self._rng.random() * 500)))

    def _line(self, role: str, place: _Place) -> Line:
        if role == "bad":
            return self._bad(place)
        if role == "odd":
            return self._odd(place)
        if role != "plain":
            earlier = self._memory.take()
            # The first wave has nothing to refer to, and a wave may want more than is kept.
            if earlier is not None:
                return self._again(role, earlier, place)
        return self._plain(place)

    def _turn(self, role: str) -> int:
        """Kinds take turns, so that a thousand lines hold each of them."""
        self._turns[role] += 1
        return self._turns[role] - 1

    def _plain(self, place: _Place) -> Line:
        session = self._sessions[int(self._rng.random() * len(self._sessions))]
        trace = self._identity(session.learner, place.at_ms) | session.step(self._rng)
        raw = _encoded(trace, escaped=session.learner.escaped)
        decision_id = trace["decisionId"]
        self._memory.keep(Earlier(raw, decision_id))
        user_id = session.learner.user_id
        return Line(place.number, place.wave, raw, PLAIN, decision_id, content_hash(raw), user_id)

    def _identity(self, learner: Learner, at_ms: int) -> Trace:
        """The id and the time: some were decided hours before they are reported, some clocks run ahead."""
        draw = self._rng.random()
        if draw < 0.4:
            decision_id = uuid7(self._names, at_ms)
            if draw < 0.2:
                return {"decisionId": decision_id}
        elif draw < 0.6:
            decision_id = uuid7(self._names, at_ms)
        else:
            decision_id = free_id(self._names, self._tag, at_ms)
        return {"decisionId": decision_id, "occurredAt": _spelled(learner, at_ms + self._lateness_ms())}

    def _lateness_ms(self) -> int:
        draw = self._rng.random()
        if draw < 0.85:
            return 0
        if draw < 0.98:
            return -int(self._rng.random() * LATEST_REPORT_MS)
        return int(self._rng.random() * 240_000)

    def _again(self, role: str, earlier: Earlier, place: _Place) -> Line:
        if role == "repeat":
            return Line(place.number, place.wave, earlier.raw, REPEAT, earlier.decision_id)
        kinds = list(SPELLINGS if role == "respelled" else CHANGES)
        kind = kinds[self._turn(role) % len(kinds)]
        if role == "respelled":
            raw, outcome = respelled(kind, earlier.raw), Outcome.DUPLICATE
        else:
            raw, outcome = changed(kind, earlier.raw), Outcome.CONFLICT
        expected = Expected(outcome, STATUS[outcome], kind)
        return Line(place.number, place.wave, raw, expected, earlier.decision_id)

    def _bad(self, place: _Place) -> Line:
        kind = BAD[self._turn("bad") % len(BAD)]
        raw = kind.make(self._small(place.at_ms, free=False), self._now)
        expected = Expected(Outcome.REFUSED, kind.status, kind.name, kind.field)
        return Line(place.number, place.wave, raw, expected, alone=kind.alone)

    def _odd(self, place: _Place) -> Line:
        kind = ODD[self._turn("odd") % len(ODD)]
        trace = self._small(place.at_ms, free=kind.free)
        raw = kind.make(trace, self._now)
        expected = Expected(Outcome.STORED, STATUS[Outcome.STORED], kind.name)
        decision_id, user_id = canonical_id(trace["decisionId"]), json.loads(raw)["userId"]
        return Line(place.number, place.wave, raw, expected, decision_id, content_hash(raw), user_id)

    def _small(self, at_ms: int, *, free: bool) -> Trace:
        return {
            "decisionId": longest_id(self._names, self._tag) if free else uuid7(self._names, at_ms),
            "userId": f"learner-{self._tag}-odd",
            "occurredAt": (EPOCH + timedelta(milliseconds=at_ms)).isoformat(),
            "action": "show-word",
            "durationMs": 12.5,
            "stateSnapshot": {"attention": 0.5, "fatigue": 0.25},
        }


def _encoded(trace: Trace, *, escaped: bool) -> bytes:
    """Within the size of a plain trace: what does not fit is left out of the history."""
    raw = _ASCII(trace).encode() if escaped else _UTF8(trace).encode()
    while len(raw) > LARGEST_PLAIN_BYTES:
        history = trace["stateSnapshot"]["history"]
        trace["stateSnapshot"]["history"] = history[len(history) // 3 :]
        raw = _encoded(trace, escaped=escaped)
    return raw


_ASCII = json.JSONEncoder().encode
_UTF8 = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _spelled(learner: Learner, at_ms: int) -> str:
    """Apps write the time in UTC or in the learner's own zone."""
    when = EPOCH + timedelta(milliseconds=at_ms)
    if learner.lite or not learner.utc_offset_hours:
        return when.isoformat().replace("+00:00", "Z")
    hours = learner.utc_offset_hours
    local = (when + timedelta(hours=hours)).isoformat()[:-6]
    return f"{local}{'-' if hours < 0 else '+'}{abs(hours):02d}:00"
