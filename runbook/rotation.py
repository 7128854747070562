"""`amas secrets rotate`: new values, one release, proof that they are in force. No value is ever shown."""

import secrets
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from runbook import cache
from runbook.api import Api, Keys
from runbook.connections import database_name
from runbook.engine import Container, Engine, exec_command, require_part
from runbook.errors import CheckFailed, UsageError
from runbook.stack import Setting, Stack
from runbook.terminal import Progress
from runbook.up.release import is_ill, release
from runbook.up.secrets import KEYS, PASSWORDS, RANDOM_BYTES
from runbook.up.sole import free_stale_lock, sole_run

EVERYTHING = "all"
PREVIOUS = "Previous"
# The service's own login is not here: its name follows its password, and a replica is ready only with both.
DATABASE_ROLES = {
    "dbOwnerPassword": "amas_owner",
    "dbReaderPassword": "amas_reader",
    "dbMonitorPassword": "amas_monitor",
    "dbBackupPassword": "amas_backup",
    "dbJobsPassword": "amas_jobs",
}
ROTATED = (*PASSWORDS, *KEYS)
REDIS_PARTS = {"cachePassword": "cache", "queuePassword": "queue"}
# The service tells an unknown key (401) from one of another scope (403) and from a bad trace (400).
UNKNOWN_KEY = 401
PROBE_RUN = "amas-secrets-rotate"


@dataclass(frozen=True)
class Rotated:
    """What was done; names only."""

    stack: str
    secrets: tuple[str, ...]
    changed: int
    finished: bool


def rotate(stack: Stack, names: Sequence[str], engine: Engine, progress: Progress) -> Rotated:
    """New values in one release. A key's former value stays valid beside the new one until `finish`."""
    with sole_run(stack.name):
        return _rotate(stack, names, engine, progress)


def finish(stack: Stack, names: Sequence[str], engine: Engine, progress: Progress) -> Rotated:
    """The former keys are valid no longer."""
    with sole_run(stack.name):
        return _finish(stack, names, engine, progress)


def _rotate(stack: Stack, names: Sequence[str], engine: Engine, progress: Progress) -> Rotated:
    before = stack.config()
    chosen = chosen_names(names, ROTATED)
    refuse_unfinished(chosen, before)
    with progress.step("new values"):
        free_stale_lock(stack, progress)
        for name in chosen:
            _renew(stack, name, before.get(name))
    with progress.step("pulumi up"):
        report = release(stack, (), engine, progress)
    with progress.step("proof"):
        prove(engine, stack.name, stack.config(), chosen)
    return Rotated(stack.name, chosen, report.count, finished=False)


def _finish(stack: Stack, names: Sequence[str], engine: Engine, progress: Progress) -> Rotated:
    before = stack.config()
    chosen = keys_to_finish(names, before)
    with progress.step("forget the previous keys"):
        free_stale_lock(stack, progress)
        for name in chosen:
            stack.unset(name + PREVIOUS)
    with progress.step("pulumi up"):
        report = release(stack, (), engine, progress)
    with progress.step("proof"):
        prove(engine, stack.name, before, chosen)
        for name in chosen:
            prove_refused(engine, stack.name, name, before[name + PREVIOUS].value)
    return Rotated(stack.name, chosen, report.count, finished=True)


def chosen_names(names: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    """Each once, in the order of the list."""
    unknown = [name for name in names if name not in {*allowed, EVERYTHING}]
    if unknown:
        raise UsageError(
            f"{', '.join(unknown)}: not a secret that can be rotated so; there are {', '.join(allowed)}",
            "amas secrets rotate all",
        )
    return tuple(name for name in allowed if EVERYTHING in names or name in names)


def refuse_unfinished(chosen: Collection[str], config: Mapping[str, Setting]) -> None:
    """A third value would end the first, which clients may still use."""
    unfinished = [name for name in chosen if name in KEYS and _is_unfinished(name, config)]
    if unfinished:
        raise UsageError(
            f"the key before the present one is still valid for {', '.join(unfinished)}: "
            "finish that rotation first, when no client uses it any more",
            f"amas secrets rotate {' '.join(unfinished)} --finish",
        )


def keys_to_finish(names: Sequence[str], config: Mapping[str, Setting]) -> tuple[str, ...]:
    named = chosen_names(names, KEYS)
    held = tuple(name for name in named if name + PREVIOUS in config)
    missing = [name for name in named if name not in held]
    if not held or (missing and EVERYTHING not in names):
        raise UsageError(f"{', '.join(missing)}: no previous key is valid, so there is nothing to finish")
    return held


def prove(engine: Engine, stack: str, config: Mapping[str, Setting], names: Collection[str]) -> None:
    """Raises CheckFailed for the first part that is ill or does not take its new secret."""
    for container in engine.containers(stack):
        if is_ill(container):
            raise CheckFailed(f"{container.name} is {container.health or container.state}", "amas status")
    for name in names:
        if name in KEYS:
            _prove_key(engine, stack, name, config[name].value)
        elif name in DATABASE_ROLES:
            _prove_login(engine, stack, name, config)
        elif name in REDIS_PARTS:
            _prove_redis(engine, stack, name, config[name].value)


def prove_refused(engine: Engine, stack: str, name: str, value: str) -> None:
    for replica in engine.containers(stack, "api"):
        if status_for_key(replica, value) != UNKNOWN_KEY:
            raise CheckFailed(f"{name}: {replica.name} still takes the previous key", "pulumi up")


def status_for_key(replica: Container, value: str) -> int:
    """The answer to a trace that can never be stored, since it has no field."""
    with Api(f"http://{replica.address}:8000", Keys(ingest=value)) as api:
        return api.post_trace({}, PROBE_RUN).status


def typed_into(container: Container, command: Sequence[str], password: str) -> tuple[int, str]:
    """Exit code and output of a command inside that asks for a password; it comes by stdin alone."""
    done = subprocess.run(
        exec_command(container, command, terminal=False),
        input=f"{password}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def closing_lines(done: Rotated) -> list[str]:
    names = ", ".join(done.secrets)
    if done.finished:
        return [f"finished: {names}; the previous keys are refused now"]
    keys = [name for name in done.secrets if name in KEYS]
    lines = [f"rotated: {names}"]
    if keys:
        scopes = " ".join(name.removeprefix("key").lower() for name in keys)
        lines += [
            f"next   give clients the new keys: amas keys show SCOPE ({scopes}); both are valid until",
            f"       amas secrets rotate {' '.join(keys)} --finish",
        ]
    return lines


def _renew(stack: Stack, name: str, before: Setting | None) -> None:
    """The previous value is kept first: interrupted in between, nothing is lost and nothing changed."""
    if name in KEYS and before:
        stack.set_secret(name + PREVIOUS, before.value)
    stack.set_secret(name, secrets.token_urlsafe(RANDOM_BYTES))


def _is_unfinished(name: str, config: Mapping[str, Setting]) -> bool:
    return name + PREVIOUS in config and config.get(name) != config[name + PREVIOUS]


def _prove_key(engine: Engine, stack: str, name: str, value: str) -> None:
    for replica in engine.containers(stack, "api"):
        status = status_for_key(replica, value)
        if status not in {400, 403}:
            raise CheckFailed(f"{name}: {replica.name} answers {status} to the new key", "amas logs api")


def _prove_login(engine: Engine, stack: str, name: str, config: Mapping[str, Setting]) -> None:
    role, database = DATABASE_ROLES[name], database_name(dict(config))
    query = ["psql", "-XAt", "-h", "127.0.0.1", "-U", role, "-d", database, "-c", "SELECT 1"]
    exit_code, said = typed_into(require_part(engine, stack, "db"), query, config[name].value)
    if exit_code != 0:
        raise CheckFailed(f"{name}: {role} cannot log in with it: {said.strip()}", "amas logs db")


def _prove_redis(engine: Engine, stack: str, name: str, value: str) -> None:
    part = REDIS_PARTS[name]
    _, said = typed_into(require_part(engine, stack, part), [*cache.CLI, "PING"], value)
    if "PONG" not in said:
        raise CheckFailed(f"{name}: {part} does not take it: {said.strip()}", f"amas logs {part}")
