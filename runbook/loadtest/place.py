"""What a load test needs of a stack: its address, its keys, its webhook, k6, and where results go."""

import os
from collections.abc import Mapping
from pathlib import Path

from loadtests import k6
from loadtests.flow import Place
from loadtests.tell import Teller
from runbook import places, terminal
from runbook.api import Api, Keys
from runbook.errors import EnvironmentMissing
from runbook.smoke.run import keys_of
from runbook.stack import Stack

# What a place without a stack of this checkout is told by: a staging, or the scheduler inside the network.
KEY_FILES = {
    "ingest": "AMAS_INGEST_KEY_FILE",
    "read": "AMAS_READ_KEY_FILE",
    "admin": "AMAS_ADMIN_KEY_FILE",
    "metrics": "AMAS_METRICS_KEY_FILE",
}
WEBHOOK_FILE = "AMAS_LOADTEST_WEBHOOK_FILE"


def opened(stack: str, url: str | None, out: Path | None, environ: Mapping[str, str] = os.environ) -> Place:
    """Keys come from the files that are named, else from the stack, and those go to its own address alone."""
    if any(environ.get(name) for name in KEY_FILES.values()):
        return _place(_address(stack, url), keys_from(environ), _file(environ, WEBHOOK_FILE), out)
    held = Stack(stack)
    address = held.url()
    if url and not same_place(url, address):
        raise EnvironmentMissing(
            f"{url} is not the address of stack `{stack}`, whose keys stay with it; name others by files",
            " ".join(f"{name}=FILE" for name in list(KEY_FILES.values())[:3]) + " amas loadtest run ...",
        )
    config = held.config()
    webhook = config["alertWebhookUrl"].value if "alertWebhookUrl" in config else None
    return _place(url or address, keys_of(config), webhook, out)


def keys_from(environ: Mapping[str, str]) -> Keys:
    return Keys(**{scope: _file(environ, name) for scope, name in KEY_FILES.items()})


def same_place(one: str, other: str) -> bool:
    """`localhost` and the loopback address are one machine."""
    names = [text.rstrip("/").replace("//127.0.0.1", "//localhost") for text in (one, other)]
    return names[0] == names[1]


def _place(address: str, keys: Keys, webhook: str | None, out: Path | None) -> Place:
    return Place(
        service=Api(address, keys),
        keys=k6.Keys(ingest=keys.ingest, read=keys.read),
        k6=k6.find(_tools()),
        results=out or places.results_dir(),
        progress=terminal.Progress(),
        teller=Teller(webhook),
        url=address.rstrip("/"),
    )


def _address(stack: str, url: str | None) -> str:
    return url or Stack(stack).url()


def _tools() -> Path | None:
    """None inside the image, where k6 is on PATH and nothing is built."""
    try:
        from runbook.up.toolchain import tools_bin  # noqa: PLC0415 - host only
    except ImportError:
        return None
    return tools_bin()


def _file(environ: Mapping[str, str], name: str) -> str | None:
    path = environ.get(name)
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise EnvironmentMissing(f"{name} = {path!r} cannot be read: {error.strerror}") from None
