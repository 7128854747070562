"""The values that travel: a rule, where it stands, and what changed."""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# A value and the number of measurements behind it; a metric without one has no data.
Measured = tuple[float, int]
Operator = Literal[">", ">=", "<", "<=", "==", "!="]
# JSON Schema's $ is the end; Python's may stand before a last line break.
_ONE_LINE = r"^[^\x00-\x1f\x7f]*$(?!\n)"
LabelName = Annotated[str, Meta(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,62}$(?!\n)")]
LabelValue = Annotated[str, Meta(min_length=1, max_length=200, pattern=_ONE_LINE)]

# 30 days.
MOST_MS = 2_592_000_000
_MILLISECONDS = f"a whole number of milliseconds from 0 to {MOST_MS}"


class Severity(StrEnum):
    """From "look at it tomorrow" to "get up now"."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class NoData(StrEnum):
    """What a missing measurement counts as."""

    # Not a breach.
    OK = "ok"
    # A breach.
    ALERT = "alert"
    # Neither: the state stays, and its clocks stand still.
    HOLD = "hold"


class Status(StrEnum):
    """Where a rule stands; the words are Prometheus'."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


class Rule(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One entry of the rules file, whose fields are lower camel case and whose times are milliseconds.

    A description is, up to its semicolon, what the field allows: faults quote it.
    """

    id: Annotated[
        str,
        Meta(
            pattern=r"^[a-z0-9][a-z0-9-]{0,62}$(?!\n)",
            description="1 to 63 of a-z, 0-9 and -, not a - first; no two rules may share one",
        ),
    ]
    metric: Annotated[str, Meta(description="the name of a metric; it decides the threshold's unit")]
    type: Annotated[Literal["threshold"], Meta(description="threshold")] = "threshold"
    threshold: Annotated[float, Meta(description="a finite number; a value that compares so is a breach")]
    operator: Annotated[Operator, Meta(description="one of > >= < <= == !=; value OPERATOR threshold")]
    duration_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=MOST_MS,
            description=f"{_MILLISECONDS}; every evaluation for so long has to breach before the rule fires",
        ),
    ] = msgspec.field(name="duration")
    severity: Annotated[
        Severity, Meta(description="one of low, medium, high, critical; who is told, how soon")
    ]
    message: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=500,
            pattern=_ONE_LINE,
            description="one line of 1 to 500 characters; what people read",
        ),
    ]
    cooldown_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=MOST_MS,
            description=f"{_MILLISECONDS}; a rule that fires again sooner is recorded, and told once this"
            " has passed",
        ),
    ] = msgspec.field(name="cooldown", default=0)
    keep_firing_for_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=MOST_MS,
            description=f"{_MILLISECONDS}; a firing rule stays so until so long after the last breach",
        ),
    ] = msgspec.field(name="keepFiringFor", default=0)
    clear_threshold: Annotated[
        float | None,
        Meta(
            description="a finite number on the quiet side of the threshold; once firing, the rule is"
            " compared with this instead"
        ),
    ] = None
    min_samples: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000_000,
            description="a whole number from 1 to 1000000000; fewer measurements are no data",
        ),
    ] = 1
    no_data: Annotated[
        NoData,
        Meta(
            description="one of ok, alert, hold; a missing measurement counts as no breach, as a breach,"
            " or changes nothing"
        ),
    ] = NoData.HOLD
    labels: Annotated[
        dict[LabelName, LabelValue],
        Meta(
            max_length=16,
            description="up to 16 names of [a-zA-Z_][a-zA-Z0-9_]* with texts of 1 to 200 characters"
            " (numbers and true or false in quotes); they travel with the alert",
        ),
    ] = {}
    runbook: Annotated[
        str,
        Meta(
            max_length=200,
            pattern=_ONE_LINE,
            description="one line of up to 200 characters; the command that looks into it",
        ),
    ] = ""


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that evaluation remembers of one rule; times are seconds since 1970. Goes through JSON unchanged.

    The default is a rule that was never evaluated.
    """

    status: Status = Status.INACTIVE
    # The first breach of this time.
    active_at: float | None = None
    fired_at: float | None = None
    last_breach_at: float | None = None
    resolved_at: float | None = None
    # When a firing of this rule was told last: the cooldown counts from here.
    notified_at: float | None = None
    # Firing, no longer in breach, kept by keepFiringFor since then.
    kept_since: float | None = None
    no_data_since: float | None = None
    # The last evaluation that had data and changed this.
    seen_at: float = 0.0
    # How much of the time since active_at does not count, since nothing was measured in it.
    held_s: float = 0.0
    # None when missing data counted as a breach.
    value: float | None = None
    samples: int = 0
    # Names this firing; empty unless firing. The same rule and first breach make the same name anywhere.
    alert_id: str = ""
    # Whether this firing was told.
    notified: bool = False


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded and, with `notify`, told."""

    rule_id: str
    alert_id: str
    kind: Literal["firing", "resolved"]
    at: float
    # When this firing began; equals `at` unless it is told late or has ended.
    fired_at: float
    value: float | None
    threshold: float
    severity: Severity
    message: str
    # False within the cooldown, and for the end of a firing that was never told.
    notify: bool
    # The firing was recorded before, within the cooldown; it still goes on, so it is told now.
    late: bool = False
