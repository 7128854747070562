"""The steps of an upgrade: looked at, backed up, migrated and rolled, watched, and taken back if it fails."""

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from runbook.api import Api
from runbook.engine import Engine, require_part
from runbook.errors import AmasError, CheckFailed, EnvironmentMissing
from runbook.reach import asked
from runbook.releases import program as programs
from runbook.releases import record
from runbook.releases.record import Release
from runbook.smoke.run import keys_of, measure, refuse_failed
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.up import flow as ups
from runbook.up.certificate import ensure_certificate
from runbook.up.preflight import given, preflight, refuse_bad_settings
from runbook.up.release import release
from runbook.up.repair import is_well
from runbook.up.secrets import ensure_secrets
from runbook.up.sole import free_stale_lock, sole_run
from runbook.upgrade.preflight import backup_checks, refuse_jump, refuse_unproven
from runbook.upgrade.rollback import plain, roll_back
from runbook.upgrade.verdict import Look, breached, problems

LOOK_EVERY_S = 2.0
CRITICAL = "critical"


@dataclass(frozen=True)
class Plan:
    """`standing_ref`: the commit of what runs, where no release was written down yet."""

    stack: str
    settings: tuple[str, ...] = ()
    verify_s: float = 60.0
    standing_ref: str | None = None


@dataclass(frozen=True)
class Upgraded:
    """From which release to which."""

    left: int
    number: int
    changed: int
    looks: int


def upgrade(plan: Plan, engine: Engine, progress: Progress) -> Upgraded:
    """Raises CheckFailed after it has gone back, with what was wrong."""
    refuse_bad_settings(plan.settings)
    stack = Stack(plan.stack)
    with sole_run(plan.stack):
        with progress.step("what stands"):
            standing = standing_release(stack, plan.standing_ref, engine)
            progress.say(
                f"release {standing.number}, version {standing.version}, {standing.commit or 'no commit'}"
            )
        ups.prepare(progress)
        with progress.step("pre-flight"):
            _pre_flight(plan, stack, standing, engine, progress)
        _back_up(stack.name, engine, progress)
        with Api(stack.site(), keys_of(stack.config())) as api:
            before = look(api, engine, stack.name)
        return _forward(plan, stack, standing, before, engine, progress)


def standing_release(stack: Stack, ref: str | None, engine: Engine) -> Release:
    """As written down; else put together from what runs and the commit it is said to be."""
    known = record.current(stack.name)
    if known is not None:  # settings may have been changed since, by plain `pulumi up`
        return replace(known, settings=in_force(plain(stack.config()), known.settings, stack.outputs()))
    if ref is None:
        raise EnvironmentMissing(
            f"no release of stack `{stack.name}` is written down yet: there would be no way back",
            "amas upgrade --standing COMMIT, the one it was brought up from",
        )
    with tempfile.TemporaryDirectory(prefix="amas-standing-") as place:
        lock = Path(place) / "standing.json"
        lock.write_text(json.dumps(standing_images(stack.outputs(), engine.image_ids())))
        (folder := Path(place) / "program").mkdir()
        program = programs.of_commit(ref, lock, folder)
        return record.keep(stack.name, program, stack.config(), record.UP, datetime.now(UTC))


def in_force(
    config: Mapping[str, str], known: Mapping[str, str], outputs: Mapping[str, object]
) -> dict[str, str]:
    """The settings that the stack runs with: one that is only set so far is nothing to go back to."""
    released = outputs.get("settings")
    if not isinstance(released, dict):
        return dict(config)
    return {name: str(released[name]) for name in sorted({*config, *known}) if name in released}


def standing_images(outputs: Mapping[str, object], ids: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The image lock of what runs, by the tags it was released with."""
    tags = outputs.get("images")
    if not isinstance(tags, dict):
        raise EnvironmentMissing("the stack does not tell which images it was released with", "./scripts/up")
    missing = sorted(str(tag) for tag in tags.values() if tag not in ids)
    if missing:
        raise EnvironmentMissing(f"images of what runs have no tag on this host: {', '.join(missing)}")
    return {str(name): {"id": ids[tag], "tag": str(tag)} for name, tag in tags.items()}


def _pre_flight(plan: Plan, stack: Stack, standing: Release, engine: Engine, progress: Progress) -> None:
    refuse_jump(standing, programs.of_this_checkout())
    checks = backup_checks(engine, stack.name)
    if checks is None:
        progress.say("this stack keeps no backups: data have no way back")
    else:
        refuse_unproven(checks)
    free_stale_lock(stack, progress)
    ensure_secrets(stack, progress)
    ensure_certificate(stack, given(plan.settings), progress)
    preflight(stack, plan.settings, engine, progress)


def _back_up(stack: str, engine: Engine, progress: Progress) -> None:
    """Nothing where no backups are kept."""
    if not any(one.part == "backup" for one in engine.containers(stack)):
        return
    with progress.step("backup"):
        exit_code, said = engine.run_inside(require_part(engine, stack, "backup"), ["amas", "backup", "now"])
        if exit_code:
            raise CheckFailed(f"no backup, no upgrade: {said.strip()[-400:]}", "amas backup now")


def _forward(
    plan: Plan, stack: Stack, standing: Release, before: Look, engine: Engine, progress: Progress
) -> Upgraded:
    try:
        with progress.step("migrate and roll"):
            report = release(stack, plan.settings, engine, progress, how=record.UPGRADE)
        with progress.step(f"watch it for {plan.verify_s:g} s"):
            looks = _watched(plan, stack, before, engine)
    except (Exception, KeyboardInterrupt) as reason:  # whatever it is, what stood has to come back
        raise _taken_back(stack, standing, reason, engine, progress) from None
    now = record.current(stack.name)
    return Upgraded(standing.number, now.number if now else standing.number, report.count, looks)


def _watched(plan: Plan, stack: Stack, before: Look, engine: Engine) -> int:
    """Raises CheckFailed as soon as something is worse than before."""
    refuse_failed(measure(stack))
    until, looks = time.monotonic() + plan.verify_s, list[Look]()
    with Api(stack.site(), keys_of(stack.config())) as api:
        while not looks or time.monotonic() < until:
            looks.append(look(api, engine, stack.name))
            found = problems(before, looks)
            if found:
                raise CheckFailed("\n".join(found))
            time.sleep(LOOK_EVERY_S)
    return len(looks)


def _taken_back(
    stack: Stack, standing: Release, reason: BaseException, engine: Engine, progress: Progress
) -> CheckFailed:
    """What was wrong, and where the stack stands now."""
    why = _in_words(reason)
    present = record.current_number(record.journal(stack.name))
    if present is not None and present != standing.number:
        stamp = record.stamp(datetime.now(UTC))
        record.note(stack.name, record.Entry(stamp, present, record.FAILED))
    with progress.step(f"back to release {standing.number}"):
        try:
            roll_back(stack, standing, engine, progress)
        except (AmasError, OSError) as second:
            words = f"{why}\nand release {standing.number} did not come back: {second}"
            return CheckFailed(words, f"amas rollback --to {standing.number}")
    return CheckFailed(
        f"the upgrade failed and was taken back: release {standing.number} serves\n{why}", "amas status"
    )


def _in_words(reason: BaseException) -> str:
    """OSError is the engine's own; anything else is a fault here, whose kind says more than its text."""
    if isinstance(reason, KeyboardInterrupt):
        return "interrupted"
    return str(reason) if isinstance(reason, AmasError | OSError) else repr(reason)


def look(api: Api, engine: Engine, stack: str) -> Look:
    """Everything at one moment; a service that does not answer is part of it.

    A burst replica is none of the release's: it comes and goes with the load, and is starting for a while.
    """
    containers = [one for one in engine.containers(stack) if not one.is_job and not one.burst]
    ill = frozenset(one.name for one in containers if not is_well(one))
    restarts = {one.name: one.restarts for one in containers}
    try:
        rows, alerts = asked(api, "/api/about/slo")["rows"], asked(api, "/api/alerts/active")
    except AmasError as reason:
        return Look(ill=ill, restarts=restarts, answered=reason.message)
    critical = frozenset(str(one["metric"]) for one in alerts if one["severity"] == CRITICAL)
    return Look(breached(rows), critical, ill, restarts)
