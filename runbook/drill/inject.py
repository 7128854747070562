"""Brings a fault about and mends it again, whatever comes in between."""

from collections.abc import Iterator
from contextlib import contextmanager

from runbook import cache
from runbook.drill.fault import Fault
from runbook.drill.receiver import Receiver
from runbook.engine import Container, Engine, require_part
from runbook.errors import CheckFailed
from runbook.rotation import typed_into

BALLAST = "amas:drill:ballast"
# Of the memory that the spool may take: beyond what the rule allows, short of all.
BALLAST_SHARE = 0.8


@contextmanager
def happening(
    fault: Fault, engine: Engine, stack: str, queue_password: str, receiver: Receiver | None
) -> Iterator[None]:
    """The fault lasts as long as the block."""
    if fault.name == "webhook":
        with _refusing(receiver), _away(engine, require_part(engine, stack, fault.part)):
            yield
    elif fault.name == "disk":
        with _filled(require_part(engine, stack, fault.part), queue_password):
            yield
    else:
        with _away(engine, require_part(engine, stack, fault.part)):
            yield


@contextmanager
def _away(engine: Engine, container: Container) -> Iterator[None]:
    """Killed; the engine leaves alone what was ended by hand."""
    engine.stop_container(container, 0)
    try:
        yield
    finally:
        engine.start_container(container)


@contextmanager
def _filled(queue: Container, password: str) -> Iterator[None]:
    """One key of a size that is bounded by what the spool may take, not by the host's disk."""
    most = int(_asked(queue, password, "CONFIG", "GET", "maxmemory").split()[-1])
    _asked(queue, password, "SETRANGE", BALLAST, str(int(most * BALLAST_SHARE)), "x")
    try:
        yield
    finally:
        _asked(queue, password, "UNLINK", BALLAST)


@contextmanager
def _refusing(receiver: Receiver | None) -> Iterator[None]:
    assert receiver is not None  # noqa: S101 - `chosen` has seen to it
    receiver.refuses = True
    try:
        yield
    finally:
        receiver.refuses = False


def _asked(queue: Container, password: str, *words: str) -> str:
    code, said = typed_into(queue, [*cache.CLI, *words], password)
    if code != 0 or "ERR" in said or "OOM" in said:
        raise CheckFailed(f"{words[0]} in {queue.name}: {said.strip()[:200]}", "amas logs queue")
    return said
