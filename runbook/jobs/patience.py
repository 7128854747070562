"""Waits for a database that is away, or not yet migrated."""

from collections.abc import Callable
from typing import TypeVar

from runbook.errors import AmasError
from runbook.retry import tries

LONGEST_WAIT_S = 15.0

Result = TypeVar("Result")


def patiently(act: Callable[[], Result], for_s: float) -> Result:
    """What it returns, once it does; raises its last AmasError when time is up."""
    for attempt in tries(on=AmasError, attempts=None, timeout=for_s, wait_max=LONGEST_WAIT_S):
        with attempt:
            return act()
    raise AssertionError  # the last attempt has raised
