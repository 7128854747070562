import json
from typing import Any

import pytest

from runbook.events import Changed, Diagnosed, Event, Summed, read_event

URN = "urn:pulumi:local::amas::amas:stack:Stack$docker:index/container:Container::api-0"


def step(op: str, kind: str = "docker:index/container:Container", *, custom: bool = True) -> dict[str, Any]:
    state = {"old": {"custom": custom}} if op.startswith("delete") else {"new": {"custom": custom}}
    return {"resOutputsEvent": {"metadata": {"op": op, "urn": URN, "type": kind, **state}}}


def diagnostic(severity: str, message: str) -> dict[str, Any]:
    return {"diagnosticEvent": {"severity": severity, "message": message, "urn": URN}}


@pytest.mark.parametrize(
    ("event", "read"),
    [
        (step("create"), Changed("created", "api-0", "Container")),
        (step("delete-replaced"), Changed("deleted", "api-0", "Container")),
        (step("same"), None),
        (step("create", "amas:cache:Cache", custom=False), None),
        (step("create", "pulumi:pulumi:Stack"), None),
        (step("create", "pulumi:providers:docker"), None),
        (diagnostic("error", "<{%fg 1%}>no space<{%reset%}>\n"), Diagnosed("error", "api-0", "no space")),
        (diagnostic("debug", "registering"), None),
        (diagnostic("error", "<{%reset%}>"), None),
        ({"summaryEvent": {"resourceChanges": {"same": 3, "create": 2}}}, Summed({"same": 3, "create": 2})),
        ({"preludeEvent": {}}, None),
    ],
)
def test_only_what_a_person_wants_to_see_is_read(event: dict[str, Any], read: Event | None) -> None:
    assert read_event(json.dumps(event)) == read


def test_a_broken_line_is_no_event() -> None:
    assert read_event('{"resOutputsEv') is None


def test_a_sum_counts_what_changed() -> None:
    assert Summed({"same": 30, "create": 2, "delete": 1}).changed == 3
