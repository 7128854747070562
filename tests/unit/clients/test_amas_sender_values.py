"""What the sender works out without a connection."""

import ast
import re
import sys
from collections.abc import Mapping
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients import amas_sender
from clients.amas_sender import (
    MOST_BATCH_BYTES,
    MOST_BATCH_LINES,
    MOST_TRACE_BYTES,
    Sender,
    batch_length,
    identified,
    retry_after_s,
    uuid7,
)
from service.insights import batch as service_batch
from service.insights import trace as service_trace

# A busy machine is no reason to fail.
UNHURRIED = settings(deadline=None)
NOW_S = 1_733_220_000.123
V7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0), ("7", 7), ("-7", 0), ("9" * 30, 10**9), ("9" * 5000, 0), (None, 0), ("", 0), ("soon", 0),
        ("1.5", 0), (formatdate(NOW_S + 60, usegmt=True), pytest.approx(60, abs=1)),
        (formatdate(NOW_S - 60, usegmt=True), 0), ("Tue, 99 Dec 2024 10:00:00 GMT", 0),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_else_nothing(header: str | None, seconds: float) -> None:
    assert retry_after_s(header, NOW_S) == seconds


@UNHURRIED
@given(st.lists(st.tuples(st.integers(1, MOST_TRACE_BYTES), st.integers(1, 9000)), max_size=4))
def test_a_batch_is_as_long_as_the_limits_allow_and_no_longer(runs: list[tuple[int, int]]) -> None:
    sizes = [size for size, times in runs for _ in range(times)]
    length = batch_length(sizes)

    def fits(lines: int) -> bool:
        return lines <= MOST_BATCH_LINES and sum(sizes[:lines]) + lines <= MOST_BATCH_BYTES

    assert fits(length)
    assert length == len(sizes) or not fits(length + 1)
    assert length or not sizes


def test_the_limits_are_those_of_the_service() -> None:
    mine = (MOST_TRACE_BYTES, MOST_BATCH_BYTES, MOST_BATCH_LINES)
    assert mine == (service_trace.MOST_BYTES, service_batch.MOST_BYTES, service_batch.MOST_LINES)


def test_uuid7_is_the_example_of_the_rfc() -> None:
    random_bytes = bytes.fromhex("0cc318c4dc0c0c07398f")
    assert uuid7(0x017F22E279B0, random_bytes) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@UNHURRIED
@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_uuid7_carries_version_variant_and_time(now_ms: int, random_bytes: bytes) -> None:
    made = uuid7(now_ms, random_bytes)
    assert V7.fullmatch(made)
    assert int(made[:8] + made[9:13], 16) == now_ms


@pytest.mark.parametrize(
    ("given_fields", "filled"),
    [
        ({}, {"decisionId", "occurredAt"}),
        ({"occurredAt": "2024-12-03T10:00:00Z"}, {"decisionId"}),
        ({"decisionId": "own:1"}, {"occurredAt"}),
        ({"decisionId": uuid7(1, bytes(10)).upper()}, set()),
    ],
)
def test_only_what_is_missing_is_filled_in(given_fields: Mapping[str, str], filled: set[str]) -> None:
    whole = identified(given_fields, int(NOW_S * 1000), bytes(10))
    assert set(whole) - set(given_fields) == filled
    assert given_fields.items() <= whole.items()
    assert whole.get("occurredAt") in (None, "2024-12-03T10:00:00Z", "2024-12-03T10:00:00.123Z")


@pytest.mark.parametrize("key", ["", "canary key", "canary\r\nX: y", "canäry"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        Sender("http://localhost:3000", key)
    assert "can" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["localhost:3000", "ftp://h", "http://", "http://u:canary@h", "http://h/?k=canary", "http://h/a b"]
)
def test_a_url_that_is_no_base_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValueError, match="url must") as caught:
        Sender(url, "key")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://[::1]", "::1", 80, "/api/decisions"),
        ("https://amas.example/behind/", "amas.example", 443, "/behind/api/decisions"),
    ],
)
def test_the_address_is_taken_from_the_url(url: str, host: str, port: int, path: str) -> None:
    sender = Sender(url, "key")
    assert (sender._connection.host, sender._connection.port, sender._path) == (host, port, path)


@pytest.mark.parametrize(("timeout_s", "deadline_s"), [(0, 1), (1, -1), (float("nan"), 1)])
def test_times_must_be_above_zero(timeout_s: float, deadline_s: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Sender("http://h", "key", timeout_s, deadline_s)


def test_the_file_needs_only_python_3_9() -> None:
    tree = ast.parse(Path(amas_sender.__file__).read_text(), feature_version=(3, 9))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
