"""What is kept as proven says what was run, where, and that it held."""

import json
from pathlib import Path

import pytest

from tests.prove import KEPT, PROOFS, ROOT


@pytest.mark.parametrize("name", PROOFS)
def test_a_proof_covers_paths_that_exist(name: str) -> None:
    assert [path for path in PROOFS[name].covers if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("file", sorted(KEPT.glob("*.json")), ids=lambda file: file.stem)
def test_a_kept_proof_holds_and_tells_its_circumstances(file: Path) -> None:
    kept = json.loads(file.read_text())
    assert kept["proof"] in PROOFS
    assert kept["holds"]
    assert kept["command"] == PROOFS[kept["proof"]].command
    assert kept["machine"]["cpus"]
    assert kept["said"]
