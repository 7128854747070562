"""After the database has changed under the service: it serves again, and forgets what was."""

import stamina

from runbook.api import Api
from runbook.errors import CheckFailed

SERVES_WITHIN_S = 90.0
LOOK_EVERY_S = 0.5
READY, FORGOTTEN = 200, frozenset({200, 204})


class _NotReady(Exception):
    """The last answer, in words."""


def until_serving(api: Api, within_s: float = SERVES_WITHIN_S) -> None:
    """Raises CheckFailed when no replica is ready in time."""
    try:
        for attempt in stamina.retry_context(
            on=(_NotReady, CheckFailed),
            attempts=None,
            timeout=within_s,
            wait_initial=LOOK_EVERY_S,
            wait_max=2,
        ):
            with attempt:
                _ask(api)
    except (_NotReady, CheckFailed) as reason:
        raise CheckFailed(
            f"the service is not ready after {within_s:.0f} s: {reason}", "amas logs api --level error"
        ) from None


def _ask(api: Api) -> None:
    answer = api.read("/ready")
    if answer.status != READY:
        raise _NotReady(f"{answer.status} {answer.text[:200]}")


def forget_cached(api: Api) -> None:
    """What the cache holds may be of a history that is no longer told."""
    answer = api.delete("/api/cache/insights")
    if answer.status not in FORGOTTEN:
        raise CheckFailed(
            f"the cache was not cleared: {answer.status} {answer.text[:200]}", "amas cache clear"
        )
