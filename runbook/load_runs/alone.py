"""One load test of a stack at a time, wherever it is run from: two would measure each other."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from runbook import sql_session
from runbook.errors import AmasError, UsageError
from runbook.load_runs.keep import LIMIT_S, is_elsewhere
from runbook.sql_session import Session


@contextmanager
def alone(stack: str, say: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Raises UsageError while another is at work, be it the scheduler's or one of another host.

    The lock is the database's, which all of them reach; it goes with its holder, however that ends. Where the
    database cannot be asked, a run goes on without: it is what a load test of a broken stack would find.
    """
    session = None if is_elsewhere(environ) else _session(stack, say, environ)
    if session is None:
        yield
        return
    with session:
        if not session.rows("lock_load_test")[0]["is_ours"]:
            raise UsageError(
                f"another load test of stack `{stack}` is at work, of its scheduler or by hand: "
                "nothing was sent",
                "amas logs scheduler",
            )
        yield


def _session(stack: str, say: Callable[[str], None], environ: Mapping[str, str]) -> Session | None:
    try:
        return sql_session.of(stack, LIMIT_S, environ)
    except AmasError as reason:
        say(f"whether another load test is at work cannot be told: {reason.message}")
        return None
