"""What must hold before an upgrade: no jump that nobody has tried, and a way back for the data."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from runbook.engine import Engine
from runbook.errors import CheckFailed, UsageError
from runbook.releases.program import Program
from runbook.releases.record import Release

PART = "backup"
# Names of the checks of `amas backup status` without which there is no way back for the data.
NEEDED = ("newest backup", "restore proof")


@dataclass(frozen=True)
class BackupCheck:
    """One line of `amas backup status`."""

    name: str
    state: str
    value: str


def refuse_jump(standing: Release, target: Program) -> None:
    """Schemas only grow, and each major version is a step of its own."""
    if target.schema < standing.schema:
        raise UsageError(
            f"this checkout knows migrations up to {target.schema:04}, what runs up to {standing.schema:04}: "
            "it is the older one",
            "git checkout a newer version, or amas rollback",
        )
    was, wanted = _numbers(standing.version), _numbers(target.version)
    if wanted < was:
        raise UsageError(
            f"version {target.version} is older than {standing.version}, which runs", "amas rollback"
        )
    if wanted[0] > was[0] + 1:
        raise UsageError(
            f"from version {standing.version} to {target.version}: one major version at a time",
            f"upgrade to the last {was[0] + 1}.x first",
        )


def refuse_unproven(checks: Sequence[BackupCheck]) -> None:
    """A backup counts once it was restored for proof, and both must be of these days."""
    found = {one.name: one for one in checks}
    wrong = [
        f"{name}: {found[name].value if name in found else 'not told'}"
        for name in NEEDED
        if name not in found or found[name].state != "ok"
    ]
    if wrong:
        raise CheckFailed(
            "\n".join(["there is no fresh, proven backup to go back to", *wrong]),
            "amas backup now && amas backup prove, then the upgrade again",
        )


def backup_checks(engine: Engine, stack: str) -> list[BackupCheck] | None:
    """As the backup itself judges; None where the stack keeps no backups."""
    running = [one for one in engine.containers(stack, PART) if one.state == "running"]
    if not running:
        return None
    _, said = engine.run_inside(running[0], ["amas", "backup", "status", "--json"])
    try:
        checks = json.loads(said)["checks"]
        return [BackupCheck(one["name"], one["state"], one["value"]) for one in checks]
    except (ValueError, KeyError, TypeError):
        raise CheckFailed(
            f"the backup does not tell how it stands: {said[-300:]}", "amas backup status"
        ) from None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal()) or (0,)
