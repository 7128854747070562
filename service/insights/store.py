"""Where decisions are written: the seam, and the database behind it."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from service.errors import StoreRefused, StoreUnavailable
from service.insights.decision import Decision, Outcome, Receipt, against

_STORED = Receipt(Outcome.STORED)
# Content hash and run id of each id that is stored.
Identities = dict[str, tuple[str, str | None]]


class Letter(msgspec.Struct, frozen=True):
    """What could not be stored: the raw trace and why; `sqlstate` is empty when the database was not asked.

    The hash is what makes two letters the same one.
    """

    decision_id: str
    letter_hash: str
    run_id: str | None
    sqlstate: str
    reason: str
    raw: bytes


def letter_of(decision: Decision, raw: bytes, sqlstate: str, reason: str) -> Letter:
    """The same content of two runs makes two letters: either may have been acknowledged alone."""
    letter_hash = decision.content_hash
    if decision.run_id is not None:
        letter_hash = hashlib.sha256(f"{letter_hash} {decision.run_id}".encode()).hexdigest()
    return Letter(decision.decision_id, letter_hash, decision.run_id, sqlstate, reason, raw)


class Store(Protocol):
    """What the writer needs. The in-memory twin is in testing.py; both pass the same contract."""

    async def write(self, batch: Sequence[Decision]) -> list[Receipt]:
        """One durable transaction; receipts in the order of the batch, whose ids are distinct.

        Raises StoreUnavailable when nothing is known about it, StoreRefused when the database refuses
        the content of at least one row; then no row is stored.
        """

    async def bury(self, letter: Letter) -> None:
        """Keep what could not be stored, with its reason. Raises StoreUnavailable."""

    async def ping(self) -> None:
        """Raises StoreUnavailable while nothing can be committed."""


class Session(Protocol):
    """The part of db.Session that is used here."""

    async def rows(self, query: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Every call is a transaction of its own, committed on return."""


class DatabaseStore:
    """The hypertable, and the keys of ids that carry no time."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def write(self, batch: Sequence[Decision]) -> list[Receipt]:
        query = "write_batch" if any(one.keyed for one in batch) else "write_timed"
        rows = await self._session.rows(query, {"rows": msgspec.json.encode(batch).decode()})
        stored = {decision_id for (decision_id,) in rows}
        rest = [one for one in batch if one.decision_id not in stored]
        if not rest:
            return [_STORED] * len(batch)
        known = await self._identities(rest)
        if not stored:
            await self._session.rows("confirm_earlier_commits", {})
        return [_STORED if one.decision_id in stored else _compared(one, known) for one in batch]

    async def _identities(self, rest: Sequence[Decision]) -> Identities:
        timed = [one for one in rest if not one.keyed]
        rows = await self._session.rows(
            "identities",
            {
                "keyed": [one.decision_id for one in rest if one.keyed],
                "timed": [one.decision_id for one in timed],
                "times": [one.created_at for one in timed],
            },
        )
        return {decision_id: (content_hash, run_id) for decision_id, content_hash, run_id in rows}

    async def bury(self, letter: Letter) -> None:
        try:
            if not await self._session.rows("bury", msgspec.structs.asdict(letter)):
                await self._session.rows("confirm_earlier_commits", {})
        except StoreRefused as error:
            raise StoreUnavailable(f"the dead letter was refused too: {error}") from error

    async def ping(self) -> None:
        """By a commit: a database whose standby does not confirm answers any question, and stores nothing."""
        await self._session.rows("confirm_earlier_commits", {})


def _compared(decision: Decision, known: Identities) -> Receipt:
    if decision.decision_id not in known:
        # It was there a moment ago and a purge took it: the next try stores it.
        raise StoreUnavailable(f"decision {decision.decision_id} vanished while it was compared")
    return against(decision, *known[decision.decision_id])
