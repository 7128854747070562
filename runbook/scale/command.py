"""`amas scale`: how scaling by itself stands, an order to it, its simulation, and what its container runs."""

import os
import signal
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from runbook import health, terminal
from runbook.agent.client import AgentClient
from runbook.agent.order import Look
from runbook.api import Api, Unreachable
from runbook.engine import connect, require_part
from runbook.errors import CheckFailed, EnvironmentMissing, UsageError
from runbook.logs import span
from runbook.options import AsJson, StackName
from runbook.scale import picture, report, settings, simulate
from runbook.scale.decide import Order, Rules
from runbook.scale.exposed import PORT, Metrics, Standing, serve
from runbook.scale.signals import look
from runbook.scale.traces import TRACES
from runbook.scale.watch import MISSED_LOOKS, Autoscaler, run, tell_json

PART = "autoscaler"
TURN_ON = "./scripts/up --config autoscale=true"

app = typer.Typer(
    help="Replicas that come and go with the load.", no_args_is_help=True, rich_markup_mode=None
)


@app.command()
def status(stack: StackName, as_json: AsJson = False) -> None:
    """What is seen, what was decided and why. Runs on the host and inside the network.

    Section 5.2 of the runbook. Exits with 1 while the autoscaler is blind or does not look.
    """
    with Api(address(stack)) as autoscaler:
        state = asked(autoscaler)
    faults = report.faults(state)
    if as_json:
        terminal.show_json({"ok": not faults, "faults": faults, **state})
    else:
        terminal.show_table(["replica", "", "state", "cpu", "memory"], report.replica_rows(state))
        terminal.show_lines(report.lines(state))
    if faults:
        raise typer.Exit(CheckFailed.exit_code)


@app.command()
def to(
    replicas: Annotated[int, typer.Argument(min=1, help="How many, within the bounds of `scale status`.")],
    stack: StackName,
    length: Annotated[
        str, typer.Option("--for", metavar="SPAN", help="How long: 90s, 10m, 2h; 0s ends an order.")
    ] = "1h",
    as_json: AsJson = False,
) -> None:
    """Order a number of replicas for a while, one step at a time. Runs on the host.

    Afterwards the load decides again. For good: ./scripts/up --config replicas=N.
    """
    length_s = span(length, "--for").total_seconds()
    if os.environ.get("AMAS_AGENT_SOCKET"):  # in the autoscaler's own container
        settings.put_order(Order(replicas, time.time() + length_s))
        return
    with Api(address(stack)) as autoscaler:
        refuse_out_of_bounds(replicas, asked(autoscaler)["rules"])
    engine = connect()
    command = ["amas", "scale", "to", str(replicas), "--for", length]
    exit_code, said = engine.run_inside(require_part(engine, stack, PART), command)
    if exit_code:
        raise CheckFailed(
            f"the autoscaler did not take the order: {said.strip()[-200:]}", "amas logs autoscaler"
        )
    if as_json:
        terminal.show_json({"replicas": replicas, "forSeconds": length_s})
    else:
        terminal.show_lines([f"ordered: {replicas} replicas for {length}", "next      amas scale status"])


@app.command("simulate")
def show_simulation(
    names: Annotated[list[str] | None, typer.Argument(metavar="[TRACE]...", show_default=False)] = None,
    least: Annotated[int, typer.Option(min=1, help="Configured replicas.")] = 2,
    most: Annotated[int, typer.Option(min=1, help="Replicas at most.")] = 6,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write figures and curves as one HTML file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try the decisions on loads: step, spike, diurnal, leak, outage. Runs on the host, without a stack."""
    unknown = [name for name in names or [] if name not in TRACES]
    if unknown:
        raise UsageError(f"trace {unknown[0]!r}: one of {', '.join(TRACES)}", "amas scale simulate")
    rules = Rules(least, max(least, most))
    runs = {name: simulate.simulated(TRACES[name], rules) for name in names or TRACES}
    found = [simulate.judged(TRACES[name], rules, points) for name, points in runs.items()]
    rows = report.verdict_rows(found)
    if out:
        curves = [picture.svg(TRACES[name], rules, points) for name, points in runs.items()]
        out.write_text(picture.page(curves, rows, simulate.Model()), encoding="utf-8")
    if as_json:
        terminal.show_json([asdict(one) for one in found])
    else:
        terminal.show_table(rows[0], rows[1:])
        terminal.show_lines([f"curves    {out}"] if out else [])


@app.command()
def watch() -> None:
    """Look, decide and have it done, again and again. Runs inside the autoscaler's container."""
    told = settings.read()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    agent = AgentClient(told.agent_socket)
    standing, metrics = Standing(told.rules, told.dry_run, told.every_s, time.time()), Metrics(told.rules)
    serve(metrics, lambda: standing.facts(time.time()), MISSED_LOOKS * told.every_s)
    with health.opened(os.environ.get("AMAS_URL"), "") as api:
        run(
            Autoscaler(
                look=lambda now: look(lambda: agent.send(Look()), api, now),
                send=agent.send,
                ordered=lambda: settings.standing_order(time.time()),
                standing=standing,
                metrics=metrics,
                tell=tell_json,
            ),
            stop,
        )


def address(stack: str) -> str:
    """By its name inside the network, by its container's address on the host."""
    named = os.environ.get("AMAS_AUTOSCALER_URL")
    if named:
        return named
    engine = connect()
    found = [one for one in engine.containers(stack, PART) if one.state == "running"]
    if not found or not found[0].address:
        raise EnvironmentMissing(f"no autoscaler runs in stack `{stack}`", TURN_ON)
    return f"http://{found[0].address}:{PORT}"


def asked(autoscaler: Api) -> dict[str, Any]:
    try:
        answer = autoscaler.read("/state")
    except Unreachable as reason:
        raise CheckFailed(
            f"the autoscaler does not answer: {reason.message}", "amas logs autoscaler"
        ) from None
    state = answer.json()
    if answer.status != 200 or not isinstance(state, dict):
        raise CheckFailed(f"the autoscaler answered {answer.status}", "amas logs autoscaler")
    return state


def refuse_out_of_bounds(replicas: int, rules: dict[str, Any]) -> None:
    if rules["least"] <= replicas <= rules["most"]:
        return
    raise UsageError(
        f"{replicas} replicas: allowed are {rules['least']} (amas:replicas) to {rules['most']} "
        "(what the load balancer and the connections leave beside a roll)",
        "./scripts/up --config replicas=N" if replicas < rules["least"] else "amas capacity",
    )
