import pytest

from runbook.exposition import combined, parse

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
