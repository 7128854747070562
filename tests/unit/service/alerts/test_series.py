"""The notation of test series."""

import pytest

from service.alerts.series import MOST_VALUES, milliseconds, values


@pytest.mark.parametrize(
    ("notation", "meant"),
    [
        ("", []),
        ("1 2 3", [1, 2, 3]),
        ("-2+4x3", [-2, 2, 6, 10]),
        (" 1-2x4", [1, -1, -3, -5, -7]),
        ("1x4", [1, 1, 1, 1, 1]),
        ("7x0", [7]),
        ("1 _x3 2", [1, None, None, None, 2]),
        ("_ stale _x0 5", [None, None, 5]),
        ("1.5e2 .5 5. +3", [150, 0.5, 5, 3]),
        ("1e-3x1", [0.001, 0.001]),
        ("1+1e1x1", [1, 11]),
        ("Inf -Inf", [float("inf"), -float("inf")]),
    ],
)
def test_expands(notation: str, meant: list[float | None]) -> None:
    assert values(notation) == meant


def test_steps_are_added_up_one_by_one() -> None:
    assert values("0+0.1x3")[-1] == 0.1 + 0.1 + 0.1 != 0.3


@pytest.mark.parametrize("wrong", ["x3", "1+2", "stalex3", "1 + 2x3", "abc", "1x-1", "1,2", "--1", "_+1x3"])
def test_refuses_anything_else(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"is none of VALUE"):
        values(wrong)


@pytest.mark.parametrize("long", [f"1x{MOST_VALUES}", f"_x{MOST_VALUES} 1", "1x999999999999"])
def test_refuses_more_than_it_would_hold(long: str) -> None:
    with pytest.raises(ValueError, match="makes it more than 100000 values"):
        values(long)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("0", 0), ("0s", 0), ("90s", 90_000), ("1m30s", 90_000), ("500ms", 500), ("2h", 7_200_000),
        ("1d", 86_400_000), ("1w", 604_800_000), ("1m1ms", 60_001),
    ],
)  # fmt: skip
def test_reads_times(text: str, meant: int) -> None:
    assert milliseconds(text) == meant


@pytest.mark.parametrize("wrong", ["", "5", "1.5m", "s", "30s1m", "-1s", "1 m", "1M"])
def test_refuses_other_times(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no time such as"):
        milliseconds(wrong)
