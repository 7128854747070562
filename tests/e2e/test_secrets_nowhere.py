"""Every secret of a stack is looked for in every place where one leaks by habit."""

import json
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

import pytest

import runbook.stack
from infra.keys import OFFSITE_SECRETS, RECEIVERS
from runbook import places
from runbook.up.secrets import GENERATED
from tests.e2e.conftest import Stack, inspected

SCOPES = ("ingest", "read", "metrics", "admin")
Found = dict[str, list[str]]
# What follows it is the secret of a webhook's address; a leak may well lack the rest.
RECEIVER = "https://receiver.invalid/"
LOGIN = "AWS_ACCESS_KEY_ID=somebody\nAWS_SECRET_ACCESS_KEY="
# Nothing answers there: restic goes as far as to sign a request.
NOWHERE = "s3:http://127.0.0.1:9/nowhere"


@pytest.fixture
def stack(new_stack: Callable[[], Stack]) -> Iterator[Stack]:
    """One of its own: receivers that were set here would be told of everybody's alerts."""
    own = new_stack()
    own.up()
    yield own
    own.remove()


def test_no_secret_shows_anywhere(stack: Stack) -> None:
    """The rotation in between makes secrets travel all their way: configuration, loader, job, password."""
    set_yours(stack)
    secrets = values(stack)
    with watching_processes() as seen:
        stack.up()
        stack.amas("secrets", "rotate", "dbReaderPassword")
        secrets |= {f"{name}, rotated": value for name, value in values(stack).items()}
        use(stack, dict(secrets))
    distinct = len(set(secrets.values()))
    assert distinct == len(GENERATED) + len(RECEIVERS) + len(OFFSITE_SECRETS) + 1, (
        "each has its own, and one was rotated"
    )
    assert len(seen) > 50, "the watch sees processes"
    assert any(b"restic\0" in text for text in seen.values()), "those in containers too"
    assert any(b"LOADTEST_KEYS=" in text for text in seen.values()), "the load generator"
    places_searched = {
        **seen,
        **what_docker_tells(stack),
        "pulumi stack export": stack.shell("pulumi stack export").stdout.encode(),
        **kept_files(),
        **support_bundle(stack),
    }
    assert search(places_searched, secrets) == {}


def set_yours(stack: Stack) -> None:
    """Secrets nobody generates; as a person would set them, so that they stand in no command line."""
    before = {name: RECEIVER for name, _ in RECEIVERS if not name.endswith("Secret")}
    before["offsiteCredentials"] = LOGIN
    for name, _ in (*RECEIVERS, *OFFSITE_SECRETS):
        value = f"{before.get(name, '')}canary{token_hex(16)}"
        stack.shell(f"pulumi config set --secret amas:{name}", typed=value)


def use(stack: Stack, secrets: Mapping[str, str]) -> None:
    """Every verb that needs a secret; only `keys show` may print one."""
    printed = [
        stack.amas("status").stdout,
        stack.amas("db", "psql", "--", "-Atc", "SELECT count(*) FROM decision_insights").stdout,
        stack.amas("cache", "cli", "--", "PING").stdout,
        stack.amas("smoke").stdout,
        stack.amas("health", check=False).stdout,  # a busy host misses its latency target
        stack.amas("logs").stdout,
        stack.amas("backup", "offsite", check=False).stdout,
        loaded(stack),
        *(copied_to(stack, place) for place in (NOWHERE, "sftp:nobody@127.0.0.1:/nowhere")),
    ]
    assert search({"what a verb printed": "".join(printed).encode()}, secrets) == {}
    for scope in SCOPES:
        assert stack.amas("keys", "show", scope).stdout.strip() in secrets.values()


def loaded(stack: Stack) -> str:
    """A run of k6 with both of its keys; how well the host bears it is asked elsewhere."""
    done = stack.amas("loadtest", "run", "mixed", "--profile", "smoke", "--duration", "5", check=False)
    assert "requests" in done.stdout, done.stdout + done.stderr
    return done.stdout + done.stderr


def copied_to(stack: Stack, place: str) -> str:
    """As the scheduled copy does; restic asks again and again, and is ended before it gives up."""
    (backup,) = [
        one["Id"] for one in inspected(stack) if one["Config"]["Labels"].get("amas.part") == "backup"
    ]
    command = ["timeout", "20", "amas", "backup", "offsite"]
    done = stack.run(["docker", "exec", f"--env=AMAS_OFFSITE={place}", backup, *command], check=False)
    assert done.returncode, "there is no repository"
    return done.stdout + done.stderr


def search(haystacks: Mapping[str, bytes], secrets: Mapping[str, str]) -> Found:
    """Names of secrets by the place they were found in; the failure shows no value."""
    found: Found = {}
    for place, text in haystacks.items():
        names = [name for name, value in secrets.items() if value.encode() in text]
        if names:
            found[place[:300]] = names
    return found


@contextmanager
def watching_processes() -> Iterator[dict[str, bytes]]:
    """Arguments and environment of every process on this host, containers included, as often as possible."""
    seen: dict[str, bytes] = {}
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(seen, over))
    watch.start()
    try:
        yield seen
    finally:
        over.set()
        watch.join()


def _watch(seen: dict[str, bytes], over: threading.Event) -> None:
    """A process may start another program, so each is read again and again; what was read is kept once."""
    known: set[bytes] = set()
    while not over.is_set():
        for process in Path("/proc").glob("[0-9]*"):
            for kind in ("cmdline", "environ"):
                try:
                    text = (process / kind).read_bytes()
                except OSError:
                    continue  # it has ended
                if text and text not in known:
                    known.add(text)
                    seen[f"{kind} of process {process.name}, number {len(known)}"] = text
        time.sleep(0.005)


def what_docker_tells(stack: Stack) -> dict[str, bytes]:
    lock = json.loads(places.image_lock().read_text())
    told: dict[str, bytes] = {"docker inspect": json.dumps(inspected(stack)).encode()}
    for name, image in lock.items():
        told[f"history of image {name}"] = docker(stack, "history", "--no-trunc", image["id"])
        told[f"inspect of image {name}"] = docker(stack, "image", "inspect", image["id"])
    for container in inspected(stack):
        told[f"docker logs {container['Name']}"] = docker(stack, "logs", container["Id"])
    volumes = docker(stack, "volume", "ls", "--quiet", "--filter", f"label=amas.stack={stack.name}")
    told["docker volume ls"] = docker(stack, "volume", "ls")
    told["docker volume inspect"] = docker(stack, "volume", "inspect", *volumes.decode().split())
    told["docker network inspect"] = docker(stack, "network", "inspect", f"amas-{stack.name}")
    told["docker ps"] = docker(stack, "ps", "--all", "--no-trunc")
    return told


def docker(stack: Stack, *words: str) -> bytes:
    done = stack.run(["docker", *words])
    return (done.stdout + done.stderr).encode()


def kept_files() -> dict[str, bytes]:
    """All that this checkout keeps: logs, pulumi's state and history, the encrypted configuration."""
    found = [path for path in places.state_dir().rglob("*") if "plugins" not in path.parts]
    return {str(path): path.read_bytes() for path in found if path.is_file()}


def support_bundle(stack: Stack) -> dict[str, bytes]:
    file = Path(json.loads(stack.amas("support-bundle", "--json").stdout)["file"])
    with tarfile.open(file) as archive:
        files = {f"support bundle: {one.name}": archive.extractfile(one) for one in archive.getmembers()}
        found = {name: opened.read() for name, opened in files.items() if opened}
    file.unlink()
    assert len(found) > 30
    return found


def values(stack: Stack) -> dict[str, str]:
    """Not by a shell with `. scripts/env`: that one holds DATABASE_URL, and means to."""
    config = runbook.stack.Stack(stack.name).config()
    return {
        name: setting.value.removeprefix(RECEIVER).removeprefix(LOGIN)
        for name, setting in config.items()
        if setting.secret
    }
