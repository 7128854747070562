"""The environment, read once into a frozen value; every problem is listed together."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from service import keys
from service.errors import SettingsInvalid


class Secret(str):
    """Text that hides itself wherever a value is shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


Parse = Callable[[str], Any]


def load(environ: Mapping[str, str] = os.environ) -> "Settings":
    """Raises SettingsInvalid with all problems, each naming the variable, the value and what is allowed."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for one in fields(Settings):
        name = one.name.upper()
        try:
            text = _read(environ, name)
            if text is not None:
                values[one.name] = one.metadata["parse"](text)
            elif one.metadata["required"]:
                problems.append(f"{name} is not set; {one.metadata['allowed']}")
        except (ValueError, OSError) as error:
            problems.append(f"{name} {error}")
    if problems:
        raise SettingsInvalid(problems)
    return Settings(**values)


def _read(environ: Mapping[str, str], name: str) -> str | None:
    """The value, or the content of the file that NAME_FILE points at; empty text counts as unset."""
    path = environ.get(f"{name}_FILE")
    if not path:
        return environ.get(name) or None
    if environ.get(name):
        raise ValueError(f"is set, and so is {name}_FILE: keep one of them")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"cannot be read from {name}_FILE = {path!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"cannot be read from {name}_FILE = {path!r}: it is not UTF-8 text") from None


def _integer(default: int, least: int, most: int) -> Any:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise ValueError(f"= {text!r}: must be a whole number from {least} to {most}")
        return value

    return _field(parse, default)


def _switch(*, default: bool) -> Any:
    def parse(text: str) -> bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"= {text!r}: must be true or false")
        return text.lower() == "true"

    return _field(parse, default)


def _choice(default: str, *allowed: str) -> Any:
    def parse(text: str) -> str:
        if text.lower() not in allowed:
            raise ValueError(f"= {text!r}: must be one of {', '.join(allowed)}")
        return text.lower()

    return _field(parse, default)


def _url(*schemes: str) -> Any:
    allowed = "must start with " + " or ".join(f"{scheme}://" for scheme in schemes)

    def parse(text: str) -> Secret:
        if text.partition("://")[0] not in schemes:
            # The value may hold a password, so it is not shown.
            raise ValueError(f"is not such an address: {allowed}")
        return Secret(text)

    return field(metadata={"parse": parse, "required": True, "allowed": allowed})


def _key_lines(text: str) -> Secret:
    try:
        keys.parse(text)
    except ValueError as error:
        raise ValueError(f": {error}") from None
    return Secret(text)


def _field(parse: Parse, default: object) -> Any:
    return field(default=default, metadata={"parse": parse, "required": False, "allowed": ""})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One field for each variable; the variable is the field's name in capitals."""

    database_url: Secret = _url("postgresql", "postgres")  # noqa: RUF009  # makes a field
    redis_url: Secret = _url("redis", "rediss", "unix")  # noqa: RUF009  # makes a field
    # Lines of `<scope> <sha256 hex>`. Without any, every route that needs a key refuses.
    api_keys: Secret = _field(_key_lines, Secret(""))  # noqa: RUF009  # makes a field
    # All connections of this process: one writes, one tells whether the database lives, the others read.
    db_connection_pool_size: int = _integer(20, 3, 500)
    # Milliseconds.
    db_statement_timeout: int = _integer(5000, 100, 600_000)
    # Seconds.
    cache_ttl_amas_state: int = _integer(300, 1, 86_400)
    insights_retention_days: int = _integer(90, 1, 3650)
    reads_need_key: bool = _switch(default=False)
    write_queue_rows: int = _integer(5000, 1, 100_000)
    write_batch_rows: int = _integer(500, 1, 5000)
    log_level: str = _choice("info", "debug", "info", "warning", "error")
    # Traces are then counted and refused with 503, never half-taken.
    disable_insight_writes: bool = _switch(default=False)
    disable_metrics_collection: bool = _switch(default=False)


ENV_NAMES = tuple(one.name.upper() for one in fields(Settings))
SECRET_NAMES = ("DATABASE_URL", "REDIS_URL", "API_KEYS")
