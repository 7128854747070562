"""Options that every verb has alike."""

from typing import Annotated

import typer

from runbook import places
from runbook.errors import UsageError

StackName = Annotated[
    str,
    typer.Option(
        "--stack",
        metavar="NAME",
        default_factory=places.stack_name,
        show_default=False,
        help="Default: AMAS_STACK, or local.",
    ),
]
Url = Annotated[
    str | None, typer.Option(envvar="AMAS_URL", help="Default: AMAS_URL, or the stack's address.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Facts as JSON on stdout, an error as JSON on stderr.")]


def goes_on(context: typer.Context) -> bool:
    """Whether a verb that is a page of its own was called for one of its subcommands.

    Options in front of that would be taken for the page and not reach it: a stack's name must not be lost.
    """
    given = [
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]
    if context.invoked_subcommand and given:
        raise UsageError(
            f"options come behind the last word: `{context.info_name} {context.invoked_subcommand} --OPTION`",
            f"amas {context.info_name} {context.invoked_subcommand} --help",
        )
    return bool(context.invoked_subcommand)
