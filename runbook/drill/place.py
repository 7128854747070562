"""Where a drill takes place: a stack of its own, made for it and taken away after, or one that stands."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from runbook import down
from runbook.drill.receiver import receiving
from runbook.drill.run import Place
from runbook.engine import Engine, connect
from runbook.errors import EnvironmentMissing
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.up import flow
from runbook.up.secrets import ensure_secrets
from runbook.up.sole import sole_run

# Rules are evaluated and replicas heard of sooner, so that a drill takes minutes and not half an hour.
QUICK = ("metricsCollectionInterval=2000", "alertEvaluationInterval=1000")
BRIDGE = "bridge"


@contextmanager
def standing(name: str, rate_per_s: float) -> Iterator[Place]:
    """One that serves others too, as it is."""
    yield Place(Stack(name), connect(), rate_per_s)


@contextmanager
def of_its_own(rate_per_s: float, progress: Progress) -> Iterator[Place]:
    """Purged at the end, also when a drill was broken off."""
    flow.prepare(progress)
    engine = connect()
    stack = Stack(f"drill-{secrets.token_hex(3)}")
    with receiving(host_address(engine)) as receiver:
        with sole_run(stack.name):
            ensure_secrets(stack, progress)
        try:
            with sole_run(stack.name):
                stack.set_secret("alertWebhookUrl", receiver.url)
                ports = zip(("httpPort", "prometheusPort"), free_ports(2), strict=True)
                flow.bring_to(
                    stack,
                    [
                        *(f"{key}={port}" for key, port in ports),
                        f"alertWebhookAllowedHosts={receiver.host}",
                        *QUICK,
                    ],
                    progress,
                )
            yield Place(stack, engine, rate_per_s, receiver)
        finally:
            down.purge(stack, stack.name, engine, progress)


def host_address(engine: Engine) -> str:
    """The host's own address on the engine's bridge, which every container reaches."""
    address = engine.gateway(BRIDGE)
    if address is None:
        raise EnvironmentMissing(
            "the Docker engine has no default bridge, so its containers cannot reach this host",
            "amas drill FAULT --on STACK",
        )
    return address


def free_ports(count: int) -> list[int]:
    """All held until all are known, so that none is given twice."""
    doors = [socket.socket() for _ in range(count)]
    try:
        for door in doors:
            door.bind(("127.0.0.1", 0))
        return [int(door.getsockname()[1]) for door in doors]
    finally:
        for door in doors:
            door.close()
