"""A day of made-up users through the load balancer ends exactly as its manifest says."""

import json

import pytest

from tests.e2e.conftest import Stack

TRACES = 100_000


@pytest.mark.full
def test_generated_traffic_ends_as_its_manifest_says(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    told = stack.amas("traffic", "--count", str(TRACES), "--seed", "7", "--json")
    report = json.loads(told.stdout)
    with capsys.disabled():
        print(f"\ntraffic: {told.stdout}")  # noqa: T201 - the figures are the result
    assert report["ok"]
