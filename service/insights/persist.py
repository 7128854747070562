"""Decisions that come in any order and repetition, brought through the store: spool and dead letters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from service.errors import StoreRefused
from service.insights.decision import Decision, Outcome, Receipt
from service.insights.store import Letter, Store

# A refusal means that the database will never take this content.
Result = Receipt | StoreRefused


async def persist(store: Store, decisions: Sequence[Decision]) -> list[Result]:
    """A result for each decision, in order. Raises StoreUnavailable; trying all again is then safe."""
    results: dict[int, Result] = {}
    left = list(enumerate(decisions))
    while left:
        batch, left = distinct(left)
        came = await _bisected(store, [one.decision for one in batch])
        for one, result in zip(batch, came, strict=True):
            results[one.place] = result
            results |= dict.fromkeys(one.followers, _of_follower(result))
    return [results[place] for place in range(len(decisions))]


@dataclass
class Lead:
    """What goes to the store, and the places of those of the same identity that share its fate."""

    place: int
    decision: Decision
    followers: list[int] = field(default_factory=list)


def distinct(numbered: Sequence[tuple[int, Decision]]) -> tuple[list[Lead], list[tuple[int, Decision]]]:
    """A batch of distinct ids, and what has to wait: other content of an id that is in the batch."""
    leads: dict[str, Lead] = {}
    waits: list[tuple[int, Decision]] = []
    for place, decision in numbered:
        lead = leads.setdefault(decision.decision_id, Lead(place, decision))
        if lead.place == place:
            continue
        if lead.decision.identity == decision.identity:
            lead.followers.append(place)
        else:
            waits.append((place, decision))
    return list(leads.values()), waits


def _of_follower(result: Result) -> Result:
    stored = isinstance(result, Receipt) and result.outcome is Outcome.STORED
    return Receipt(Outcome.DUPLICATE) if stored else result


async def _bisected(store: Store, batch: Sequence[Decision]) -> list[Result]:
    """Until the rows that the database refuses stand alone."""
    try:
        return list(await store.write(batch))
    except StoreRefused as refused:
        if len(batch) == 1:
            return [refused]
        middle = len(batch) // 2
        return [*await _bisected(store, batch[:middle]), *await _bisected(store, batch[middle:])]


@dataclass(frozen=True)
class Announced:
    """A store that tells what it holds from now on, before anybody is answered."""

    store: Store
    holds: Callable[[Sequence[Decision]], None]

    async def write(self, batch: Sequence[Decision]) -> list[Receipt]:
        receipts = await self.store.write(batch)
        # A duplicate may be of a commit whose outcome nobody knew.
        self.holds(
            [
                one
                for one, receipt in zip(batch, receipts, strict=True)
                if receipt.outcome in (Outcome.STORED, Outcome.DUPLICATE)
            ]
        )
        return receipts

    async def bury(self, letter: Letter) -> None:
        await self.store.bury(letter)

    async def ping(self) -> None:
        await self.store.ping()
