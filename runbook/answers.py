"""What the service answered, or the error that its refusal is for whoever asked."""

import getpass
from typing import Any

from runbook.api import Answer
from runbook.errors import CheckFailed, UsageError

# What the asker can put right.
REFUSALS = frozenset({400, 404, 409, 413})


def body_of(answer: Answer, asked: str, next_command: str | None = None) -> Any:
    """The decoded body of a 2xx; raises UsageError for a refusal, CheckFailed for the rest."""
    if 200 <= answer.status < 300:
        return answer.json()
    body = answer.json()
    detail = str(body.get("detail", body)) if isinstance(body, dict) else answer.text
    kind = UsageError if answer.status in REFUSALS else CheckFailed
    raise kind(f"{asked}: {answer.status} {detail[:300]}", next_command)


def list_of(answer: Answer, asked: str, next_command: str | None = None) -> list[dict[str, Any]]:
    body = body_of(answer, asked, next_command)
    if not isinstance(body, list):
        raise CheckFailed(f"{asked}: a list was expected, got {answer.text[:120]!r}", next_command)
    return body


def operator_name() -> str:
    """Who types; what stands in acknowledgements, silences and incidents unless `--by` says otherwise."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"
