"""After the database has changed under the service: it serves again, and forgets what was."""

from runbook.api import Api
from runbook.errors import CheckFailed

SERVES_WITHIN_S = 90.0
FORGOTTEN = frozenset({200, 204})


def serve_anew(api: Api, within_s: float = SERVES_WITHIN_S) -> None:
    """What the cache holds may be of a history that is no longer told."""
    api.until_ready(within_s)
    answer = api.delete("/api/cache/insights")
    if answer.status not in FORGOTTEN:
        raise CheckFailed(
            f"the cache was not cleared: {answer.status} {answer.text[:200]}", "amas cache clear"
        )
