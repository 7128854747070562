"""`amas outdated`: ask the sources, show what is older than they are."""

from collections.abc import Sequence
from dataclasses import asdict

import typer

from runbook import terminal
from runbook.engine import connect
from runbook.errors import CheckFailed
from runbook.options import AsJson
from runbook.outdated.look import look
from runbook.outdated.versions import Outdated, Unasked, ordered
from runbook.terminal import Progress


def outdated(as_json: AsJson = False) -> None:
    """Pins and packages that are older than what their sources have. Runs on the host.

    Section 8.2 of the runbook. Python pins, Debian packages of every image, the modules of the tools.
    Exits with 1 when a security fix waits. A source that does not answer is named and judges nothing.
    """
    progress = Progress()
    found = look(connect(), progress)
    older = ordered(one for one in found if isinstance(one, Outdated))
    unasked = [one for one in found if isinstance(one, Unasked)]
    if as_json:
        terminal.show_json(
            {
                "ok": not fixes(older),
                "outdated": [asdict(one) for one in older],
                "unasked": [asdict(one) for one in unasked],
            }
        )
    else:
        terminal.show_table(["what", "where", "have", "newest", ""], rows(older))
        terminal.show_lines(closing_lines(older, unasked))
    if fixes(older):
        raise typer.Exit(CheckFailed.exit_code)


def fixes(older: Sequence[Outdated]) -> list[Outdated]:
    return [one for one in older if one.security]


def rows(older: Sequence[Outdated]) -> list[list[str]]:
    return [[one.name, one.where, one.have, one.newest, "security" if one.security else ""] for one in older]


def closing_lines(older: Sequence[Outdated], unasked: Sequence[Unasked]) -> list[str]:
    kinds = {one.kind for one in older}
    lines = ["", f"{len(older)} older than their sources, {len(fixes(older))} of them security fixes"]
    lines += [f"not asked: {one.kind} of {one.where}: {one.reason}" for one in unasked]
    if "debian" in kinds:
        lines.append("next      ./scripts/down; docker rmi -f $(docker images -q 'amas/*'); ./scripts/up")
    if "python" in kinds or "go" in kinds:
        lines.append("next      take the update that renovate.json proposes, then ./scripts/test")
    return lines
