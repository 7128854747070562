"""Groups of verbs of which one is meant when none is named: `amas alerts` is `amas alerts list`."""

from typing import Any

from typer.core import TyperGroup


class ListByDefault(TyperGroup):
    """Options alone belong to `list`, too."""

    # Typer does not export the context's type.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        asks_help = bool(args) and args[0] in ctx.help_option_names
        if not asks_help and (not args or args[0].startswith("-")):
            args = ["list", *args]
        return super().parse_args(ctx, args)
