"""`amas keys`: the stack's keys, which only its encrypted configuration holds in clear."""

from runbook.errors import UsageError
from runbook.stack import Stack

SCOPES = {"ingest": "keyIngest", "read": "keyRead", "admin": "keyAdmin", "metrics": "keyMetrics"}


def key_of(stack: Stack, scope: str) -> str:
    if scope not in SCOPES:
        raise UsageError(f"scope {scope!r}: one of {', '.join(SCOPES)}", "amas keys show ingest")
    return stack.secret(SCOPES[scope])
