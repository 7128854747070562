"""The pages about stores and resources, each under its word."""

import typer

from runbook import cache_page, insights, slow
from runbook.capacity.command import capacity
from runbook.growth import command as growth
from runbook.outdated.command import outdated
from runbook.overload.command import overload
from runbook.pool import command as pool
from runbook.restart import restart
from runbook.retention import command as retention
from runbook.sbom.command import sbom


def register(app: typer.Typer, db: typer.Typer, cache: typer.Typer) -> None:
    db.command("size")(growth.show_size)
    db.command("growth")(growth.show_growth)
    db.command("slow")(slow.show)
    cache.callback(invoke_without_command=True)(cache_page.show)
    cache.command("clear")(cache_page.clear)
    app.add_typer(insights.app, name="insights")
    app.add_typer(pool.app, name="pool")
    app.add_typer(retention.app, name="retention")
    for page in (overload, restart, capacity, outdated, sbom):
        app.command()(page)
