"""`amas backup restore --from-offsite`: an empty host, the recovery sheet, the copy off site: all is back.

The copy brings backups, manifests and the stack's configuration; the sheet opens both. Traces that lay in the
spool of the lost host alone are lost with it.
"""

import json
import os
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from runbook import places
from runbook.errors import CheckFailed, UsageError
from runbook.escrow import Sheet
from runbook.handed_in import RULES, configuration_of, own_rules
from runbook.restore import afterwards, flow
from runbook.restore.flow import Restored, Site
from runbook.restore.oneshot import OFFSITE, UID, OneShot
from runbook.restore.plan import Found, Wanted, plan
from runbook.terminal import Progress
from runbook.up.flow import bring_to
from runbook.up.secrets import ensure_state_dir


def restore_from_offsite(
    sheet: Sheet,
    site: Site,
    wanted: Wanted,
    now: datetime,
    open_api: afterwards.OpenApi,
    progress: Progress,
) -> Restored:
    began = time.monotonic()
    with progress.step("look at this host"):
        refuse_inhabited(site, progress)
        put_passphrase(sheet.passphrase, places.state_dir())
    with progress.step("fetch the copy off site"):
        fetched = fetch(sheet, site, progress)
        put_configuration(sheet.stack, fetched, places.stack_configurations())
        put_rules(fetched, own_rules(fetched[configuration_of(sheet.stack)]))
    with progress.step("look at backups and disk"):
        made = plan(sheet.stack, wanted, Found.of(site.generation(progress, "look")), now)
        progress.say(f"backup {made.backup.id}, {made.backup.kind}, ended {made.backup.end_at}")
    built = site.generation(progress, *flow.build_words(made))
    with progress.step(f"place {made.generation}"):
        site.generation(progress, "switch", made.generation, f"--timeline={built['timeline']}")
    bring_to(site.stack, (), progress)
    return flow.served(site, made, built, open_api, progress, began)


def reaching(oneshot: OneShot, sheet: Sheet, repository: str | None) -> OneShot:
    """The same container with a way to the repository: a folder of this host is mounted, else a network."""
    wanted = repository or sheet.repository
    if not wanted:
        raise UsageError(
            "the sheet names no repository: the copy lay on the lost host itself",
            "amas backup restore --from-offsite --sheet FILE --repository FOLDER",
        )
    if wanted.startswith("/"):
        refuse_foreign(Path(wanted))
        mounts = {**oneshot.mounts, wanted: OFFSITE}
        return replace(oneshot, mounts=mounts, environment={**oneshot.environment, "AMAS_OFFSITE": OFFSITE})
    return replace(oneshot, network="bridge", environment={**oneshot.environment, "AMAS_OFFSITE": wanted})


def refuse_foreign(folder: Path, uid: int = UID) -> None:
    """A copy of a copy easily belongs to somebody else; the container reads as the database's user alone."""
    if not folder.is_dir():
        raise UsageError(f"--repository {folder} is no folder of this host")
    owners = {one.stat().st_uid for one in (folder, folder / "config") if one.exists()}
    if owners != {uid}:
        others = ", ".join(map(str, sorted(owners - {uid})))
        raise UsageError(
            f"--repository {folder} belongs to UID {others}, not to {uid}",
            f"chown -R {uid}:{uid} {folder}",
        )


def refuse_inhabited(site: Site, progress: Progress) -> None:
    """What stands here is never overwritten by what is far away."""
    name = site.stack.name
    standing = [one.name for one in site.engine.containers(name)]
    if standing:
        raise UsageError(
            f"stack `{name}` stands here: {', '.join(standing[:3])}", f"amas backup restore --stack {name}"
        )
    afterwards.ensure_volumes(site.engine, name)
    found = site.generation(progress, "look")
    if found["generations"] or found["backups"]:
        raise UsageError(
            f"the volumes of stack `{name}` hold data or backups: this is for an empty host",
            f"./scripts/up --stack {name}, then amas backup restore --stack {name}",
        )


def put_passphrase(passphrase: str, folder: Path) -> None:
    """One that is here already opens other stacks: it is never replaced."""
    ensure_state_dir(folder)
    file = folder / "passphrase"
    if file.exists():
        if file.read_text(encoding="utf-8") != passphrase:
            raise UsageError(
                f"{file} is another one than the sheet's: it belongs to other stacks of this checkout",
                "a checkout of its own, or AMAS_STATE_DIR=FOLDER before the same command",
            )
        return
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(passphrase)


def fetch(sheet: Sheet, site: Site, progress: Progress) -> dict[str, str]:
    """Files of the stack's configuration by name. The secrets go in by stdin."""
    secrets = json.dumps(sheet.opens_the_copy())
    told: Any = site.oneshot.run(["amas", "generation", "fetch"], progress.say, secrets)
    files: dict[str, str] = told["stack"]
    return files


def put_configuration(stack: str, files: dict[str, str], folder: Path) -> None:
    name = configuration_of(stack)
    if name not in files:
        raise CheckFailed(
            f"the copy off site holds no {name}; it holds {', '.join(sorted(files)) or 'no configuration'}",
            "a sheet of the same stack, or ./scripts/up with new secrets and `amas backup restore` after it",
        )
    target = folder / name
    if target.exists():
        raise UsageError(f"{target} is here already: this is for an empty host")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.write_text(files[name], encoding="utf-8")
    target.chmod(0o600)


def put_rules(files: dict[str, str], wanted: Path | None) -> None:
    """Where the configuration looks for them; what the checkout has there is newer and stays."""
    if wanted and RULES in files and not wanted.exists():
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.write_text(files[RULES], encoding="utf-8")
