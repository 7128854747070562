"""Who learns: each learner has languages, a level, a pace, and an app that reports more or less."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from runbook.traffic.words import LANGUAGES, WORDS

CLIENTS = ("web/4.2.0", "ios/3.9.1", "android/5.0.0-beta+7", "kiosk/1")
TRACES_A_LEARNER = 60
FEWEST, MOST = 12, 5_000


@dataclass(frozen=True, slots=True)
class Learner:
    """`lite` apps send little state; `escaped` ones write JSON in ASCII only."""

    user_id: str
    native: str
    language: str
    words: tuple[str, ...]
    level: int
    pace_ms: float
    endurance: float
    utc_offset_hours: int
    client: str
    streak_days: int
    lite: bool
    escaped: bool


def population(rng: random.Random, count: int, tag: str) -> Sequence[Learner]:
    """Enough learners for so many traces; the tag keeps them apart from those of any other run."""
    return [_learner(rng, index, tag) for index in range(min(MOST, max(FEWEST, count // TRACES_A_LEARNER)))]


def _learner(rng: random.Random, index: int, tag: str) -> Learner:
    language = LANGUAGES[index % len(LANGUAGES)]
    return Learner(
        user_id=_user_id(rng, index, tag),
        native=rng.choice(LANGUAGES),
        language=language,
        words=WORDS[language],
        level=rng.randint(1, 60),
        pace_ms=rng.lognormvariate(7.3, 0.4),
        endurance=rng.uniform(0.5, 1.5),
        utc_offset_hours=rng.randint(-11, 14),
        client=rng.choice(CLIENTS),
        streak_days=int(rng.expovariate(1 / 20)),
        lite=rng.random() < 0.2,
        escaped=rng.random() < 0.12,
    )


def _user_id(rng: random.Random, index: int, tag: str) -> str:
    """Ids as systems have them: mostly plain, some addresses, some in the user's own script."""
    draw = rng.random()
    if draw < 0.8:
        return f"learner-{tag}-{index}"
    return f"{index}.{tag}@école.example" if draw < 0.9 else f"учень {tag} №{index} 🎓"
