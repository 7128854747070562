"""What a run is told of the service before it begins."""

from typing import Any

import pytest

from loadtests.flow import serving


@pytest.mark.parametrize(("ages_s", "replicas"), [((), 0), ((3.0, 29.0), 2), ((3.0, 44.0, 46.0, 88.0), 2)])
def test_replicas_that_a_roll_took_away_are_not_counted(ages_s: tuple[float, ...], replicas: int) -> None:
    told: dict[str, Any] = {
        "collector": {"intervalMs": 30_000},
        "replicas": [{"ageSeconds": age} for age in ages_s],
    }
    assert serving(told) == replicas
