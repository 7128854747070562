"""After the database has changed under the service: it serves again, and forgets what was."""

from collections.abc import Callable

from runbook.api import Api, Unreachable
from runbook.errors import CheckFailed

SERVES_WITHIN_S = 120.0


def serve_anew(api: Api, say: Callable[[str], None], within_s: float = SERVES_WITHIN_S) -> None:
    """What the cache holds may be of a history that is no longer told.

    A cache that does not answer fails nothing: what it holds ends by itself within its TTL.
    """
    api.until_ready(within_s)
    try:
        answer = api.clear_insights()
    except Unreachable as reason:
        say(f"the cache does not answer, so what it holds is told until its TTL ends: {reason.message[:200]}")
        return
    if answer.status not in {200, 204}:
        raise CheckFailed(
            f"the cache was not cleared: {answer.status} {answer.text[:200]}", "amas cache clear"
        )
