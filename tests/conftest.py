"""Tests that take minutes wait for AMAS_TEST_FULL=1; they are left out, not skipped.

It is what property tests wait for as well: each change is tried on a few examples, a release on many.
"""

import os

import hypothesis
import pytest

FULL = bool(os.environ.get("AMAS_TEST_FULL"))

# Without deadlines: how long an example takes tells of the machine's other work as well.
hypothesis.settings.register_profile("few", max_examples=20, deadline=None)
hypothesis.settings.register_profile("many", max_examples=500, deadline=None)
hypothesis.settings.load_profile("many" if FULL else "few")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if FULL:
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
