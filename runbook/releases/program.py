"""The part of a release that a checkout has: what `pulumi up` reads, its version, its schema."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runbook import places
from runbook.errors import CheckFailed, EnvironmentMissing

LOCK, PROGRAM = "images.json", "program"
PROGRAM_FILES = ("Pulumi.yaml", "__main__.py", "infra")
# Read by the program too, where there is a Grafana; a commit from before the boards has none.
BOARDS = ("dashboards/generated", "dashboards/provisioning")
# A path among the settings, whose content belongs to the release too.
RULES_FILE = "alertRulesFile"


@dataclass(frozen=True)
class Program:
    """A checkout's part in a release."""

    root: Path
    lock: Path
    version: str
    commit: str | None
    schema: int


def of_this_checkout() -> Program:
    return Program(
        places.ROOT,
        places.image_lock(),
        version_of((places.ROOT / "pyproject.toml").read_text(encoding="utf-8")),
        commit_of(places.ROOT),
        newest_migration(one.name for one in (places.ROOT / "service/sql/migrations").glob("*.sql")),
    )


def of_commit(ref: str, lock: Path, into: Path) -> Program:
    """The program as a commit of this checkout has it, unpacked into a folder."""
    _git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", why=f"{ref}: no such commit in this clone")
    archive = into / "program.tar"
    listed = _git("ls-tree", "-d", "--name-only", ref, "--", *BOARDS, why=f"{ref} cannot be listed")
    wanted = [*PROGRAM_FILES, *listed.splitlines()]
    _git("archive", "--output", str(archive), ref, "--", *wanted, why=f"{ref} holds no program")
    shutil.unpack_archive(archive, into, filter="data")
    archive.unlink()
    pyproject = _git("show", f"{ref}:pyproject.toml", why=f"{ref} has no pyproject.toml")
    migrations = _git("ls-tree", "--name-only", ref, "service/sql/migrations/", why=f"{ref} has no schema")
    commit = _git("rev-parse", "--short", ref, why=f"{ref} has no name").strip()
    return Program(
        into, lock, version_of(pyproject), commit, newest_migration(map(_base_name, migrations.splitlines()))
    )


def program_files(root: Path, settings: Mapping[str, str]) -> dict[str, bytes]:
    """Path to content, the operator's own rules included."""
    files = [one for name in (*PROGRAM_FILES, *BOARDS) for one in _below(root / name)]
    contents = {f"{PROGRAM}/{one.relative_to(root)}": one.read_bytes() for one in files}
    rules = settings.get(RULES_FILE, "")
    if rules and (places.ROOT / rules).is_file():
        contents[kept_rules(rules)] = (places.ROOT / rules).read_bytes()
    return contents


def kept_rules(path: str) -> str:
    """Where they lie in a release: a path from the checkout leads to the same file in the program's copy."""
    return f"rules/{Path(path).name}" if is_outside(path) else f"{PROGRAM}/{path}"


def is_outside(path: str) -> bool:
    """Of the checkout: by an absolute path, or by one that leads up."""
    return Path(path).is_absolute() or ".." in Path(path).parts


def digest_of(contents: Mapping[str, bytes], images: Mapping[str, str], settings: Mapping[str, str]) -> str:
    whole = hashlib.sha256()
    for name in sorted(contents):
        if name != LOCK:  # the ids are what counts of it
            whole.update(f"{name}\0{hashlib.sha256(contents[name]).hexdigest()}\n".encode())
    whole.update(json.dumps([images, settings], sort_keys=True).encode())
    return whole.hexdigest()[:12]


def version_of(pyproject: str) -> str:
    found = re.search(r'^version = "([^"]+)"$', pyproject, re.MULTILINE)
    return found[1] if found else "0"


def newest_migration(names: Iterable[str]) -> int:
    return max((int(name[:4]) for name in names if re.match(r"\d{4}_", name)), default=0)


def commit_of(root: Path) -> str | None:
    """With a mark where files differ from it; None without git."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _git(*words: str, why: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(places.ROOT), *words], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise EnvironmentMissing("git is not on PATH", "apt-get install git") from None
    if done.returncode != 0:
        raise CheckFailed(f"{why}: {done.stderr.strip() or 'git knows nothing of it'}", "git fetch --tags")
    return done.stdout


def _below(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(one for one in path.rglob("*") if one.is_file() and "__pycache__" not in one.parts)


def _base_name(path: str) -> str:
    return path.rpartition("/")[2]
