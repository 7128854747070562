"""What a trace says, as a hash: the same for the bytes that were sent and for what the API gives back."""

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from runbook.traffic.ids import EPOCH

_V7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
_TIME = re.compile(r"(.{10}).(.{5}):(\d\d)(?:\.(\d{1,6})\d*)?(.+)")
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))
_DEFAULTS: dict[str, Any] = {"stateSnapshot": {}, "difficultyFactors": {}, "triggers": []}


def content_hash(raw: bytes) -> str:
    """Of one valid trace in JSON. Order, spelling of numbers and times, and defaults left out do not count.

    The service's `createdAt` counts: where it is missing, it is what the contract derives.
    """
    return hash_of(decoded(raw))


def decoded(raw: bytes) -> Any:
    """JSON whose numbers keep what `hash_of` compares."""
    return _DECODER.decode(raw.decode())


def hash_of(trace: dict[str, Any]) -> str:
    decision_id = canonical_id(trace["decisionId"])
    inside = time_inside(decision_id)
    occurred = trace.get("occurredAt")
    occurred_at = instant(occurred) if occurred is not None else inside
    created = trace.get("createdAt")
    created_at = instant(created) if created is not None else inside or occurred_at
    canonical = _DEFAULTS | trace | {
        "decisionId": decision_id,
        "occurredAt": str(occurred_at),
        "createdAt": str(created_at),
    }  # fmt: skip
    text = _ENCODER.encode(canonical)
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def canonical_id(decision_id: str) -> str:
    """As it is stored: UUIDs ignore case, all others do not."""
    return decision_id.lower() if _V7.fullmatch(decision_id) else decision_id


def time_inside(decision_id: str) -> datetime | None:
    if not _V7.fullmatch(decision_id):
        return None
    return EPOCH + timedelta(milliseconds=int(decision_id[:8] + decision_id[9:13], 16))


def instant(text: str) -> datetime:
    """RFC 3339 to the microsecond: digits after it are dropped, second 60 is the next minute's first."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"no time of RFC 3339: {text!r}")
    date, minute, second, fraction, zone = match.groups()
    zone = "+00:00" if zone in {"Z", "z"} else zone
    whole = datetime.fromisoformat(f"{date}T{minute}:00{zone}").astimezone(UTC)
    return whole + timedelta(seconds=int(second), microseconds=int((fraction or "").ljust(6, "0")))


def _number(text: str) -> int | float:
    """1.0 and 1e0 are 1; whole numbers keep all their digits."""
    value = float(text)
    return int(Decimal(text)) if value.is_integer() else value


_DECODER = json.JSONDecoder(parse_float=_number)
