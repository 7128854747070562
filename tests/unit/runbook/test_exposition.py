import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.exposition import combined, parse, quantile

TEXT = """\
# TYPE amas_decision_write_duration histogram
amas_decision_write_duration_bucket{le="100"} 90
amas_decision_write_duration_bucket{le="500"} 99
amas_decision_write_duration_bucket{le="+Inf"} 100
amas_decision_write_duration_count 100
amas_decision_write_duration_sum 5000
# TYPE http_errors counter
http_errors_total{status="500"} 5
http_errors_total{status="404"} 7
"""
COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=8)


def buckets_of(counts: list[int]) -> list[tuple[float, float]]:
    bounds = [*range(10, 10 * len(counts), 10), float("inf")]
    return [(float(bound), float(sum(counts[: place + 1]))) for place, bound in enumerate(bounds)]


def test_values_are_found_by_name_and_labels() -> None:
    seen = parse(TEXT)
    assert seen.total("http_errors_total") == 12
    assert seen.total("http_errors_total", status="500") == 5
    assert seen.total("nothing") is None


def test_what_is_no_exposition_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="html"):
        parse("<html>502 Bad Gateway</html>")


def test_replicas_are_added_before_a_percentile_is_taken() -> None:
    """An average of percentiles is none."""
    both = combined([parse(TEXT), parse(TEXT.replace("} 90", "} 0").replace("} 99", "} 0"))])
    assert both.buckets("amas_decision_write_duration") == [(100, 90), (500, 99), (float("inf"), 200)]


@pytest.mark.parametrize(
    ("share", "value"), [(0.45, 50.0), (0.90, 100.0), (0.99, 500.0), (0.945, 300.0), (0.999, 500.0)]
)
def test_a_quantile_is_interpolated_inside_its_bucket(share: float, value: float) -> None:
    assert quantile(parse(TEXT).buckets("amas_decision_write_duration"), share) == pytest.approx(value)


@pytest.mark.parametrize("empty", [[], [(100.0, 0.0), (float("inf"), 0.0)]])
def test_no_observation_has_no_quantile(empty: list[tuple[float, float]]) -> None:
    assert quantile(empty, 0.99) is None


@given(COUNTS, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_higher_share_never_has_a_lower_quantile(counts: list[int], one: float, other: float) -> None:
    buckets = buckets_of(counts)
    low, high = quantile(buckets, min(one, other)), quantile(buckets, max(one, other))
    assert (low is None) == (high is None) == (sum(counts) == 0)
    assert low is None or high is None or low <= high + 1e-9
