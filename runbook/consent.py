"""Before anything is taken away: what would happen has been shown, and a person types the stack's name."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from runbook.errors import UsageError

Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def demand(
    stack: str,
    doing: str,
    *,
    yes: bool,
    read: Callable[[str], str] | None = None,
    asks_somebody: Callable[[], bool] | None = None,
) -> None:
    """Returns with a consent only; raises UsageError without one, or when another stack's name was typed."""
    if yes:
        return
    if read is None and not (asks_somebody or sys.stdin.isatty)():
        raise UsageError(f"{doing} in stack `{stack}`: nobody is there to ask", "the same command with --yes")
    typed = (read or _from_terminal)(f"{doing} in stack `{stack}`: type its name to go on: ").strip()
    if typed != stack:
        raise UsageError(f"{typed!r} is not `{stack}`: nothing was done")


def _from_terminal(question: str) -> str:
    """The question on stderr, since stdout is for facts."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline()
