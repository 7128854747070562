"""Where decisions are written: the seam, and the database behind it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from service.errors import StoreRefused, StoreUnavailable
from service.insights.decision import Decision, Outcome


class Store(Protocol):
    """What the writer needs. The in-memory twin is in testing.py; both pass the same contract."""

    async def write(self, batch: Sequence[Decision]) -> list[Outcome]:
        """One durable transaction; outcomes in the order of the batch, whose ids are distinct.

        Raises StoreUnavailable when nothing is known about it, StoreRefused when the database refuses
        the content of at least one row; then no row is stored.
        """

    async def bury(self, decision: Decision, raw: bytes, refused: StoreRefused) -> None:
        """Keep what could not be stored, with its reason. Raises StoreUnavailable."""

    async def ping(self) -> None:
        """Raises StoreUnavailable."""


class Session(Protocol):
    """The part of db.Session that is used here."""

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Every call is a transaction of its own, committed on return."""


class DatabaseStore:
    """The hypertable, and the keys of ids that carry no time."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def write(self, batch: Sequence[Decision]) -> list[Outcome]:
        ordered = sorted(batch, key=lambda one: one.decision_id)
        rows = await self._session.rows("write_batch", {"rows": msgspec.json.encode(ordered).decode()})
        stored = {decision_id for (decision_id,) in rows}
        rest = [one for one in batch if one.decision_id not in stored]
        known = await self._content_hashes(rest) if rest else {}
        if rest and not stored:
            await self._session.rows("confirm_earlier_commits", {})
        return [
            Outcome.STORED if one.decision_id in stored else _against(one, known.get(one.decision_id))
            for one in batch
        ]

    async def _content_hashes(self, rest: Sequence[Decision]) -> dict[str, str]:
        timed = [one for one in rest if not one.keyed]
        rows = await self._session.rows(
            "content_hashes",
            {
                "keyed": [one.decision_id for one in rest if one.keyed],
                "timed": [one.decision_id for one in timed],
                "times": [one.created_at for one in timed],
            },
        )
        return dict(rows)

    async def bury(self, decision: Decision, raw: bytes, refused: StoreRefused) -> None:
        letter = {
            "decision_id": decision.decision_id,
            "content_hash": decision.content_hash,
            "run_id": decision.run_id,
            "sqlstate": refused.sqlstate,
            "reason": refused.reason,
            "raw": raw,
        }
        try:
            await self._session.rows("bury", letter)
        except StoreRefused as error:
            raise StoreUnavailable(f"the dead letter was refused too: {error}") from error

    async def ping(self) -> None:
        await self._session.rows("ping", {})


def _against(decision: Decision, known: str | None) -> Outcome:
    if known is None:
        # It was there a moment ago and a purge took it: the next try stores it.
        raise StoreUnavailable(f"decision {decision.decision_id} vanished while it was compared")
    return Outcome.DUPLICATE if known == decision.content_hash else Outcome.CONFLICT
