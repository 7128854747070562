"""How a page reaches the service and its configuration, on the host and inside the network alike."""

import os
from collections.abc import Mapping
from typing import Any

from runbook import health, switches
from runbook.api import Api
from runbook.errors import CheckFailed
from runbook.stack import Setting, Stack


def api_of(stack: str, environ: Mapping[str, str] = os.environ) -> Api:
    """At AMAS_URL with the keys of mounted files; without it at the stack's own address, with its keys."""
    url = environ.get("AMAS_URL")
    return Api(url, health.keys_from(environ)) if url else switches.api_of(Stack(stack))


def asked(api: Api, path: str, parameters: Mapping[str, str] | None = None) -> Any:
    """The decoded body of a read; CheckFailed for any other answer than 200 and JSON."""
    answer = api.read(path, parameters)
    body = answer.json()
    if answer.status != 200 or body is None:
        raise CheckFailed(f"GET {path}: {answer.status} {answer.text[:200]}", "amas status")
    return body


def integer(config: Mapping[str, Setting], name: str) -> int:
    """A key of the stack's configuration, or its default."""
    if name in config:
        return int(config[name].value)
    from infra.keys import KEYS  # noqa: PLC0415 - host only: absent from the runbook image

    return next(int(key.default) for key in KEYS if key.name == name)
