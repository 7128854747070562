"""`amas logs`: the lines of several containers as one stream, in order of time, readable."""

import heapq
import json
import queue
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runbook.engine import Container, Engine, LogLine
from runbook.errors import EnvironmentMissing, UsageError

LEVELS = ("debug", "info", "warning", "error")
SPOKEN = {
    "trace": "debug",
    "log": "info",
    "notice": "info",
    "statement": "info",
    "detail": "info",
    "hint": "info",
    "warn": "warning",
    "alert": "error",
    "emerg": "error",
    "critical": "error",
    "fatal": "error",
    "panic": "error",
    **{level: level for level in LEVELS},
    "*": "info",
    "#": "error",  # the highest that Redis has
}
IN_TEXT = re.compile(
    r"""^\d+:[XCSM]\ [^*#]*\ (?P<redis>[*#])\s
    |\blevel="?(?P<field>[a-z]+)
    |\[(?P<bracket>[A-Z]+)\]
    |\b(?P<spoken>DEBUG|INFO|LOG|NOTICE|WARNING|WARN|ERROR|FATAL|PANIC)\b""",
    re.VERBOSE,
)
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SPAN = re.compile(r"(\d+)([smhd])")
FIRST_FIELDS = frozenset({"time", "level", "component", "message"})


@dataclass(frozen=True)
class Wanted:
    """What the operator asked to see."""

    part: str | None = None
    since: datetime | None = None
    level: str | None = None
    tail: int | None = None


def span(text: str, option: str = "--since") -> timedelta:
    """`90s`, `10m`, `2h`, `1d`, or a sum such as `1h30m`."""
    found = SPAN.findall(text)
    if not found or "".join(number + unit for number, unit in found) != text:
        raise UsageError(f"{option} {text!r}: write a number and s, m, h or d, for example 10m or 1h30m")
    return timedelta(seconds=sum(int(number) * UNITS_S[unit] for number, unit in found))


def check_level(level: str | None) -> str | None:
    if level is not None and level not in LEVELS:
        raise UsageError(f"--level {level!r}: one of {', '.join(LEVELS)}")
    return level


def collected(engine: Engine, stack: str, wanted: Wanted) -> list[LogLine]:
    """The last `tail` lines of all containers together."""
    containers = chosen(engine, stack, wanted.part)
    logs = [engine.log_lines(one, since=wanted.since, tail=wanted.tail) for one in containers]
    lines = [line for line in merged(logs) if reaches(line.text, wanted.level)]
    return lines[-wanted.tail :] if wanted.tail else lines


def followed(engine: Engine, stack: str, wanted: Wanted, since: datetime) -> Iterator[LogLine]:
    """Lines as they come, from containers that ran at the start; ends when all of these have ended."""
    arrivals: queue.Queue[LogLine | None] = queue.Queue()
    containers = [one for one in chosen(engine, stack, wanted.part) if one.state == "running"]

    def pump(container: Container) -> None:
        try:
            for line in engine.follow_log(container, since):
                arrivals.put(line)
        finally:
            arrivals.put(None)

    for container in containers:
        threading.Thread(target=pump, args=(container,), daemon=True).start()
    open_logs = len(containers)
    while open_logs:
        line = arrivals.get()
        if line is None:
            open_logs -= 1
        elif reaches(line.text, wanted.level):
            yield line


def chosen(engine: Engine, stack: str, part: str | None) -> list[Container]:
    everything = engine.containers(stack)
    if not everything:
        raise EnvironmentMissing(f"stack `{stack}` has no containers", "./scripts/up")
    found = [one for one in everything if part in {None, one.part, one.name}]
    if not found:
        raise UsageError(f"no part `{part}`: one of {', '.join(sorted({one.part for one in everything}))}")
    return found


def merged(logs: Sequence[Iterable[LogLine]]) -> Iterator[LogLine]:
    return heapq.merge(*logs, key=lambda line: line.stamp)


def reaches(text: str, least: str | None) -> bool:
    """Whether a line is at or above a level. One that names none is kept: it may be what is looked for."""
    level = level_of(text)
    return least is None or level is None or LEVELS.index(level) >= LEVELS.index(least)


def level_of(text: str) -> str | None:
    fields = json_fields(text)
    if fields is not None:
        return SPOKEN.get(str(fields.get("level", "")).lower())
    found = IN_TEXT.search(text)
    return SPOKEN.get(found[found.lastgroup or 0].lower()) if found else None


def json_fields(text: str) -> Mapping[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def readable(line: LogLine, stack: str) -> str:
    """`time container level component message key=value …`; what is not JSON stays as it is.

    The time is the engine's, by which the lines are ordered: a request's own is that of its beginning.
    """
    name = line.container.removeprefix(f"amas-{stack}-")
    fields = json_fields(line.text)
    if fields is None:
        return f"{line.stamp[:23]} {name} {line.text}"
    rest = [f"{key}={_value(value)}" for key, value in fields.items() if key not in FIRST_FIELDS]
    first = [str(fields.get(key, "")) for key in ("level", "component", "message")]
    return " ".join(word for word in [line.stamp[:23], name, *first, *rest] if word)


def shown_as_json(line: LogLine) -> str:
    fields = json_fields(line.text)
    said = {"text": line.text} if fields is None else {"fields": fields}
    return json.dumps({"stamp": line.stamp, "container": line.container, **said}, ensure_ascii=False)


def _value(value: object) -> str:
    return value if isinstance(value, str) and " " not in value else json.dumps(value, ensure_ascii=False)
