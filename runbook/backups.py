"""`amas backup`: the verbs about copies of the data, each from the page that does it."""

import typer

from runbook.portable import command as portable

app = typer.Typer(help="Copies of the data, and back.", no_args_is_help=True, rich_markup_mode=None)
app.command("export")(portable.export)
app.command("import")(portable.import_)
