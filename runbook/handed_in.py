"""What an empty host needs of the stack besides its data: handed to the backup, which copies it off site.

The configuration with its encrypted secrets, alert rules of its own, and the image lock. The passphrase is
not among them: it stands on the recovery sheet alone.
"""

import base64
import io
import tarfile
from pathlib import Path

import yaml

from runbook import places
from runbook.engine import Engine
from runbook.errors import CheckFailed
from runbook.terminal import Progress

PART = "backup"
# Beside Barman's own, on the backup volume.
FOLDER = "/var/lib/amas/backup/state/stack"
UNPACK = 'mkdir -p "$1" && printf %s "$2" | base64 -d | tar -xzf - -C "$1"'
LOCK = "images.json"
RULES = "alert-rules.yaml"


def configuration_of(stack: str) -> str:
    """The file's name, here and in the copy."""
    return f"Pulumi.{stack}.yaml"


def hand_in(stack: str, engine: Engine, progress: Progress) -> None:
    """Nothing where no backup runs."""
    running = [one for one in engine.containers(stack, PART) if one.state == "running"]
    if not running:
        return
    text = base64.b64encode(packed(files(stack))).decode()
    exit_code, said = engine.run_inside(running[0], ["sh", "-c", UNPACK, "sh", FOLDER, text])
    if exit_code:
        raise CheckFailed(
            f"the configuration was not handed to the backup: {said.strip()}", "amas logs backup"
        )
    progress.say("the configuration is with the backup, its secrets encrypted as here")


def files(stack: str) -> dict[str, bytes]:
    name = configuration_of(stack)
    configuration = (places.stack_configurations() / name).read_bytes()
    beside = {LOCK: places.image_lock(), RULES: own_rules(configuration.decode())}
    found = {name: path.read_bytes() for name, path in beside.items() if path and path.is_file()}
    return {name: configuration, **found}


def own_rules(configuration: str, root: Path = places.ROOT) -> Path | None:
    """The file that the configuration names; `up` wants it where it was."""
    given = (yaml.safe_load(configuration) or {}).get("config") or {}
    rules = given.get("amas:alertRulesFile")
    return root / rules if rules else None


def packed(contents: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in sorted(contents.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()
