"""What runs are compared with is looked at before anything is sent."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import pytest

from loadtests.flow import Place
from loadtests.plan import Order
from runbook.api import Api, Keys
from runbook.errors import EnvironmentMissing, UsageError
from runbook.loadtest.against import NONE, SET, Against
from tests.unit.loadtests.testing_facts import outcome

ORDER = Order("mixed", "smoke", "http://service.test")


@pytest.fixture
def place() -> Place:
    answer = httpx.Response(200, json={"environment": "development"})
    service = Api("http://service.test", Keys(), httpx.MockTransport(lambda _: answer))
    return cast("Place", SimpleNamespace(service=service))


def test_none_where_one_is_required_stops_before_the_load(place: Place, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="no baseline of mixed smoke for development"):
        Against(tmp_path, required=True).looked_up(ORDER, place)
    assert Against(tmp_path).looked_up(ORDER, place) == []


def test_a_broken_one_stops_before_the_load(place: Place, tmp_path: Path) -> None:
    (tmp_path / "development").mkdir()
    (tmp_path / "development/mixed.smoke.0123.json").write_text("{")
    with pytest.raises(UsageError, match="is no baseline"):
        Against(tmp_path).looked_up(ORDER, place)


def test_the_first_night_sets_it_and_the_second_is_compared(place: Place, tmp_path: Path) -> None:
    against = Against(tmp_path, set_missing=True)
    night = [outcome(tmp_path)] * 4
    assert against.judged(against.looked_up(ORDER, place), night) == (None, SET)
    compared, answer = against.judged(against.looked_up(ORDER, place), night)
    assert compared
    assert answer == compared.answer == "same"


def test_nothing_is_set_that_was_not_asked_for(tmp_path: Path) -> None:
    assert Against(tmp_path).judged([], [outcome(tmp_path)] * 4) == (None, NONE)
    assert not (tmp_path / "development").exists()
