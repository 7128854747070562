"""How far a dump or a load is: rows by table, bytes, time left. Pure: the clock's readings are handed in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook.terminal import seconds, size

# `pg_dump --verbose` and `pg_restore --verbose` name each table when they begin with its rows.
BEGUN = re.compile(r'(?:dumping contents of|processing data for) table "(?P<relation>.+)"$')


@dataclass
class Pace:
    """`rows`: of each relation, as the manifest has them."""

    rows: Mapping[str, int]
    begun_at_s: float
    size_bytes: int = 0
    _begun: list[str] = field(default_factory=list)

    def hear(self, line: str) -> None:
        """A line of what the program says."""
        told = BEGUN.search(line)
        if told:
            self._begun.append(told["relation"])

    def done(self, rows_of_current: int = 0) -> int:
        earlier = sum(self.rows.get(relation, 0) for relation in self._begun[:-1])
        current = self.rows.get(self._begun[-1], 0) if self._begun else 0
        return earlier + min(rows_of_current, current)

    def told(self, now_s: float, rows_of_current: int = 0) -> str:
        done, total = self.done(rows_of_current), sum(self.rows.values())
        line = f"{done:,} of {total:,} rows, {size(self.size_bytes)}"
        elapsed_s = now_s - self.begun_at_s
        if not done or elapsed_s <= 0:
            return line
        return f"{line}, about {seconds(elapsed_s * (total - done) / done)} left"
