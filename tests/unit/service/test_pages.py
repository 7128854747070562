"""A user's first page comes from the cache, and never from before a commit that was acknowledged."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from service import keyset
from service.insights import page, pages, testing
from service.insights.pages import READERS, Pages
from service.insights.testing import MemoryCache

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "GATHER_S", 0.0)


class Count:
    value = 0

    def inc(self) -> None:
        self.value += 1


class Counts:
    def __init__(self) -> None:
        self.cache_hits, self.cache_misses = Count(), Count()


@dataclass
class Database:
    """Rows of users; a question waits while `open` is not set, with the rows of its beginning."""

    rows_of: dict[str, int] = field(default_factory=dict)
    asked: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def rows(self, _: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        self.asked += 1
        count = self.rows_of.get(str(parameters.get("user_id")), 0)
        await self.open.wait()
        return [(f'{{"n":{n}}}', datetime(2026, 1, 1, tzinfo=UTC), str(n)) for n in range(count)]


@dataclass
class Replica:
    database: Database = field(default_factory=Database)
    cache: MemoryCache = field(default_factory=MemoryCache)
    counts: Counts = field(default_factory=Counts)
    pages: Pages = field(init=False)

    def __post_init__(self) -> None:
        self.pages = Pages(self.database, self.cache, self.counts, 1800)

    async def count(self, user: str = "ann", **parameters: str) -> int:
        body, _ = await self.pages.read(page.parse({"userId": user} | parameters))
        return len(msgspec.json.decode(body)["items"])

    async def store(self, user: str = "ann") -> None:
        """As the store announces it: after the COMMIT, before the answer."""
        self.database.rows_of[user] = self.database.rows_of.get(user, 0) + 1
        self.pages.changed([testing.decision("order:1", occurredAt=testing.recently(), userId=user)])


async def test_the_second_look_is_answered_from_the_cache() -> None:
    one = Replica()
    await one.store()
    await one.pages.settled()
    assert [await one.count() for _ in range(3)] == [1, 1, 1]
    assert one.database.asked == 1
    assert (one.counts.cache_hits.value, one.counts.cache_misses.value) == (2, 1)
    assert {ttl_s for _, ttl_s in one.cache.entries.values()} == {1800}


@pytest.mark.parametrize(
    "parameters",
    [{"cursor": keyset.write_cursor(keyset.Cursor(datetime(2026, 1, 1, tzinfo=UTC), "x"))},
     {"from": "2026-01-01T00:00:00Z"}, {"to": "2026-01-01T00:00:00Z"}],
    ids=["cursor", "from", "to"],
)  # fmt: skip
async def test_other_pages_are_not_cached(parameters: dict[str, str]) -> None:
    one = Replica()
    await one.count(**parameters)
    await one.pages.read(page.parse({}))
    assert one.cache.entries == {}


async def test_pages_of_two_lengths_do_not_mix() -> None:
    one = Replica()
    for _ in range(3):
        await one.store()
    await one.pages.settled()
    assert [await one.count(limit=limit) for limit in ("2", "3", "2", "3")] == [2, 3, 2, 3]
    assert one.database.asked == 2


async def test_no_name_of_a_user_makes_the_page_of_another_a_token() -> None:
    names = ("ann", "ann\n50", "token:ann", "page:50:ann", "50:ann", "")
    keys = [key for name in names for most in (5, 50) for key in set(pages._keys(name, most))]
    tokens = {pages._keys(name, 50)[0] for name in names}
    assert len(set(keys)) == len(names) * 3
    assert not tokens & {pages._keys(name, most)[1] for name in names for most in (5, 50)}


async def test_right_after_a_commit_the_new_page_is_read() -> None:
    one = Replica()
    assert await one.count() == 0
    await one.store()
    assert await one.count() == 1
    await one.pages.settled()
    assert [await one.count() for _ in range(2)] == [1, 1]


async def test_a_commit_of_another_replica_is_seen() -> None:
    one = Replica()
    two = Replica(one.database, one.cache)
    assert [await one.count(), await two.count()] == [0, 0]
    await one.store()
    await one.pages.settled()
    assert await two.count() == 1


async def test_a_page_read_before_the_commit_and_put_after_it_never_counts() -> None:
    one = Replica()
    two = Replica(one.database, one.cache)
    one.database.open.clear()
    late = asyncio.create_task(two.count())
    for _ in range(5):
        await asyncio.sleep(0)
    await one.store()
    await one.pages.settled()
    one.database.open.set()
    assert await late == 0
    assert await two.count() == 1


async def test_commits_of_users_nobody_reads_cost_one_question() -> None:
    one = Replica()
    dropped: list[list[str]] = []

    async def drop(keys: list[str]) -> bool:
        dropped.append(keys)
        return True

    one.cache.drop = drop  # type: ignore[method-assign]
    await one.store()
    await one.pages.settled()
    assert dropped == []
    await one.count()
    await one.store("bob")
    await one.pages.settled()
    assert dropped == [["insights:user:token:bob"]]


async def test_a_lost_token_of_all_makes_every_page_worthless() -> None:
    """The cache evicts what it likes: commits were skipped since then."""
    one = Replica()
    assert await one.count() == 0
    del one.cache.entries[READERS]
    await one.store()
    await one.pages.settled()
    assert await one.count("bob") == 0
    assert await one.count() == 1


async def test_while_the_cache_is_away_the_database_answers_and_later_no_page_is_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pages, "AGAIN_S", 0.0)
    one = Replica()
    assert await one.count() == 0
    one.cache.away = True
    await one.store()
    assert await one.count() == 1
    for _ in range(5):
        await asyncio.sleep(0)
    one.cache.away = False
    assert await one.count() == 1
    await one.pages.settled()
    assert await one.count() == 1


async def test_too_many_users_at_once_take_all_pages_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "AGAIN_S", 0.0)
    monkeypatch.setattr(pages, "MOST_USERS", 3)
    one = Replica()
    assert await one.count() == 0
    one.cache.away = True
    for n in range(5):
        await one.store(f"user-{n}")
    await one.store()
    for _ in range(10):
        await asyncio.sleep(0)
    one.cache.away = False
    await one.pages.settled()
    assert not [key for key in one.cache.entries if key.startswith("insights:user:")]
    assert await one.count() == 1


STEPS = some.lists(
    some.tuples(some.sampled_from(["read", "store", "evict", "begin", "end", "settle"]), some.integers(0, 1)),
    max_size=30,
)


@settings(deadline=None)
@given(STEPS)
def test_no_interleaving_leaves_a_stale_page(steps: list[tuple[str, int]]) -> None:  # noqa: C901  # a table of steps
    """Once the tokens of a commit are taken away, no replica answers with a page from before it."""

    async def played() -> None:
        one = Replica()
        replicas = [one, Replica(one.database, one.cache)]
        late: list[asyncio.Task[int]] = []
        for name, which in steps:
            replica = replicas[which]
            match name:
                case "read":
                    one.database.open.set()
                    await replica.count()
                case "store":
                    await replica.store()
                case "evict":
                    one.cache.entries.pop(READERS, None)
                case "begin":
                    one.database.open.clear()
                    late.append(asyncio.create_task(replica.count()))
                    for _ in range(5):
                        await asyncio.sleep(0)
                case "end":
                    one.database.open.set()
                    await asyncio.gather(*late)
                case "settle":
                    await asyncio.gather(*(each.pages.settled() for each in replicas))
        one.database.open.set()
        await asyncio.gather(*late, *(each.pages.settled() for each in replicas))
        for each in replicas:
            assert await each.count() == min(one.database.rows_of.get("ann", 0), 50)

    asyncio.run(played())
