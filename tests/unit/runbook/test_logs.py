import json
from datetime import UTC, datetime, timedelta

import pytest

from runbook.engine import LogLine
from runbook.errors import EnvironmentMissing, UsageError
from runbook.logs import (
    Wanted,
    check_level,
    collected,
    followed,
    level_of,
    reaches,
    readable,
    shown_as_json,
    span,
)
from runbook.testing import MemoryEngine, container

OURS = json.dumps(
    {
        "time": "2026-01-01T00:00:00.123+00:00",
        "level": "error",
        "component": "writer",
        "message": "Failed to write decision insight",
        "decisionId": "a-1",
        "tries": 3,
        "why": "no space",
    }
)


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine(
        held=[container("api"), container("db")],
        logs={
            "api": [
                f"2026-01-01T00:00:03Z {OURS}",
                '2026-01-01T00:00:05Z {"level":"info","message":"ready"}',
            ],
            "db": ["2026-01-01T00:00:02Z LOG:  listening", "2026-01-01T00:00:04Z FATAL:  no such role"],
        },
    )


def texts(lines: list[LogLine]) -> list[str]:
    return [line.text for line in lines]


def test_lines_of_all_parts_are_merged_by_time(engine: MemoryEngine) -> None:
    assert [line.stamp[17:19] for line in collected(engine, "local", Wanted())] == ["02", "03", "04", "05"]


def test_one_part_alone(engine: MemoryEngine) -> None:
    assert {line.container for line in collected(engine, "local", Wanted(part="db"))} == {"amas-local-db"}


def test_tail_counts_over_all_parts(engine: MemoryEngine) -> None:
    assert texts(collected(engine, "local", Wanted(tail=2)))[0] == "FATAL:  no such role"


def test_level_keeps_what_is_at_or_above_it(engine: MemoryEngine) -> None:
    assert texts(collected(engine, "local", Wanted(level="error"))) == [OURS, "FATAL:  no such role"]


def test_following_ends_when_the_containers_do(engine: MemoryEngine) -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert len(list(followed(engine, "local", Wanted(), since))) == 4


def test_an_unknown_part_names_those_there_are(engine: MemoryEngine) -> None:
    with pytest.raises(UsageError, match="no part `redis`: one of api, db"):
        collected(engine, "local", Wanted(part="redis"))


def test_no_stack_is_a_missing_environment() -> None:
    with pytest.raises(EnvironmentMissing):
        collected(MemoryEngine(), "local", Wanted())


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (OURS, "error"),
        ('{"level":"WARNING"}', "warning"),
        ("2026-01-01 00:00:00 UTC [1] ERROR:  relation", "error"),
        ("2026-01-01 00:00:00 UTC [1] LOG:  checkpoint", "info"),
        ("[NOTICE]   (1) : New worker (8) forked", "info"),
        ("[ALERT]    (1) : config", "error"),
        ('ts=2026-01-01T00:00:00Z caller=main.go level=warn msg="slow"', "warning"),
        ('time="2026-01-01" level="info"', "info"),
        ("1:M 01 Jan 2026 12:00:00.000 * Ready to accept connections", "info"),
        ("1:C 01 Jan 2026 12:00:00.000 # Can't save in background: fork", "error"),
        ("Please wait", None),
        ('{"broken', None),
    ],
)
def test_levels_are_known_in_every_dialect(text: str, level: str | None) -> None:
    assert level_of(text) == level


def test_a_line_without_a_level_is_never_hidden() -> None:
    assert reaches("Segmentation fault", "error")


def test_our_lines_are_rendered_and_others_pass_through() -> None:
    ours = LogLine("2026-01-01T00:00:03.5Z", "amas-local-api-x1", OURS)
    assert readable(ours, "local") == (
        "2026-01-01T00:00:03.5Z api-x1 error writer Failed to write decision insight "
        'decisionId=a-1 tries=3 why="no space"'
    )
    other = LogLine("2026-01-01T00:00:03.123456789Z", "amas-local-db", "LOG:  listening")
    assert readable(other, "local") == "2026-01-01T00:00:03.123 db LOG:  listening"


def test_json_output_is_one_object_a_line() -> None:
    assert json.loads(shown_as_json(LogLine("t", "c", OURS)))["fields"]["tries"] == 3
    assert json.loads(shown_as_json(LogLine("t", "c", "text"))) == {
        "stamp": "t",
        "container": "c",
        "text": "text",
    }


@pytest.mark.parametrize(("text", "minutes"), [("90s", 1.5), ("10m", 10), ("1h30m", 90), ("2d", 2880)])
def test_spans_are_read(text: str, minutes: float) -> None:
    assert span(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "-5m", "1w"])
def test_a_wrong_span_names_the_value_and_what_is_allowed(text: str) -> None:
    with pytest.raises(UsageError, match=r"write a number and s, m, h or d"):
        span(text)


def test_a_wrong_level_names_those_allowed() -> None:
    with pytest.raises(UsageError, match="'loud': one of debug, info, warning, error"):
        check_level("loud")
