"""`amas backup`: the verbs about copies of the data, each from the page that does it."""

import typer

from runbook.backup import command as physical
from runbook.portable import command as portable
from runbook.restore import command as restoring

app = typer.Typer(help="Copies of the data, and back.", no_args_is_help=True, rich_markup_mode=None)
app.command("export")(portable.export)
app.command("import")(portable.import_)
app.command("restore")(restoring.restore)
app.command("now")(physical.now)
app.command("list")(physical.show_list)
app.command("verify")(physical.check)
app.command("prove")(physical.proof)
app.command("offsite")(physical.copy_offsite)
app.command("status")(physical.standing)
app.command("upkeep")(physical.upkeep)
app.command("recover")(physical.restore_into)
