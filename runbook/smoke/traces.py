"""Varied decision traces, the same for the same seed, run and moment: all that a sender may send."""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Trace = dict[str, Any]

ACTIONS = ("repeat", "advance", "slow-down", "switch-mode", "pause")
TRIGGERS = ("fatigue", "streak", "late_evening", "низкая точность", "注意力下降", "🎯 goal met")
WORDS = (
    "naïve",
    "Übung",
    "слово",
    "単語",
    "کلمه",
    "mot",
    "palabra",
    'quo"te',
    "back\\slash",
    "tab\there",
    "emoji 🧠",
)
FREE_ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"
LARGE_EVERY = 20
LARGE_BYTES = 20_000
MEDIUM_BYTES = 3_000


@dataclass(frozen=True)
class Batch:
    """One request: a single trace posted as JSON, or several as NDJSON lines."""

    traces: tuple[Trace, ...]
    single: bool


def make_traces(seed: int, count: int, run_id: str, now: datetime) -> list[Trace]:
    """Distinct ids: half UUIDv7 (a third of those without occurredAt), half free text."""
    rng = random.Random(f"{seed}:{run_id}")  # noqa: S311 - variety, not secrecy
    return [_trace(rng, index, run_id, now) for index in range(count)]


def in_requests(
    traces: list[Trace], seed: int, single_share: float = 0.25, largest_batch: int = 60
) -> list[Batch]:
    """Singles and NDJSON batches of mixed sizes, every trace once, in order."""
    rng = random.Random(seed)  # noqa: S311
    return list(_cut(traces, rng, single_share, largest_batch))


def _cut(traces: list[Trace], rng: random.Random, single_share: float, largest_batch: int) -> Iterator[Batch]:
    at = 0
    while at < len(traces):
        # A batch holds about 30 traces: the odds make the asked share of traces singles, not of requests.
        single = rng.random() < single_share * largest_batch / (
            single_share * largest_batch + 2 * (1 - single_share)
        )
        length = 1 if single else rng.randint(2, largest_batch)
        yield Batch(tuple(traces[at : at + length]), single)
        at += length


def _trace(rng: random.Random, index: int, run_id: str, now: datetime) -> Trace:
    moment = now - timedelta(milliseconds=rng.randrange(3_600_000))
    timed = index % 2 == 0
    trace: Trace = {
        "decisionId": str(uuid7(rng, moment)) if timed else free_id(rng, run_id, index),
        "userId": f"user-{run_id}-{index % 37}",
        "action": rng.choice(ACTIONS),
        "durationMs": round(rng.lognormvariate(2.5, 1.0), 3),
        "stateSnapshot": _state(rng),
        "difficultyFactors": {
            name: round(rng.uniform(-1, 1), 6) for name in ("length", "frequency", "étymologie")
        },
        "triggers": rng.sample(TRIGGERS, rng.randrange(4)),
    }
    if not timed or index % 3:
        trace["occurredAt"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if index % 5 == 0:
        trace["clientVersion"] = "smoke/1"  # a field the service does not know, and has to keep
    if index % 4 == 0:
        trace["stateSnapshot"]["padding"] = _text(
            rng, LARGE_BYTES if index % LARGE_EVERY == 0 else MEDIUM_BYTES
        )
    return trace


def uuid7(rng: random.Random, moment: datetime) -> uuid.UUID:
    stamp_ms = int(moment.astimezone(UTC).timestamp() * 1000)
    value = stamp_ms << 80 | 0x7 << 76 | rng.getrandbits(12) << 64 | 0b10 << 62 | rng.getrandbits(62)
    return uuid.UUID(int=value)


def free_id(rng: random.Random, run_id: str, index: int) -> str:
    """Unique by run and index; some as long as an id may be (128)."""
    start = f"{run_id}:{index}."
    length = 128 - len(start) if index % 9 == 0 else rng.randint(1, 24)
    return start + "".join(rng.choices(FREE_ID_CHARACTERS, k=length))


def _state(rng: random.Random) -> dict[str, Any]:
    return {
        "attention": round(rng.random(), 4),
        "fatigue": round(rng.random(), 4),
        "cognitive": {"mem": round(rng.random(), 4), "speed": round(rng.random(), 4), "stability": None},
        "word": rng.choice(WORDS),
        "confident": rng.random() < 0.5,
        "history": [rng.randint(0, 2**53) for _ in range(rng.randrange(6))],
    }


def _text(rng: random.Random, most_bytes: int) -> str:
    """Mixed scripts, not above the given size in UTF-8."""
    text = " ".join(rng.choices(WORDS, k=most_bytes // 4))
    return text.encode()[: rng.randint(most_bytes // 2, most_bytes) - 700].decode(errors="ignore")
