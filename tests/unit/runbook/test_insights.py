from typing import Any

import httpx
import pytest

from runbook import cli, reach
from runbook.api import Api
from runbook.errors import CheckFailed
from runbook.insights import judged, rate_lines, ttl_s, where


def body(*written: int) -> dict[str, Any]:
    """Newest hour first."""
    return {
        "hours": [
            {"hour": f"2026-01-01T{20 - n:02}:00:00Z", "insightsWritten": one}
            for n, one in enumerate(written)
        ]
    }


def test_the_hour_under_way_and_the_cut_one_do_not_judge() -> None:
    found = judged(body(1, 200, 300, 400, 2))
    assert found.median_an_hour == 300
    assert not found.newest_is_low


def test_a_whole_hour_with_next_to_nothing_is_told() -> None:
    found = judged(body(0, 5, 300, 310, 305, 290))
    assert found.newest_is_low
    assert "next      amas triage writes" in rate_lines(found, "24h")


@pytest.mark.parametrize("hours", [[], [3], [3, 4]])
def test_too_few_hours_judge_nothing(hours: list[int]) -> None:
    assert not judged(body(*hours)).newest_is_low


def test_silence_is_said() -> None:
    assert rate_lines(judged(body()), "24h") == ["nothing was written in 24h"]


@pytest.mark.parametrize(
    "answer", [None, [], {"hours": [{}]}, {"hours": [{"hour": "x", "insightsWritten": "many"}]}]
)
def test_another_answer_fails(answer: Any) -> None:
    with pytest.raises(CheckFailed, match="no hours"):
        judged(answer)


@pytest.mark.parametrize(
    ("told", "left_s"),
    [
        ("Please input password: ****\n(integer) 212\n", 212),
        ("Please input password: 212\n", 212),
        ("-2\n", None),
        ("0\n", 0),
    ],
)
def test_the_time_left_stands_last(told: str, left_s: int | None) -> None:
    assert ttl_s(told) == left_s


def test_a_cache_that_does_not_answer_fails() -> None:
    with pytest.raises(CheckFailed, match="refused"):
        ttl_s("Could not connect: Connection refused\n")


def test_where_an_insight_came_from_is_said() -> None:
    assert where(200, "hit") == "from the cache"
    assert where(200, "miss").startswith("from the database")
    assert where(202, None).startswith("spooled")


def test_an_unknown_id_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    transport = httpx.MockTransport(
        lambda _: httpx.Response(404, json={"detail": "no insight with decisionId x"})
    )
    monkeypatch.setattr(reach, "api_of", lambda _stack: Api("http://service.test", None, transport))
    words = ["insights", "get", "x"]
    assert cli.run(lambda: cli.app(words, prog_name="amas", standalone_mode=False), as_json=False) == 1
    assert "no insight with decisionId x" in capsys.readouterr().err
