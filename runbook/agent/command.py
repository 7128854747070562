"""`amas agent serve`: what the agent's container runs; typed by nobody."""

import os
import signal
import threading
from pathlib import Path

import typer

from runbook.agent.act import Agent
from runbook.agent.docker_api import DockerApi
from runbook.agent.serve import Listener
from runbook.errors import EnvironmentMissing

app = typer.Typer(help="The owner of the engine's socket.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """A group, though it has one member."""


@app.command()
def serve() -> None:
    """Carry out the autoscaler's orders. Runs in the agent's container."""
    with DockerApi(wanted("AMAS_ENGINE_SOCKET")) as engine:
        agent = Agent(engine, wanted("AMAS_STACK"), int(wanted("AMAS_MOST_BURST")))
        with Listener(Path(wanted("AMAS_AGENT_SOCKET")), agent) as listener:
            # From another thread, or it would wait for itself.
            signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=listener.shutdown).start())
            listener.serve_forever()


def wanted(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise EnvironmentMissing(f"{name} is not set: this runs in a container of its own", "./scripts/up")
    return value
