"""The bounded queue between the requests and the writer: what does not fit is refused at once."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from service.errors import ServiceError
from service.insights.decision import Decision, Receipt

# All that waits, in bytes of the traces as they came: 5,000 rows of 64 KiB would not fit a replica.
MOST_BYTES = 64 * 1024 * 1024
# One statement; larger ones make the database hold several copies of the text at once.
BATCH_BYTES = 4 * 1024 * 1024
# Turns of the event loop that a batch is kept for those who are about to send, some 300 us: with four
# clients a fifth more is committed, for a third less CPU a row (bench: "group commit, 4"). And how long it is
# kept when others have much to do in these turns.
GATHER_TURNS = 30
GATHER_S = 0.005
# From so many on they go by halves: one is written while the other is answered, read and parsed. In one
# batch the database would wait for this process and this process for the database, and what comes first
# would be written alone while all others are parsed (bench: "group commit, 64", a quarter less a second).
HALVED_ROWS = 16


class QueueFull(ServiceError):
    """No room now; trying again later makes sense."""


class QueueClosed(ServiceError):
    """The store is away, or this process is about to end."""


class Entry(msgspec.Struct, eq=False):
    """A decision that waits, and who waits for it."""

    decision: Decision
    raw: bytes
    since: float
    receipt: asyncio.Future[Receipt]
    settled: bool = False


class Lead(msgspec.Struct, eq=False):
    """What goes to the store, and later entries of the same identity that share its fate."""

    entry: Entry
    followers: list[Entry] = []


class WriteQueue:
    """Counts an entry from `offer` to `settle`, so its size is all that was taken and not yet answered."""

    def __init__(self, most_rows: int, clock: Callable[[], float]) -> None:
        self._most_rows = most_rows
        self._clock = clock
        self._waiting: deque[Entry] = deque()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        # Asked for once: before Python 3.12 each question is a call of the kernel.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed_because: str | None = None
        self._taken_since = 0.0
        self._taken_rows = 0
        self.rows = 0
        self.size_bytes = 0

    def offer(self, decision: Decision, raw: bytes) -> asyncio.Future[Receipt]:
        """The receipt comes after COMMIT. Raises QueueFull or QueueClosed; then nothing was taken."""
        if self._closed_because is not None:
            raise QueueClosed(self._closed_because)
        if self.rows >= self._most_rows or self.size_bytes >= MOST_BYTES:
            raise QueueFull(f"{self.rows} decisions wait to be written")
        self._loop = self._loop or asyncio.get_running_loop()
        receipt = self._loop.create_future()
        self._waiting.append(Entry(decision, raw, self._clock(), receipt))
        self.rows += 1
        self.size_bytes += len(raw)
        self._filled.set()
        self._emptied.clear()
        return receipt

    async def take(self, most_rows: int) -> list[Lead]:
        """What gathered, of many one half; waits while there is nothing, a moment for those who come again.

        Ids are distinct within the batch. The same id with the same content and run follows the first; else
        it waits for the next batch, where the store compares the two.
        """
        await self._gathered()
        self._taken_since = self._waiting[0].since
        most_rows = min(most_rows, max(self._share(), HALVED_ROWS))
        leads: dict[str, Lead] = {}
        held: list[Entry] = []
        size_bytes = 0
        while self._waiting and len(leads) < most_rows and size_bytes < BATCH_BYTES:
            entry = self._waiting.popleft()
            lead = leads.get(entry.decision.decision_id)
            if lead is None:
                leads[entry.decision.decision_id] = Lead(entry)
                size_bytes += len(entry.raw)
            elif lead.entry.decision.identity == entry.decision.identity:
                lead.followers.append(entry)
            else:
                held.append(entry)
        self._taken_rows = len(leads)
        self._waiting.extendleft(reversed(held))
        if not self._waiting:
            self._filled.clear()
        return list(leads.values())

    async def _gathered(self) -> None:
        """Returns when something waits, and with it what is about to come.

        Clients that were just answered send again, and those that wait go with them: a batch of the first
        would else be written alone, and all others wait for it.
        """
        expected = self._share()
        while True:
            await self._filled.wait()
            since = self._clock()
            for _ in range(GATHER_TURNS):
                if len(self._waiting) >= expected or self._clock() - since >= GATHER_S:
                    break
                await asyncio.sleep(0)
            # Closed meanwhile: what waited was taken away.
            if self._waiting:
                return

    def _share(self) -> int:
        """Rows of the next batch, of those that wait and those that were just answered and come again."""
        rows = self._taken_rows + len(self._waiting)
        return rows if rows < HALVED_ROWS else (rows + 1) // 2

    @property
    def age_s(self) -> float:
        """How long the oldest that was taken waits for its answer."""
        if not self.rows:
            return 0.0
        taken = self.rows > len(self._waiting)
        return self._clock() - (self._taken_since if taken else self._waiting[0].since)

    def settle(self, entries: Iterable[Entry], receipt: Receipt) -> None:
        """Answer those that were not answered yet."""
        for entry in entries:
            if entry.settled:
                continue
            entry.settled = True
            self.rows -= 1
            self.size_bytes -= len(entry.raw)
            # Whoever waited may be gone.
            if not entry.receipt.done():
                entry.receipt.set_result(receipt)
        if not self.rows:
            self._emptied.set()

    async def emptied(self) -> None:
        """Returns when everything taken has been answered."""
        if self.rows:
            await self._emptied.wait()

    def close(self, because: str) -> list[Entry]:
        """Take nothing more; answers what waited, which is the caller's now."""
        self._closed_because = because
        waited = list(self._waiting)
        self._waiting.clear()
        self._filled.clear()
        return waited

    def reopen(self) -> None:
        self._closed_because = None
