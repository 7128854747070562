"""What is told while the load goes on, and what an odd answer does not end."""

import json
import threading
from collections.abc import Mapping
from dataclasses import replace

import pytest

from loadtests import flow, watch
from loadtests.watch import MOST_UNANSWERED, Watch
from runbook.api import Answer
from tests.unit.loadtests.testing_facts import planned


class Odd:
    """Answers with 200 and this body; `enough` is set when it was asked often."""

    def __init__(self, body: object) -> None:
        self._body = body
        self._asked = 0
        self.enough = threading.Event()

    def read(self, _path: str, _parameters: Mapping[str, str] | None = None) -> Answer:
        self._asked += 1
        if self._asked > MOST_UNANSWERED + 1:
            self.enough.set()
        return Answer(200, json.dumps(self._body))


@pytest.mark.parametrize("body", [{"values": {}}, [{"id": 1}], 7, [None]], ids=str)
def test_an_answer_of_another_shape_does_not_end_the_watch(
    body: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "EVERY_S", 0.001)
    service = Odd(body)
    with Watch(service, ()) as observer:
        assert service.enough.wait(10)
    assert observer.is_blind


@pytest.mark.parametrize(
    ("kind", "in_a_row", "reason"),
    [
        ("production", MOST_UNANSWERED, "whether an alert fires is no longer answered"),
        ("production", 1, None),
        ("development", MOST_UNANSWERED, None),
    ],
)
def test_production_is_not_loaded_while_nobody_can_say_that_no_alert_fires(
    kind: str, in_a_row: int, reason: str | None
) -> None:
    observer = Watch(Odd(None), (), unanswered_in_a_row=in_a_row)
    assert flow._reason_to_stop(replace(planned(), kind=kind), observer) == reason
