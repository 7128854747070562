"""All that a person reads: steps with elapsed time, tables, errors. Facts on stdout, the rest on stderr.

The sole importer of rich. Meaning never hangs on colour alone; NO_COLOR and COLUMNS are honoured by rich.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runbook.errors import AmasError

STYLES = {
    "ok": "green",
    "done": "green",
    "healthy": "green",
    "running": "green",
    "unknown": "yellow",
    "starting": "yellow",
    "failed": "bold red",
    "unhealthy": "bold red",
    "exited": "bold red",
}


class Progress:
    """Names each step as it starts and says how long it took; `say` reports from inside a step."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._clock = clock
        self.finished: list[tuple[str, float]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = self._clock()
        self._console.print(Text.assemble(("· ", "dim"), name))
        try:
            yield
        except BaseException:
            self._ended(name, "failed", self._clock() - started)
            raise
        self._ended(name, "ok", self._clock() - started)

    def say(self, message: str) -> None:
        for line in message.splitlines():
            self._console.print(Text(f"    {printable(line)}", style="dim"))

    def _ended(self, name: str, state: str, elapsed_s: float) -> None:
        self.finished.append((name, elapsed_s))
        self._console.print(
            Text.assemble((f"{state:<6} ", STYLES[state]), f"{name}  ", (seconds(elapsed_s), "dim"))
        )


def show_lines(lines: Sequence[str]) -> None:
    console = _stdout()
    for line in lines:
        console.print(Text(printable(line)))


def show_line(line: str) -> None:
    """One line at once, unfolded: log lines are for eyes and for pipes alike."""
    sys.stdout.write(printable(line) + "\n")
    sys.stdout.flush()


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table that folds long cells instead of cutting them, so that 60 columns are enough."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=index == 0)  # the names stay whole
    for row in rows:
        table.add_row(*(Text(printable(cell), style=STYLES.get(cell, "")) for cell in row))
    _stdout().print(table)


def show_json(facts: object) -> None:
    sys.stdout.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")


def show_raw(text: str) -> None:
    """Bytes meant for another program: a key, export lines."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show_error(error: AmasError, *, as_json: bool) -> None:
    if as_json:
        sys.stderr.write(json.dumps(error.as_json(), ensure_ascii=False) + "\n")
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    first, *rest = error.message.splitlines() or [""]
    console.print(Text.assemble(("error: ", "bold red"), printable(first)))
    for line in rest:
        console.print(Text(f"  {printable(line)}"))
    if error.next_command:
        console.print(Text.assemble(("next: ", "bold"), error.next_command))


def printable(text: str) -> str:
    """Text from elsewhere without the control characters that could drive the terminal."""
    return "".join(c if c == "\t" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def seconds(elapsed_s: float) -> str:
    """Elapsed time as a person says it: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 10 min`, `4 d 3 h`."""
    if elapsed_s < 10:
        return f"{elapsed_s:.1f} s"
    whole = int(elapsed_s)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def size(size_bytes: int) -> str:
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def _stdout() -> Console:
    return Console(highlight=False, soft_wrap=False)
