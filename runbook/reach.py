"""How a page reaches the service and its configuration, on the host and inside the network alike."""

import functools
import os
from collections.abc import Mapping
from typing import Any

from runbook import health
from runbook.api import Api
from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.smoke.run import keys_of
from runbook.stack import Setting, Stack


@functools.cache
def config(stack: str) -> dict[str, Setting]:
    """Of a stack of this checkout, decrypted: asked for once, since that takes most of a page's time."""
    return Stack(stack).config()


def api_of(stack: str, environ: Mapping[str, str] = os.environ) -> Api:
    """At AMAS_URL with the keys of mounted files; without it at the stack's own address, with its keys."""
    url = environ.get("AMAS_URL")
    return Api(url, health.keys_from(environ)) if url else Api(Stack(stack).site(), keys_of(config(stack)))


def asked(api: Api, path: str, parameters: Mapping[str, str] | None = None) -> Any:
    """The decoded body of a read; CheckFailed for any other answer than 200 and JSON."""
    answer = api.read(path, parameters)
    body = answer.json()
    if answer.status != 200 or body is None:
        raise CheckFailed(f"GET {path}: {answer.status} {answer.text[:200]}", "amas status")
    return body


def secret(stack: str, name: str) -> str:
    held = config(stack).get(name)
    if held is None:
        raise EnvironmentMissing(f"stack `{stack}` has no `{name}` in its configuration", "./scripts/up")
    return held.value


def integer(stack: str, name: str) -> int:
    """A key of the stack's configuration, or its default."""
    return int(_given(stack, name))


def flag(stack: str, name: str) -> bool:
    return str(_given(stack, name)).lower() == "true"


def _given(stack: str, name: str) -> int | str | bool:
    held = config(stack)
    if name in held:
        return held[name].value
    from infra.keys import KEYS  # noqa: PLC0415 - host only: absent from the runbook image

    return next(key.default for key in KEYS if key.name == name)
