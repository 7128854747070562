"""The rules in force, and how another file takes their place: whole, or not at all."""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence

import msgspec

from service.alerts import rules as files
from service.alerts.faults import RulesInvalid
from service.alerts.rule import Rule
from service.errors import Problem

logger = logging.getLogger("AlertEngine")


class RulesInForce:
    """Read at start and whenever `follow` sees a new mark; `error` says why the last file was not taken."""

    def __init__(self, path: str, now: Callable[[], float]) -> None:
        self._path = path
        self._now = now
        self._mark: str | None = None
        self.rules: Sequence[Rule] = []
        self.digest = ""
        self.loaded_at = 0.0
        self.error: str | None = None

    @property
    def source(self) -> str:
        return self._path or "packaged"

    def start(self) -> None:
        """A bad file must not leave the service unwatched: the packaged rules stand in for it."""
        try:
            self._take(files.load(self._path))
        except (RulesInvalid, OSError) as error:
            self._refused(error)
            self._take(files.load())

    async def follow(self, mark: str) -> None:
        """Read the file again when another replica was told to."""
        if self._mark is None:
            self._mark = mark
        if mark == self._mark:
            return
        self._mark = mark
        try:
            await self._load()
        except (RulesInvalid, OSError) as error:
            self._refused(error)

    async def reload(self) -> str:
        """The mark that makes others follow. Raises Problem 400 with every fault; nothing changed then."""
        try:
            await self._load()
        except RulesInvalid as error:
            faults = [str(one) for one in error.faults]
            raise Problem(
                400, "Bad rules", f"{self.source}: {len(faults)} faults; the rules in force stay",
                more={"faults": faults},
            ) from None  # fmt: skip
        except OSError as error:
            raise Problem(
                400, "Bad rules", f"{self.source} cannot be read: {error.strerror}; the rules in force stay"
            ) from None
        self._mark = f"{self.digest}-{self.loaded_at}"
        return self._mark

    async def _load(self) -> None:
        # In a thread: the file may have hundreds of rules.
        self._take(await asyncio.to_thread(files.load, self._path))
        self.error = None

    def _take(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.digest = hashlib.blake2s(msgspec.json.encode(rules), digest_size=8).hexdigest()
        self.loaded_at = self._now()

    def _refused(self, error: Exception) -> None:
        self.error = f"{self.source} was not taken: {error}"
        logger.error("the rules were not taken", extra={"source": self.source, "reason": str(error)})
