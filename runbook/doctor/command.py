"""`amas doctor`: what of this host or checkout would end a release or a verb, each with the next command."""

from dataclasses import asdict
from datetime import UTC, datetime

import typer

from runbook import terminal
from runbook.errors import CheckFailed
from runbook.options import AsJson, StackName


def doctor(stack: StackName, as_json: AsJson = False) -> None:
    """Whether this host and checkout are in order. Runs on the host.

    Programs, tools, engine, disk, memory, clock, state folder, images, ports, configuration. Changes
    nothing; exits with 1 when something is wrong.
    """
    from runbook.doctor.look import look  # noqa: PLC0415 - host only: looks at tools and images

    found = look(stack, datetime.now(UTC))
    failed = [one for one in found if one.state == "failed"]
    if as_json:
        terminal.show_json({"ok": not failed, "findings": [asdict(one) for one in found]})
    else:
        terminal.show_table(["", "state", ""], [[one.name, one.state, one.detail] for one in found])
        told = [f"{one.name}: next: {one.next_command}" for one in found if one.next_command]
        terminal.show_lines(["", *told] if told else [])
    if failed:
        raise typer.Exit(CheckFailed.exit_code)
