"""The first page of a user's list, cached so that no commit leaves a stale one.

Each user whose page was read has a token in the cache, and a page counts only under the tokens that
stood before it was read from the database. A commit takes its users' tokens away afterwards, so a page
from before it never counts, whenever it is put. One more token, `READERS`, stands for all: where it does
not stand nobody has a page that counts, and commits cost one question.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from secrets import token_hex

from service.insights.decision import Decision
from service.insights.insight import Cache, Counts, Database
from service.insights.page import Query, read

# One prefix finds tokens and pages; no user is named so that a page has the key of a token.
PREFIX = "insights:user:"
TOKENS = PREFIX + "token:"
PAGES = PREFIX + "page:"
READERS = "insights:readers"
# Past so many users whose tokens could not be removed, all pages are.
MOST_USERS = 20_000
# What commits within so long shares a round trip. Under load that is a question for a few batches and not
# for each; other replicas see the change so much later.
GATHER_S = 0.025
# While the cache is away the tokens wait; it answers no page then either.
AGAIN_S = 1.0

logger = logging.getLogger("Insights")


class Pages:
    """Reads lists; only a user's first page is ever cached."""

    def __init__(
        self,
        database: Database,
        cache: Cache,
        counts: Counts,
        ttl_s: float,
        token: Callable[[], str] = lambda: token_hex(8),
    ) -> None:
        self._database = database
        self._cache = cache
        self._counts = counts
        self._ttl_s = ttl_s
        self._token = token
        self._changed: set[str] = set()
        self._leaving: set[str] = set()
        self._all_changed = False
        self._forgetting: asyncio.Task[None] | None = None

    async def read(self, query: Query) -> tuple[bytes, bool]:
        """The page in JSON, and whether it came from the cache."""
        if query.user_id is None or not query.is_first:
            return await read(self._database, query), False
        token_key, page_key = _keys(query.user_id, query.most)
        readers, token, page = await self._cache.get_many([READERS, token_key, page_key])
        stamp = _stamp(readers, token)
        if stamp and page and page.startswith(stamp) and not self._is_changed(query.user_id):
            self._counts.cache_hits.inc()
            return page[len(stamp) :], True
        self._counts.cache_misses.inc()
        # Before the database is read: a commit from here on takes the token away.
        stamp = stamp or await self._new_stamp(token_key)
        fresh = await read(self._database, query)
        if stamp and not self._is_changed(query.user_id):
            await self._cache.put(page_key, stamp + fresh, self._ttl_s)
        return fresh, False

    async def _new_stamp(self, key: str) -> bytes | None:
        """None when the cache is away. Whoever comes second uses the tokens of the first."""
        await self._cache.add(READERS, self._token().encode(), self._ttl_s)
        await self._cache.add(key, self._token().encode(), self._ttl_s)
        return _stamp(*await self._cache.get_many([READERS, key]))

    def _is_changed(self, user_id: str) -> bool:
        """Whether its token is still to be taken away."""
        return self._all_changed or user_id in self._changed or user_id in self._leaving

    def changed(self, decisions: Sequence[Decision]) -> None:
        """Called after a COMMIT; the tokens go in one round trip beside the next batches."""
        self._changed.update([one.user_id for one in decisions])
        if self._forgetting is None and (self._changed or self._all_changed):
            self._forgetting = asyncio.create_task(self._forget())

    async def forget_all(self) -> bool:
        """False when the cache could not be asked."""
        return await self._cache.drop_prefix(PREFIX)

    async def _forget(self) -> None:
        try:
            while self._changed or self._all_changed:
                await asyncio.sleep(GATHER_S)
                self._leaving, self._changed = self._changed, set()
                forgotten = await self._forgotten(self._leaving)
                self._changed |= set() if forgotten else self._leaving
                self._leaving = set()
                if not forgotten:
                    if len(self._changed) > MOST_USERS:
                        self._changed, self._all_changed = set(), True
                    await asyncio.sleep(AGAIN_S)
        except Exception:
            logger.exception("pages of users could not be forgotten")
            self._all_changed = True
        finally:
            self._forgetting = None

    async def _forgotten(self, users: set[str]) -> bool:
        if self._all_changed:
            self._all_changed = not await self.forget_all()
            return not self._all_changed
        anybody = await self._cache.stands(READERS)
        if anybody is None:
            return False
        return not anybody or await self._cache.drop([TOKENS + user for user in users])

    async def settled(self) -> None:
        """Returns when nothing is to be forgotten any more."""
        while self._forgetting is not None:
            await asyncio.shield(self._forgetting)


def _stamp(readers: bytes | None, token: bytes | None) -> bytes | None:
    return readers + b" " + token + b"\n" if readers and token else None


def _keys(user_id: str, most: int) -> tuple[str, str]:
    """Of the token and of the page."""
    return TOKENS + user_id, f"{PAGES}{most}:{user_id}"
