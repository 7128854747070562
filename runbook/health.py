"""`amas health`: asks the service over HTTP, from the host or inside the network, and judges the answers."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from runbook.api import Answer, Api, Keys
from runbook.checks import Check, Seen, judge
from runbook.errors import AmasError, EnvironmentMissing
from runbook.exposition import Exposition, parse
from runbook.present import ROUTE, Missing
from runbook.stack import Stack

SCRAPES = 8


def check(api: Api) -> list[Check]:
    return judge(look(api))


def look(api: Api) -> Seen:
    return Seen(
        health=asked(api.health),
        scrapes=_scrapes(api),
        values=asked(lambda: api.read(ROUTE)),
        alerts=asked(lambda: api.read("/api/alerts/active")),
        history=asked(lambda: api.read("/api/alerts/history")),
        rate=asked(lambda: api.read("/api/insights/rate", {"window": "24h"})),
    )


def asked(ask: Callable[[], Answer]) -> Answer | Missing:
    try:
        return ask()
    except AmasError as reason:
        return Missing(reason.message)


def _scrapes(api: Api) -> list[Exposition] | Missing:
    """Several, since the load balancer spreads them over the replicas."""
    found: list[Exposition] = []
    for _ in range(SCRAPES):
        answer = asked(api.metrics)
        if isinstance(answer, Missing):
            return answer
        if answer.status != 200:
            return Missing(f"answered {answer.status}: {answer.text[:80]!r}")
        try:
            found.append(parse(answer.text))
        except ValueError as reason:
            return Missing(f"does not parse: {reason}")
    return found


def opened(url: str | None, stack_name: str) -> Api:
    """At an address with mounted keys, as inside the network; else the stack's own."""
    return Api(url, keys_from()) if url else api_of(stack_name)


def api_of(stack_name: str) -> Api:
    """The stack of this checkout at its own address, with its keys."""
    stack = Stack(stack_name)
    config = stack.config()
    read, metrics = (config[name].value if name in config else None for name in ("keyRead", "keyMetrics"))
    return Api(stack.site(), Keys(read=read, metrics=metrics))


def keys_from(environ: Mapping[str, str] = os.environ) -> Keys:
    """From mounted files, as the scheduler has them; the read key serves the metrics unless they have one."""
    read = _file(environ.get("AMAS_READ_KEY_FILE"))
    return Keys(
        ingest=_file(environ.get("AMAS_INGEST_KEY_FILE")),
        read=read,
        admin=_file(environ.get("AMAS_ADMIN_KEY_FILE")),
        metrics=_file(environ.get("AMAS_METRICS_KEY_FILE")) or read,
    )


def _file(path: str | None) -> str | None:
    if not path:
        return None
    try:
        return Path(path).read_text().strip()
    except OSError as reason:
        raise EnvironmentMissing(f"the key file {path} cannot be read: {reason.strerror}") from None
