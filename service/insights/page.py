"""Lists of insights, newest first, by keyset: a page costs the same however deep it lies."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from service.insights import trace
from service.insights.insight import Database
from service.keyset import Cursor, bad, limit_of, read_cursor, write_cursor

MOST = 100
USUAL = 50
PARAMETERS = ("userId", "from", "to", "cursor", "limit")

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Query:
    """One page asked for."""

    user_id: str | None
    since: datetime
    until: datetime
    cursor: Cursor
    most: int

    @property
    def is_first(self) -> bool:
        """Neither a later page nor one of a window."""
        return (self.since, self.until, self.cursor) == (_FIRST, _LAST, Cursor(_LAST, ""))


def parse(parameters: Mapping[str, str]) -> Query:
    """Raises Problem 400 naming the parameter, what came and what is allowed."""
    unknown = sorted(set(parameters) - set(PARAMETERS))
    if unknown:
        raise bad(unknown[0], f"is not known here; there are {', '.join(PARAMETERS)}", parameters[unknown[0]])
    cursor = parameters.get("cursor")
    user_id = parameters.get("userId")
    if user_id is not None and (not 0 < len(user_id) <= trace.MOST_NAME or "\0" in user_id):
        raise bad("userId", f"must be text of 1 to {trace.MOST_NAME} characters", user_id)
    return Query(
        user_id=user_id,
        since=_time(parameters, "from", _FIRST),
        until=_time(parameters, "to", _LAST),
        cursor=Cursor(_LAST, "") if cursor is None else read_cursor(cursor),
        most=limit_of(parameters.get("limit"), USUAL, MOST),
    )


def _time(parameters: Mapping[str, str], name: str, otherwise: datetime) -> datetime:
    text = parameters.get(name)
    if text is None:
        return otherwise
    # In a query string an unescaped + is a space.
    when = trace.instant(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
    if when is None:
        raise bad(name, "must be RFC 3339, such as 2024-12-03T10:00:00Z", text)
    return when


async def read(database: Database, query: Query) -> bytes:
    """One page in JSON; `nextCursor` is null on the last one."""
    parameters: dict[str, Any] = {
        "since": query.since,
        "until": query.until,
        "before": query.cursor.before,
        "before_id": query.cursor.before_id,
        # One more than asked for tells whether there is a next page.
        "most": query.most + 1,
    }
    if query.user_id is None:
        rows = await database.rows("newest", parameters)
    else:
        rows = await database.rows("newest_by_user", parameters | {"user_id": query.user_id})
    page = rows[: query.most]
    more = len(rows) > query.most
    answer = {
        "items": [msgspec.Raw(insight.encode()) for insight, _, _ in page],
        "nextCursor": write_cursor(Cursor(page[-1][1], page[-1][2])) if more else None,
    }
    return msgspec.json.encode(answer)
