"""Back to a release of before: images, settings, rules and program, with the secrets and data of today."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runbook import places
from runbook.engine import Engine
from runbook.errors import EnvironmentMissing, UsageError
from runbook.overview import pending
from runbook.releases import record
from runbook.releases.program import LOCK, PROGRAM, RULES_FILE, is_outside, kept_rules, of_this_checkout
from runbook.releases.record import Release
from runbook.stack import Setting, Stack
from runbook.terminal import Progress
from runbook.up.release import release as put_in_force

# Files of the checkout that a setting may name, and that no release keeps since they hold a private key.
LINKED = ("tlsCertificateFile", "tlsKeyFile")


@dataclass(frozen=True)
class RolledBack:
    """From which release to which, and how many resources changed."""

    left: int
    number: int
    changed: int


def chosen(stack: str, number: int | None) -> Release:
    """The one asked for, else the last good one before the present.

    The present one may be asked for: an upgrade that was killed leaves the stack between it and the next.
    """
    wanted = number or record.last_good(record.journal(stack))
    if wanted is None:
        raise EnvironmentMissing(f"stack `{stack}` has no good release before the present one", "amas status")
    return record.read(stack, wanted)


def still_chosen(stack: str, number: int | None, wanted: Release) -> None:
    """Raises when another change came between the question and the lock: yes was said to what was shown."""
    found = chosen(stack, number)
    if found.number != wanted.number:
        raise UsageError(
            f"release {wanted.number} was confirmed, and meanwhile the one before the present is "
            f"{found.number}: nothing was changed",
            "amas rollback",
        )


def catch_up(stack: Stack) -> None:
    """Writes down what plain `pulumi up` released since, so that the way back leads to the one before it."""
    entries, known, config = record.journal(stack.name), record.current(stack.name), stack.config()
    if known is None or entries[-1].how == record.ROLLBACK:
        return
    if plain(config) != known.settings and not pending(stack.outputs(), config, places.image_lock()):
        record.keep(stack.name, of_this_checkout(), config, record.UP, datetime.now(UTC))


def roll_back(stack: Stack, wanted: Release, engine: Engine, progress: Progress) -> RolledBack:
    """Raises with the settings as they were when the release of before does not come up."""
    refuse_missing_images(wanted, engine)
    left = record.current_number(record.journal(stack.name)) or 0
    before = plain(stack.config())
    kept = record.folder_of(stack.name, wanted.number)
    settings = anchored(with_rules(wanted.settings, kept))
    apply(stack, before, settings)
    try:
        with staged(kept, settings) as program:
            report = put_in_force(Stack(stack.name, program), (), engine, progress)
    except BaseException:
        apply(stack, plain(stack.config()), before)
        raise
    now = record.stamp(datetime.now(UTC))
    record.note(stack.name, record.Entry(now, wanted.number, record.ROLLBACK))
    return RolledBack(left, wanted.number, report.count)


def refuse_missing_images(wanted: Release, engine: Engine) -> None:
    missing = set(engine.missing_images(list(wanted.images.values())))
    if missing:
        names = ", ".join(sorted(name for name, one in wanted.images.items() if one in missing))
        raise EnvironmentMissing(
            f"images of release {wanted.number} are gone from this host: {names}",
            f"git checkout {wanted.commit or 'its commit'} && ./scripts/up builds them again",
        )


def plain(settings: Mapping[str, Setting]) -> dict[str, str]:
    return {name: one.value for name, one in settings.items() if not one.secret}


def with_rules(settings: Mapping[str, str], kept: Path) -> dict[str, str]:
    """Rules outside the checkout may have changed there: those of the release are used from its folder."""
    path = settings.get(RULES_FILE, "")
    copy = kept / kept_rules(path) if path else kept
    if not is_outside(path) or not copy.is_file() or same(places.ROOT / path, copy):
        return dict(settings)
    return {**settings, RULES_FILE: str(copy)}


def anchored(settings: Mapping[str, str]) -> dict[str, str]:
    """Absolute, where a path leads out of the checkout: from the program's copy it would lead elsewhere."""
    paths = {name: settings[name] for name in (RULES_FILE, *LINKED) if settings.get(name)}
    return {
        **settings,
        **{name: str((places.ROOT / path).resolve()) for name, path in paths.items() if is_outside(path)},
    }


def same(one: Path, other: Path) -> bool:
    return one.is_file() and one.read_bytes() == other.read_bytes()


def apply(stack: Stack, present: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    for name in present.keys() - wanted.keys():
        stack.unset(name)
    stack.set_plain({name: value for name, value in wanted.items() if present.get(name) != value})


@contextmanager
def staged(kept: Path, settings: Mapping[str, str]) -> Iterator[Path]:
    """The release's program as a project folder, with its image lock and this checkout's tools and state."""
    with tempfile.TemporaryDirectory(prefix="amas-program-") as place:
        root = Path(place)
        shutil.copytree(kept / PROGRAM, root, dirs_exist_ok=True)
        (root / "lock").mkdir()
        shutil.copy(kept / LOCK, root / "lock" / LOCK)
        for name in (".venv", ".amas"):
            (root / name).symlink_to(places.ROOT / name)
        for path in {settings[name] for name in LINKED if settings.get(name)}:  # one file may hold both
            if not is_outside(path):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).symlink_to(places.ROOT / path)
        yield root
