"""One run of a job as it is kept: when, how it ended, and what it said of itself. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from runbook.errors import UsageError

MOST_DETAIL_BYTES = 16 * 1024
MOST_REASON = 500
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class Outcome(StrEnum):
    """How a run ended."""

    OK = "ok"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Record:
    """A row of job_runs."""

    run_id: str
    job: str
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    exit_code: int | None
    detail: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        stamps = {name: getattr(self, name).isoformat() for name in ("started_at", "finished_at")}
        return asdict(self) | stamps


def from_json(text: str) -> Record:
    """What `as_json` gave. Raises ValueError, KeyError or TypeError for anything else."""
    fields = json.loads(text)
    stamps = {name: datetime.fromisoformat(fields[name]) for name in ("started_at", "finished_at")}
    return Record(**(fields | stamps | {"outcome": Outcome(fields["outcome"])}))


def checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name of a job; allowed: lower-case letters, digits and -, at most 40",
            "amas schedule",
        )
    return name


def detail_of(stdout: bytes, last_words: str, outcome: Outcome) -> dict[str, Any]:
    """The one JSON object the command printed, where the database can hold it; else why there is none."""
    found = _json_object(stdout)
    if found is not None:
        return found
    reason = _storable(last_words)[-MOST_REASON:].strip()
    return {"reason": reason} if outcome is not Outcome.OK and reason else {}


def _json_object(stdout: bytes) -> dict[str, Any] | None:
    if len(stdout) > MOST_DETAIL_BYTES:
        return None
    try:
        found = json.loads(stdout, parse_constant=_refused)
        text = json.dumps(found, ensure_ascii=False)
        text.encode()  # a lone surrogate, which jsonb refuses
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and "\\u0000" not in text else None


def _refused(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")


def _storable(text: str) -> str:
    return text.replace("\0", "").encode(errors="replace").decode()
