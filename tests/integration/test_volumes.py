"""Which volumes of the engine are a stack's own."""

import secrets
import subprocess
from collections.abc import Iterator

import pytest

from runbook.engine import connect


@pytest.fixture
def stack() -> Iterator[str]:
    """With data by label, data by name alone, files by label, and a neighbour whose name begins alike."""
    name = f"vol-{secrets.token_hex(3)}"
    labelled = [f"amas-{name}-queue", f"amas-{name}-api-secrets-1"]
    others = [f"amas-{name}-db", f"amas-{name}-two-db"]
    for one in labelled:
        docker("create", "--label", f"amas.stack={name}", one)
    for one in others:
        docker("create", one)
    yield name
    docker("rm", "--force", *labelled, *others)


def docker(*words: str) -> None:
    subprocess.run(["docker", "volume", *words], check=True, capture_output=True)


def test_data_without_a_label_goes_with_its_stack_and_a_neighbours_stays(stack: str) -> None:
    engine = connect()
    own = [f"amas-{stack}-api-secrets-1", f"amas-{stack}-db", f"amas-{stack}-queue"]
    assert list(engine.leftovers(stack).volumes) == own
    assert sorted(engine.volume_sizes(stack)) == own
    engine.remove_volumes(own)
    assert engine.leftovers(stack).volumes == ()
    assert engine.leftovers(f"{stack}-two").volumes == (f"amas-{stack}-two-db",)
