from dataclasses import replace

import httpx
import pytest

from runbook import cache_page, cli, reach
from runbook.api import Api, Keys
from runbook.cache_page import hit_rate_percent
from runbook.cache_state import CacheState, proposals, state_of, verdict
from runbook.errors import CheckFailed

INFO = (
    "Please input password: ***\n# Server\r\nuptime_in_seconds:3600\r\n# Clients\r\nconnected_clients:12\r\n"
    "# Memory\r\nused_memory:1048576\r\nmaxmemory:201326592\r\n"
    "# Stats\r\nexpired_keys:5\r\nevicted_keys:0\r\n"
    "keyspace_hits:90\r\nkeyspace_misses:10\r\n# Keyspace\r\ndb0:keys=42,expires=42,avg_ttl=100\r\n"
)
WELL = CacheState(42, 1048576, 201326592, 90, 10, 0, 5, 12, 3600)
FULL = replace(WELL, used_bytes=200_000_000, evicted=1000)


def test_info_is_read_as_it_comes() -> None:
    assert state_of(INFO) == WELL
    assert WELL.hit_percent == 90


def test_an_empty_cache_has_no_keyspace_line_and_no_hit_rate() -> None:
    found = state_of("used_memory:1\r\nmaxmemory:0\r\n")
    assert (found.keys, found.fill, found.hit_percent) == (0, 0.0, None)


def test_a_refusal_is_no_state() -> None:
    with pytest.raises(CheckFailed, match="WRONGPASS"):
        state_of("AUTH failed: WRONGPASS invalid username-password pair")


@pytest.mark.parametrize(
    ("rate", "state"), [(None, "unknown"), (0, "failed"), (59.9, "failed"), (60, "at risk"), (80.1, "ok")]
)
def test_the_objective_and_its_alert_judge(rate: float | None, state: str) -> None:
    assert verdict(rate) == state


def test_a_full_cache_that_misses_is_given_memory() -> None:
    assert proposals(FULL, 70, 256) == ["./scripts/up --config cacheMemoryMb=512"]


def test_a_full_cache_that_hits_is_as_it_should_be() -> None:
    assert proposals(FULL, 95, 256) == []


def test_one_that_forgets_too_early_keeps_longer() -> None:
    assert proposals(replace(WELL, expired=9), 50, 256) == ["./scripts/up --config cacheTtlAmasState=900"]
    assert proposals(replace(WELL, expired=1), 50, 256) == ["amas insights rate"]


def test_an_empty_one_that_misses_is_not_given_memory() -> None:
    assert all("cacheMemoryMb" not in one for one in proposals(WELL, 10, 256))


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"id": "cache_hit_rate", "value": None, "samples": 0},
        {"id": "cache_hit_rate", "value": 0.0, "samples": 99},
    ],
)
def test_too_few_reads_are_no_rate(row: dict[str, object]) -> None:
    assert hit_rate_percent({"rows": [row]}) is None


def test_the_objectives_row_is_the_rate() -> None:
    rows = [{"id": "throughput", "value": 9}, {"id": "cache_hit_rate", "value": 81.5, "samples": 100}]
    assert hit_rate_percent({"rows": rows}) == 81.5
    assert hit_rate_percent(None) is None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(503 if "away" in request.url.path else 204)

    api = Api("http://service.test", Keys(admin="adm1n"), httpx.MockTransport(answer))
    monkeypatch.setattr(reach, "api_of", lambda _stack: api)
    return requests


def amas(*words: str) -> int:
    return cli.run(lambda: cli.app([*words], prog_name="amas", standalone_mode=False), as_json=False)


def test_one_insight_is_cleared_by_the_service_as_its_administrator(asked: list[httpx.Request]) -> None:
    assert amas("cache", "clear", "a/b c") == 0
    assert [one.method for one in asked] == ["DELETE"]
    assert asked[0].url.raw_path == b"/api/insights/a%2Fb%20c/cache"
    assert asked[0].headers["Authorization"] == "Bearer adm1n"


def test_all_is_cleared_only_after_a_consent(
    asked: list[httpx.Request], capsys: pytest.CaptureFixture[str]
) -> None:
    assert amas("cache", "clear", "--all") == 2
    assert "nobody is there to ask" in capsys.readouterr().err
    assert asked == []
    assert amas("cache", "clear", "--all", "--yes") == 0
    assert asked[0].url.path == "/api/cache/insights"


@pytest.mark.parametrize("words", [[], ["an-id", "--all", "--yes"]])
def test_neither_or_both_is_refused(words: list[str], asked: list[httpx.Request]) -> None:
    assert amas("cache", "clear", *words) == 2
    assert asked == []


def test_a_cache_that_is_away_fails(asked: list[httpx.Request]) -> None:
    assert amas("cache", "clear", "away") == 1


def test_a_stacks_name_in_front_of_a_subcommand_is_not_lost(
    asked: list[httpx.Request], capsys: pytest.CaptureFixture[str]
) -> None:
    assert amas("cache", "--stack", "prod", "clear", "--all", "--yes") == 2
    assert "options come behind" in capsys.readouterr().err
    assert asked == []


def test_the_page_names_where_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert amas("cache", "--help") == 0
    assert "Runs on the host" in " ".join(capsys.readouterr().out.split())
    assert cache_page.CLEARED == 204
