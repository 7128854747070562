"""What the runs of one command are compared with: read before they begin, compared when they have ended."""

from collections.abc import Sequence
from typing import Any

from loadtests import baseline, baseline_file, flow
from loadtests.baseline import Compared
from loadtests.flow import Outcome, Place
from loadtests.plan import Order
from runbook.errors import EnvironmentMissing


def before(order: Order, place: Place, *, required: bool) -> dict[str, Any] | None:
    """None where nobody set one; one that is broken, or missing though required, is told before any load."""
    path = baseline_file.place(flow.kind(order, place), order.test, order.profile)
    held = baseline_file.read_if_there(path)
    if required and held is None:
        raise EnvironmentMissing(f"there is no baseline {path}: nothing was sent", baseline_file.SET)
    return held


def compared(held: dict[str, Any] | None, outcomes: Sequence[Outcome]) -> Compared | None:
    return None if held is None else baseline.compare(held["runs"], [one.facts() for one in outcomes])
