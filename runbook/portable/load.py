"""`amas backup import`: into a database beside the present one, counted, and only then under its name.

The service cannot reach the database meanwhile and spools. Until the names change, the present database is
as it was; a run that fails or is interrupted opens it again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runbook.api import Api
from runbook.engine import Engine
from runbook.errors import CheckFailed, EnvironmentMissing, UsageError
from runbook.portable import archive
from runbook.portable.export import telling
from runbook.portable.judge import refusals
from runbook.portable.manifest import Facts, Manifest, differences, facts_of
from runbook.portable.pace import Pace
from runbook.portable.server import MAINTENANCE, Server
from runbook.readiness import serve_anew
from runbook.terminal import Progress

MIGRATION = "migrate"


@dataclass(frozen=True)
class Names:
    """Of the databases: the one in service, the one being filled, and what was in service before."""

    present: str

    @property
    def loaded(self) -> str:
        return f"{self.present[:48]}_import"

    @property
    def former(self) -> str:
        return f"{self.present[:48]}_former"


@dataclass(frozen=True)
class Target:
    """The stack that takes the export. `typed`: its name, as consent to replace what it holds."""

    stack: str
    server: Server
    engine: Engine
    typed: str | None = None

    @property
    def names(self) -> Names:
        return Names(self.server.database)


@dataclass(frozen=True)
class Imported:
    """What is in service now. `former`: the database that keeps what was before, None where nothing was."""

    stack: str
    rows: int
    decisions: int
    former: str | None
    not_serving_s: float


@dataclass(frozen=True)
class Cleared:
    """Databases that were dropped."""

    stack: str
    dropped: tuple[str, ...]


def load(target: Target, file: Path, api: Api, progress: Progress) -> Imported:
    with progress.step("check the file"):
        manifest = archive.checked(file)
        refuse_former(target)
        _judged(manifest, target)
    closed_at = time.monotonic()
    with closed_to_service(target):
        with progress.step("load"):
            before = _judged(manifest, target)  # nobody writes any more: now it counts
            _fill(target, file, manifest, progress)
        with progress.step("compare with the manifest"):
            _refuse_different(manifest.facts, _facts(target.server, target.names.loaded))
        with progress.step("switch over"):
            _switch_over(target, progress)
    with progress.step("serve"):
        serve_anew(api, progress.say)
    away_s = time.monotonic() - closed_at
    former = target.names.former if before.decisions else None
    if former is None:
        _drop(target.server, target.names.former)
    return Imported(target.stack, manifest.facts.rows, manifest.facts.decisions, former, away_s)


def clear(target: Target, progress: Progress) -> Cleared:
    """Opens the database again and drops what earlier imports left."""
    with progress.step("drop what imports left"):
        _statements(target.server, "open.sql", database=target.names.present)
        held = set(_statements(target.server, "databases.sql"))
        left = tuple(name for name in (target.names.loaded, target.names.former) if name in held)
        for name in left:
            _drop(target.server, name)
    return Cleared(target.stack, left)


def refuse_former(target: Target) -> None:
    if target.names.former in _statements(target.server, "databases.sql"):
        raise UsageError(
            f"database {target.names.former} still keeps what was before the last import",
            f"amas backup import --clear --stack {target.stack}",
        )


@contextmanager
def closed_to_service(target: Target) -> Iterator[None]:
    """Replicas spool while the block runs. Whatever comes of it, the database is open afterwards."""
    _statements(target.server, "close.sql", database=target.names.present)
    try:
        yield
    except BaseException:
        target.server.end_sessions()
        _drop(target.server, target.names.loaded)
        raise
    finally:
        _statements(target.server, "open.sql", database=target.names.present)


def closing_lines(done: Imported) -> list[str]:
    lines = [
        f"{done.rows:,} rows, {done.decisions:,} of decisions, counted as the manifest says",
        f"stack `{done.stack}` wrote nothing for {done.not_serving_s:.0f} s; what it acknowledged is spooled",
    ]
    if done.former:
        lines += [
            f"what it held before is kept in database {done.former} until",
            f"next   amas backup import --clear --stack {done.stack}",
        ]
    return lines


def _judged(manifest: Manifest, target: Target) -> Facts:
    found = _facts(target.server)
    reasons = refusals(manifest, found, target.stack, target.typed)
    if reasons:
        raise UsageError("\n".join([*reasons, "nothing was touched"]), _way_out(target))
    return found


def _way_out(target: Target) -> str | None:
    if target.typed == target.stack:
        return None
    return f"amas backup import FILE --stack {target.stack} --replace {target.stack}"


def _facts(server: Server, database: str | None = None) -> Facts:
    return facts_of(server.lines("facts.sql", "figures.sql", database=database))


def _fill(target: Target, file: Path, manifest: Manifest, progress: Progress) -> None:
    server, names = target.server, target.names
    _drop(server, names.loaded)
    server.make_database(names.loaded)
    _statements(server, "grants.sql", database=names.present, other=names.loaded)
    server.lines("begin_load.sql", database=names.loaded)
    pace = Pace(manifest.facts.relations, time.monotonic())
    with archive.dump_of(file) as dump:
        server.restored(names.loaded, dump, pace.hear, telling(pace, server, progress))
    progress.say(f"{pace.done():,} rows are in; collecting statistics")
    server.lines("end_load.sql", database=names.loaded)


def _refuse_different(expected: Facts, found: Facts) -> None:
    lines = differences(expected, found)
    if lines:
        raise CheckFailed("\n".join(["the loaded database is not what was exported", *lines]))


def _switch_over(target: Target, progress: Progress) -> None:
    """Back again when the schema cannot be brought up to this release."""
    names = target.names
    _renamed(target, names.loaded, names.former)
    try:
        _migrate(target, progress)
    except BaseException:
        _renamed(target, names.former, names.loaded)
        raise


def _renamed(target: Target, loaded: str, former: str) -> None:
    _statements(target.server, "swap.sql", present=target.names.present, loaded=loaded, former=former)


def _migrate(target: Target, progress: Progress) -> None:
    """The release's own job once more: an export of an earlier release lacks the newest tables."""
    jobs = target.engine.containers(target.stack, MIGRATION)
    if not jobs:
        raise EnvironmentMissing(f"stack `{target.stack}` has no part `{MIGRATION}`", "./scripts/up")
    exit_code = target.engine.run_again(jobs[-1])
    said = [line.text for line in target.engine.log_lines(jobs[-1], since=None, tail=1)]
    if exit_code:
        raise CheckFailed(f"{jobs[-1].name} ended with {exit_code}: {' '.join(said)}", "amas logs migrate")
    progress.say(" ".join(said))


def _drop(server: Server, database: str) -> None:
    _statements(server, "drop.sql", database=database)


def _statements(server: Server, script: str, **variables: str) -> list[str]:
    return server.lines(script, database=MAINTENANCE, variables=variables)
