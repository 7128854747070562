"""Options that every verb has alike."""

from typing import Annotated

import typer

from runbook import places

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
