"""Dead letters over HTTP: listed, brought again, given up."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from service.insights import testing
from service.insights.testing import POISON, raw_trace, recently
from tests.unit.service.standing import Standing, problem, standing

pytestmark = pytest.mark.anyio

ADMIN = {"authorization": "Bearer admin"}
AT = recently()


@dataclass
class Cabinet:
    """The letters' part of the database."""

    letters: dict[int, bytes] = field(default_factory=dict)
    marks: dict[int, tuple[str, str]] = field(default_factory=dict)

    async def rows(self, query: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        match query:
            case "letters":
                numbers = sorted((n for n in self.letters if n < parameters["before"]), reverse=True)
                at = datetime(2026, 11, 23, tzinfo=UTC)
                return [
                    (n, f"order:{n}", None, "why", "", at, 0, self.letters[n])
                    for n in numbers[: parameters["most"]]
                ]
            case "letters_after" | "letter_ids_after":
                found = sorted(n for n in self.letters if n > parameters["after"])[: parameters["most"]]
                return [self._row(n) if query == "letters_after" else (n,) for n in found]
            case "letters_of":
                return [self._row(n) for n in parameters["ids"] if n in self.letters]
            case "delete_letters":
                return [(n,) for n in parameters["ids"] if self.letters.pop(n, None)]
            case "mark_letters":
                marked = zip(parameters["reasons"], parameters["sqlstates"], strict=True)
                self.marks |= dict(zip(parameters["ids"], marked, strict=True))
        return []

    def _row(self, number: int) -> tuple[Any, ...]:
        return number, f"order:{number}", None, self.letters[number]


@pytest.fixture
async def up() -> AsyncIterator[Standing]:
    async with standing() as service:
        cabinet = Cabinet({n: raw_trace(f"order:{n}", occurredAt=AT) for n in range(1, 8)})
        service.reads.rows = cabinet.rows  # type: ignore[method-assign,assignment]
        yield service


def cabinet_of(up: Standing) -> Cabinet:
    cabinet = getattr(up.reads.rows, "__self__", None)
    assert isinstance(cabinet, Cabinet)
    return cabinet


async def replayed(up: Standing, body: object) -> dict[str, int]:
    response = await up.client.post("/api/dead-letters/replay", json=body, headers=ADMIN)
    assert response.status_code == 200, response.text
    counts: dict[str, int] = response.json()
    return counts


async def test_pages_join_newest_first(up: Standing) -> None:
    seen: list[int] = []
    parameters = {"limit": "3"}
    while True:
        answer = (await up.client.get("/api/dead-letters", params=parameters)).json()
        seen += [one["id"] for one in answer["items"]]
        if answer["nextCursor"] is None:
            break
        parameters["cursor"] = answer["nextCursor"]
    assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_a_letter_is_shown_with_its_bytes(up: Standing) -> None:
    cabinet_of(up).letters = {3: b'{"a": \xff}'}
    (letter,) = (await up.client.get("/api/dead-letters")).json()["items"]
    assert letter == {
        "id": 3,
        "decisionId": "order:3",
        "runId": None,
        "reason": "why",
        "sqlstate": None,
        "buriedAt": "2026-11-23T00:00:00Z",
        "sizeBytes": 8,
        "attempts": 0,
        "raw": '{"a": \ufffd}',
    }


async def test_what_can_be_stored_now_is_a_letter_no_more(up: Standing) -> None:
    cabinet = cabinet_of(up)
    await up.store.write([testing.decision("order:2", occurredAt=AT)])
    await up.store.write([testing.decision("order:3", occurredAt=AT, action="other")])
    cabinet.letters[4] = raw_trace("order:4", occurredAt=AT, userId=POISON)
    cabinet.letters[5] = b"no JSON"
    counts = await replayed(up, {})
    assert counts == {"replayed": 7, "stored": 3, "duplicate": 1, "conflict": 1, "refused": 2}
    assert sorted(cabinet.letters) == [3, 4, 5]
    assert cabinet.marks[3] == ("decisionId order:3 is stored with other content", "23505")
    assert cabinet.marks[4][1] == "22P05"
    assert "is not JSON" in cabinet.marks[5][0]
    assert {"order:1", "order:6", "order:7"} <= set(up.store.rows)
    metrics = (await up.client.get("/api/about/metrics/prometheus")).text
    assert "amas_dead_letters_replayed_total 3.0" in metrics


async def test_only_the_named_are_brought_again_and_once(up: Standing) -> None:
    counts = await replayed(up, {"ids": [2, 2, 99]})
    assert counts == {"replayed": 1, "stored": 1, "duplicate": 0, "conflict": 0, "refused": 0}
    assert set(up.store.rows) == {"order:2"}


async def test_a_replay_of_many_goes_in_pieces(up: Standing) -> None:
    cabinet_of(up).letters = {n: raw_trace(f"order:{n}", occurredAt=AT) for n in range(1, 251)}
    assert (await replayed(up, {}))["stored"] == 250
    assert up.store.batches == [100, 100, 50]


@pytest.mark.parametrize(
    "body", [b"[]", b'{"ids": []}', b'{"ids": ["1"]}', b'{"ids": [0]}', b'{"id": [1]}', b"{"]
)
async def test_a_bad_replay_is_400_and_changes_nothing(up: Standing, body: bytes) -> None:
    response = await up.client.post("/api/dead-letters/replay", content=body, headers=ADMIN)
    assert problem(response, 400)["field"] == "ids"
    assert up.store.rows == {}


async def test_letters_are_given_up_by_id_or_all(up: Standing) -> None:
    response = await up.client.delete("/api/dead-letters?id=1&id=2&id=99", headers=ADMIN)
    assert response.json() == {"deleted": 2}
    response = await up.client.delete("/api/dead-letters?all=true", headers=ADMIN)
    assert response.json() == {"deleted": 5}
    assert cabinet_of(up).letters == {}


@pytest.mark.parametrize("query", ["", "?id=x", "?id=-1", "?all=yes", "?all=true&id=1", "?id=" + "9" * 30])
async def test_a_purge_that_names_nothing_is_400(up: Standing, query: str) -> None:
    problem(await up.client.delete(f"/api/dead-letters{query}", headers=ADMIN), 400)
    assert len(cabinet_of(up).letters) == 7


@pytest.mark.parametrize("query", ["?limit=0", "?limit=101", "?limit=x", "?cursor=x", "?cursor=", "?other=1"])
async def test_a_bad_parameter_of_the_list_is_400(up: Standing, query: str) -> None:
    problem(await up.client.get(f"/api/dead-letters{query}"), 400)


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/api/dead-letters?all=true"),
                                              ("POST", "/api/dead-letters/replay"),
                                              ("DELETE", "/api/cache/insights")])  # fmt: skip
async def test_changes_need_an_admin_key(up: Standing, method: str, path: str) -> None:
    problem(await up.client.request(method, path), 401)
    problem(await up.client.request(method, path, headers={"authorization": "Bearer read"}), 403)


async def test_the_whole_cache_of_insights_is_forgotten(up: Standing) -> None:
    up.cache.entries = {
        "decision_insight:a": (b"{}", 1),
        "insights:user:ann": (b"t", 1),
        "insights:rate:24h": (b"{}", 1),
        "others": (b"", 1),
    }
    assert (await up.client.delete("/api/cache/insights", headers=ADMIN)).status_code == 204
    assert list(up.cache.entries) == ["others"]
    up.cache.away = True
    problem(await up.client.delete("/api/cache/insights", headers=ADMIN), 503)


async def test_the_rate_is_asked_for_once_in_its_time(up: Standing) -> None:
    asked = []

    async def rows(query: str, _: object) -> list[tuple[Any, ...]]:
        asked.append(query)
        return [(datetime(2026, 11, 23, 10, tzinfo=UTC), 7)]

    up.reads.rows = rows  # type: ignore[method-assign]
    first, second = [await up.client.get("/api/insights/rate") for _ in range(2)]
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("miss", "hit")
    assert first.json() == second.json()
    assert asked.count("rate") == 1
    assert up.cache.entries["insights:rate:24h"][1] == 60
    await up.client.get("/api/insights/rate?window=2d")
    assert asked.count("rate") == 2


async def test_the_ttls_are_those_of_the_settings() -> None:
    async with standing(CACHE_TTL_AMAS_METRICS="7", CACHE_TTL_USER_STATE="9") as up:
        await up.client.get("/api/insights/rate")
        await up.client.get("/api/insights?userId=ann")
        assert up.cache.entries["insights:rate:24h"][1] == 7
        assert {ttl_s for key, (_, ttl_s) in up.cache.entries.items() if "user:" in key} == {9}
