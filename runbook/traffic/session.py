"""One learner at work: each step is a decision of the system, and changes the state behind the next one."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runbook.traffic.population import Learner
from runbook.traffic.words import LANGUAGES, WORDS

Trace = dict[str, Any]

STEPS_A_SESSION = 15
# How many past answers an app reports: most a few, some all they have.
HISTORY_SCALE, HISTORY_TAIL = 2.5, 1.0
MOST_HISTORY = 320


@dataclass(frozen=True, slots=True)
class Mood:
    """What the system decides by."""

    attention: float
    fatigue: float
    mastery: float
    wrong_in_a_row: int
    latency_ms: int


RULES: tuple[tuple[Callable[[Mood], bool], str, list[str]], ...] = (
    (lambda mood: mood.fatigue > 0.85, "rest", ["fatigue_high", "уставший"]),
    (lambda mood: mood.wrong_in_a_row > 2, "adjust-difficulty", ["accuracy_low", "низкая точность"]),
    (lambda mood: mood.wrong_in_a_row == 2, "hint", ["slow_answer", "two_wrong"]),
    (lambda mood: mood.attention < 0.25, "switch-mode", ["注意力下降"]),
    (lambda mood: mood.mastery > 0.8, "schedule-review", ["mastered", "🎯 goal met"]),
    (lambda mood: mood.latency_ms > 4_000, "repeat-word", ["slow_answer"]),
)


def decide(mood: Mood) -> tuple[str, list[str]]:
    """The action for this state of the learner, and what triggered it: the first rule that holds."""
    for holds, action, triggers in RULES:
        if holds(mood):
            return action, triggers
    return "show-word", []


class Session:
    """Ends by itself: the learner has done enough, or is too tired."""

    def __init__(self, rng: random.Random, learner: Learner, number: int) -> None:
        self.learner = learner
        self._number = number
        self._steps = 0
        self._most_steps = 1 + int(rng.expovariate(1 / STEPS_A_SESSION))
        self._fatigue = 0.1 + 0.4 * rng.random()
        self._right = 0
        self._wrong_in_a_row = 0
        self._mastery: dict[str, float] = {}
        at = int(rng.random() * len(_PAST))
        self._history: list[Trace] = _PAST[at:] + _PAST[:at]

    @property
    def over(self) -> bool:
        return self._steps >= self._most_steps or self._fatigue > 0.95

    def step(self, rng: random.Random) -> Trace:
        """A trace without id and time."""
        learner, chance = self.learner, rng.random
        word = learner.words[int(chance() * len(learner.words))]
        mastery = self._mastery.get(word, 0.3)
        fatigue = self._fatigue
        latency_ms = int(learner.pace_ms * (0.4 + fatigue) * (0.5 + 1.5 * chance()))
        right = chance() < 0.3 + 0.6 * mastery
        self._learn(word, mastery, latency_ms, right=right)
        mood = Mood(round(1 - fatigue * chance(), 4), round(fatigue, 4), round(mastery, 4),
                    self._wrong_in_a_row, latency_ms)  # fmt: skip
        action, triggers = decide(mood)
        trace: Trace = {
            "userId": learner.user_id,
            "action": action,
            "durationMs": round(2 + chance() * 40 / (0.02 + chance()), 3),
            "stateSnapshot": self._snapshot(mood, word, chance() if not learner.lite else None),
            "difficultyFactors": {
                "length": len(word),
                "frequency": round(chance() * 2 - 1, 6),
                "étymologie": round(chance(), 3),
                "level": learner.level / 10,
            },
        }
        if triggers or chance() < 0.5:
            trace["triggers"] = triggers
        if chance() < 0.2:
            trace |= {
                "clientVersion": learner.client,
                "experiment": {"arm": self._number % 3, "flags": [None, True]},
            }
        return trace

    def _learn(self, word: str, mastery: float, latency_ms: int, *, right: bool) -> None:
        self._steps += 1
        self._right += right
        self._wrong_in_a_row = 0 if right else self._wrong_in_a_row + 1
        self._mastery[word] = round(mastery + (0.18 if right else -0.08) * (1 - mastery), 4)
        self._fatigue += 0.02 / self.learner.endurance
        self._history.append({"word": word, "right": right, "ms": latency_ms})

    def _snapshot(self, mood: Mood, word: str, draw: float | None) -> Trace:
        learner = self.learner
        snapshot: Trace = {
            "attention": mood.attention,
            "fatigue": mood.fatigue,
            "word": {"text": word, "language": learner.language, "mastery": mood.mastery},
        }
        if draw is None:
            return snapshot
        answers = min(MOST_HISTORY, int(HISTORY_SCALE * (1 - draw) ** -HISTORY_TAIL))
        return snapshot | {
            "motivation": round(1 - mood.fatigue / 2, 3),
            "cognitive": {"memory": round(mood.mastery * 0.9, 4), "speed": 1000 / mood.latency_ms,
                          "stability": None},
            "learner": {"level": learner.level, "native": learner.native, "streakDays": learner.streak_days,
                        "utcOffsetHours": learner.utc_offset_hours},
            "session": {"number": self._number, "step": self._steps, "right": self._right,
                        "wrongInARow": mood.wrong_in_a_row, "confident": mood.mastery > 0.5},
            "mastery": self._mastery,
            "history": self._history[-answers:],
        }  # fmt: skip


def _past() -> list[Trace]:
    """Answers of earlier days, shared by all sessions: what was said then does not matter, its shape does."""
    rng = random.Random("answers of earlier days")  # noqa: S311 - variety, not secrecy
    return [
        {
            "word": rng.choice(WORDS[rng.choice(LANGUAGES)]),
            "right": rng.random() < 0.6,
            "ms": rng.randint(300, 9000),
        }
        for _ in range(MOST_HISTORY)
    ]


_PAST = _past()
