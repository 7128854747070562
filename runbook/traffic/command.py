"""`amas traffic`: generate, send, read back, compare with the manifest, purge."""

import asyncio
import contextlib
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from runbook import terminal
from runbook.api import Keys
from runbook.errors import AmasError, CheckFailed, UsageError
from runbook.options import AsJson, StackName
from runbook.site import Site
from runbook.smoke.run import keys_of
from runbook.stack import Stack
from runbook.traffic.check import Looked, Sent, Verdict, verdict
from runbook.traffic.drive import Drive, Pace, Progress
from runbook.traffic.generate import generate
from runbook.traffic.manifest import Plan, Totals, totals, written
from runbook.traffic.readback import look, purge, rows_of_run
from runbook.traffic.target import check_bounds, check_url
from runbook.traffic.wire import Wire

SAMPLE = 1_000
SAY_EVERY_S = 5.0


@dataclass(frozen=True)
class Order:
    """What is asked for. `sample`: how many are read back, None for all. `transport` is for tests."""

    count: int
    seed: int
    now: datetime
    keep: bool = False
    sample: int | None = SAMPLE
    pace: Pace = field(default_factory=Pace)
    transport: httpx.AsyncBaseTransport | None = None


@dataclass(frozen=True)
class Outcome:
    """One run, told."""

    plan: Plan
    url: str
    due: Totals
    sent: Sent
    looked: Looked
    verdict: Verdict
    send_s: float
    look_s: float
    most_behind_s: float

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": self.verdict.ok,
            "runId": self.plan.run_id,
            "url": self.url,
            "plan": {"seed": self.plan.seed, "count": self.plan.count, "now": self.plan.now},
            "due": {name: count for name, count in asdict(self.due).items() if name != "users"},
            "sent": self._sent_facts(),
            "stored": self._stored_facts(),
            "deviations": [
                {"kind": kind, "count": count, "first": list(cases)}
                for kind, count, cases in self.verdict.deviations
            ],
        }

    def _sent_facts(self) -> dict[str, Any]:
        sent = self.sent
        return {
            "lines": sent.lines,
            "requests": sent.requests,
            "resent": sent.resent,
            "resentFor": {str(status): count for status, count in sorted(sent.again.items())},
            "bytes": sent.size_bytes,
            "acknowledged": sent.acknowledged,
            "answeredTwice": sent.twice,
            "statuses": {str(status): count for status, count in sorted(sent.statuses.items())},
            "elapsed_s": round(self.send_s, 3),
            "mostBehind_s": round(self.most_behind_s, 3),
        }

    def _stored_facts(self) -> dict[str, Any]:
        looked = self.looked
        return {
            "rows": looked.rows,
            "listed": looked.listed,
            "readById": looked.read_back,
            "leftAfterPurge": looked.left,
            "elapsed_s": round(self.look_s, 3),
        }

    def rows(self) -> list[list[str]]:
        due, sent, looked = self.due, self.sent, self.looked
        refused = sent.statuses[400] + sent.statuses[413]
        return [
            ["lines", f"{due.lines:,}", f"{sent.lines:,} answered"],
            ["stored", f"{due.stored:,}", f"{looked.rows:,} rows"],
            ["", "", f"{looked.listed:,} listed as sent"],
            ["", "", f"{looked.read_back:,} read by id"],
            ["duplicate", f"{due.duplicate:,}", f"{sent.statuses[200]:,} answered 200"],
            ["conflict", f"{due.conflict:,}", f"{sent.statuses[409]:,} answered 409"],
            ["refused", f"{due.refused:,}", f"{refused:,} answered 400 or 413"],
            ["requests", "", f"{sent.requests:,}, resent {sent.resent:,}{_reasons(sent)}"],
            ["left", "", "all (--keep)" if looked.left is None else f"{looked.left:,}"],
        ]

    def closing(self) -> str:
        word = "passed" if self.verdict.ok else "failed"
        rate = self.sent.lines / self.send_s if self.send_s else 0
        return (
            f"traffic {word}: {self.sent.lines:,} lines in {terminal.seconds(self.send_s)} ({rate:,.0f}/s), "
            f"{self.looked.listed:,} read back in {terminal.seconds(self.look_s)}; "
            f"seed {self.plan.seed}, count {self.plan.count}, now {self.plan.now}"
        )


def traffic(  # noqa: PLR0913, PLR0917 - one parameter an option
    stack: StackName,
    count: Annotated[int, typer.Option(help="How many lines, 1 to 1,000,000.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same traffic.")] = 1,
    url: Annotated[
        str | None, typer.Option(help="Default: the stack's own address. This machine or `lb` only.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the rows stored.")] = False,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep what must become of each line, as JSON lines.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help=f"Read each trace by its id besides, not {SAMPLE:,} of them.")
    ] = False,
    rate: Annotated[float | None, typer.Option(help="Lines a second; as fast as it goes without.")] = None,
    connections: Annotated[int, typer.Option(help="Requests at a time.")] = 32,
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", help="Stop sending after.")] = 900.0,
    as_json: AsJson = False,
) -> None:
    """Send made-up traffic and prove that all of it ended as it had to. Runs on the host.

    Learners of all scripts, repeats, conflicts and bad lines, the same for the same seed; compared answer by
    answer, counted, read back, purged.
    """
    check_bounds(count, time_limit, rate, connections)
    order = Order(count, seed, datetime.now(UTC), keep, None if full else SAMPLE,
                  Pace(connections, rate, time_limit))  # fmt: skip
    refuse_unwritable(manifest)
    site = Site(check_url(url)) if url else Stack(stack).site()
    keys = keys_of(Stack(stack).config())
    outcome = measure(order, site, keys, manifest, terminal.Progress())
    if as_json:
        terminal.show_json(outcome.as_json())
    else:
        terminal.show_table(["", "due", "found"], outcome.rows())
        terminal.show_lines([outcome.closing()])
    refuse_failed(outcome)


def refuse_unwritable(manifest: Path | None) -> None:
    if manifest is None:
        return
    try:
        manifest.open("a", encoding="utf-8").close()
    except OSError as error:
        raise UsageError(f"--manifest {str(manifest)!r}: {error.strerror}", "amas traffic --help") from None


def refuse_failed(outcome: Outcome) -> None:
    if not outcome.verdict.ok:
        message = "\n".join([outcome.closing(), *outcome.verdict.lines()])
        raise CheckFailed(message, "amas logs api --level error")


def measure(
    order: Order, site: Site, keys: Keys, manifest: Path | None, progress: terminal.Progress
) -> Outcome:
    """The run's rows are purged whatever comes of it, unless they are to be kept."""
    run_id = f"traffic-{order.now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    plan = Plan(run_id, order.seed, order.count, order.now.isoformat())
    with _place_for(manifest) as path:
        return asyncio.run(_measure(order, site, keys, plan, path, progress))


@contextlib.contextmanager
def _place_for(manifest: Path | None) -> Iterator[Path]:
    if manifest is not None:
        yield manifest
        return
    with tempfile.TemporaryDirectory(prefix="amas-traffic-") as folder:
        yield Path(folder) / "manifest.jsonl"


async def _measure(
    order: Order, site: Site, keys: Keys, plan: Plan, path: Path, progress: terminal.Progress
) -> Outcome:
    async with Wire(site, keys, plan.run_id, order.pace.connections, order.transport) as wire:
        # Asked before anything is sent: whether the service answers, and with which keys.
        await rows_of_run(wire, replace(order.pace.patience, attempts=2))
        try:
            outcome = await _run(wire, order, site.url, plan, path, progress)
        except BaseException:
            if not order.keep:
                await _purge_quietly(wire, order)
            raise
        if order.keep:
            return outcome
        with progress.step("purge the run"):
            left = await purge(wire, order.pace.patience)
        looked = replace(outcome.looked, left=left)
        return replace(outcome, looked=looked, verdict=verdict(outcome.due, outcome.sent, looked))


async def _run(
    wire: Wire, order: Order, url: str, plan: Plan, path: Path, progress: terminal.Progress
) -> Outcome:
    drive = Drive(wire, order.count, order.pace, _said(progress))
    lines = generate(order.seed, order.count, order.now)
    with progress.step(f"send {order.count:,} lines to {url}"), path.open("w", encoding="utf-8") as file:
        sent = await drive.send(written(plan, lines, file), order.seed)
    due = totals(path)
    started = time.monotonic()
    with progress.step("count and read back"):
        looked = await look(drive, path, due, order.sample)
    look_s = time.monotonic() - started
    return Outcome(
        plan, url, due, sent, looked, verdict(due, sent, looked), drive.elapsed_s, look_s, drive.most_behind_s
    )


def _reasons(sent: Sent) -> str:
    told = [f"{status or 'no answer'} x {count:,}" for status, count in sorted(sent.again.items())]
    return f" ({', '.join(told)})" if told else ""


def _said(progress: terminal.Progress) -> Callable[[Progress], None]:
    """Now and then, not for every request."""
    said_s = 0.0

    def say(at: Progress) -> None:
        nonlocal said_s
        said_s = min(said_s, at.elapsed_s)  # the next step counts from its own start
        if at.elapsed_s - said_s >= SAY_EVERY_S:
            said_s = at.elapsed_s
            progress.say(f"{at.done:,} of {at.count:,}, {at.rate:,.0f}/s, {terminal.seconds(at.elapsed_s)}")

    return say


async def _purge_quietly(wire: Wire, order: Order) -> None:
    """The first error is the one to tell; what is left of the run stays marked by its id."""
    with contextlib.suppress(AmasError):
        await purge(wire, replace(order.pace.patience, attempts=2))
