"""The autoscaler's environment, and the file by which an operator's order reaches it."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from runbook.errors import EnvironmentMissing
from runbook.scale.decide import Order, Rules

BOUNDS: Mapping[str, str] = {"least": "AMAS_SCALE_LEAST", "most": "AMAS_SCALE_MOST"}
# Each other field of the rules that is configured, by its variable.
VARIABLES: Mapping[str, str] = {
    "cpu_percent": "AMAS_SCALE_CPU_PERCENT",
    "latency_ms": "AMAS_SCALE_LATENCY_MS",
    "queue_age_s": "AMAS_SCALE_QUEUE_AGE_S",
    "memory_percent": "AMAS_SCALE_MEMORY_PERCENT",
    "out_after_s": "AMAS_SCALE_OUT_AFTER_S",
    "in_after_s": "AMAS_SCALE_IN_AFTER_S",
    "cooldown_s": "AMAS_SCALE_COOLDOWN_S",
}
# In a tmpfs of the autoscaler's own: a new container knows no old order.
ORDER_FILE = Path("/run/amas-scale-order.json")


@dataclass(frozen=True)
class Settings:
    """What the container is told."""

    rules: Rules
    dry_run: bool
    every_s: float
    agent_socket: Path


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """Raises EnvironmentMissing naming what is not set."""
    bounds = {name: int(_wanted(environ, BOUNDS[name])) for name in BOUNDS}
    given = {name: float(_wanted(environ, VARIABLES[name])) for name in VARIABLES}
    return Settings(
        Rules(bounds["least"], bounds["most"], **given),
        dry_run=environ.get("AMAS_SCALE_DRY_RUN") == "true",
        every_s=float(environ.get("AMAS_SCALE_EVERY_S", "5")),
        agent_socket=Path(_wanted(environ, "AMAS_AGENT_SOCKET")),
    )


def put_order(order: Order, file: Path = ORDER_FILE) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(asdict(order)))
    draft.replace(file)


def standing_order(now: float, file: Path = ORDER_FILE) -> Order | None:
    """None when there is none, when it has ended, and when what lies there is no order."""
    try:
        said = json.loads(file.read_text())
        order = Order(int(said["replicas"]), float(said["until"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return order if now < order.until else None


def _wanted(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise EnvironmentMissing(
            f"{name} is not set: this runs in the autoscaler's container", "./scripts/up"
        )
    return value
