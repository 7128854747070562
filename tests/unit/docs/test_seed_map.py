"""Nothing of the runbook was left behind: each of its entries is carried by something that exists."""

import re
from copy import deepcopy

import pytest

from runbook.up.image_plan import project_version
from tests.seed_map import ROOT, carried, faults, outline
from tests.verbs import verbs

OUTLINE, CARRIED = outline(), carried()
TRAPS = ROOT / "docs/traps.md"


def test_every_entry_is_carried_by_what_exists() -> None:
    assert list(faults(OUTLINE, CARRIED)) == []


def test_the_outline_is_the_whole_runbook() -> None:
    """Its sections are numbered from 1 to 12 without a gap, and so are the entries of each."""
    sections = [name for name, entry in OUTLINE.items() if entry["kind"] == "section"]
    assert [name for name in sections if name.isdigit()] == [str(number) for number in range(1, 13)]
    for name in sections:
        entries = [other for other in OUTLINE if other.startswith(f"{name}-")]
        assert entries == [f"{name}-{number:02}" for number in range(1, len(entries) + 1)]
    kinds = [entry["kind"] for entry in OUTLINE.values()]
    assert {kind: kinds.count(kind) for kind in ("section", "command", "setting", "row", "task")} == {
        "section": 37,
        "command": 55,
        "setting": 10,
        "row": 7,
        "task": 14,
    }


@pytest.mark.parametrize(
    ("name", "kind", "wrong"),
    [
        ("2.1-01", "endpoint", "GET /healthy"),
        ("2.1-01", "verb", "amas health --nothing"),
        ("2.1", "schedule", "nothing"),
        ("3.1-01", "alert", "nothing"),
        ("4.1-02", "setting", "NOTHING"),
        ("4.2", "file", "nothing.yaml"),
        ("2.1-01", "test", "tests/e2e/test_standing.py::test_nothing"),
        ("2.1-01", "test", []),
        ("2.1-01", "nothing", "x"),
    ],
)
def test_what_names_something_that_does_not_exist_is_a_fault(name: str, kind: str, wrong: object) -> None:
    changed = deepcopy(CARRIED)
    changed[name] = {**changed[name], kind: wrong}
    (fault,) = faults(OUTLINE, changed)
    assert fault.startswith(f"{name}: ")


def test_an_entry_without_a_carrier_and_a_carrier_without_an_entry_are_faults() -> None:
    left_out = {name: one for name, one in CARRIED.items() if name != "7.2-03"}
    assert ["7.2-03" in fault for fault in faults(OUTLINE, left_out)] == [True]
    assert list(faults(OUTLINE, CARRIED | {"13-01": {"verb": "amas health"}})) == [
        "13-01: no such entry in the outline"
    ]


def test_every_verb_that_the_traps_name_is_there() -> None:
    known = {" ".join(verb.words[:depth]) for verb in verbs() for depth in (1, 2)}
    named = re.findall(r"`amas ([a-z-]+(?: [a-z-]+)?)[^`]*`", TRAPS.read_text())
    assert len(named) > 10
    assert {name for name in named if name not in known and name.split()[0] not in known} == set()


@pytest.mark.parametrize(
    "trap", ["pg_dump --table", "KEYS", "FLUSHDB", "DELETE", 'ALERT_WEBHOOK_URL=""', "pg_terminate_backend"]
)
def test_each_trap_of_the_runbook_is_told(trap: str) -> None:
    assert any(trap in line and line.startswith("| `") for line in TRAPS.read_text().splitlines())


def test_the_changelog_names_the_version() -> None:
    version = project_version((ROOT / "pyproject.toml").read_text())
    assert f"## {version}\n" in (ROOT / "CHANGELOG.md").read_text()
