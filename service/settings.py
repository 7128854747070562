"""The environment, read once into a frozen value; every problem is listed together."""

import os
import re
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

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:\d{1,5})?")


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
        return Path(path).read_text(encoding="utf-8").strip() or None
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


def _url(*schemes: str, required: bool = True) -> Any:
    allowed = "must start with " + " or ".join(f"{scheme}://" for scheme in schemes)

    def parse(text: str) -> Secret:
        if text.partition("://")[0] not in schemes:
            # The value may hold a password, so it is not shown.
            raise ValueError(f"is not such an address: {allowed}")
        return Secret(text)

    facts = {"parse": parse, "required": required, "allowed": allowed}
    return field(metadata=facts) if required else field(default=Secret(""), metadata=facts)


def _hosts(text: str) -> tuple[str, ...]:
    names = tuple(one.strip() for one in text.split(",") if one.strip())
    bad = [one for one in names if not _HOST.fullmatch(one)]
    if bad:
        raise ValueError(f"names {bad[0]!r}: must be a list of hosts, each NAME or NAME:PORT, with commas")
    return names


def _contacts(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    found = {role.strip(): who.strip() for role, _, who in pairs}
    if len(found) != len(pairs) or not all(role and who for role, who in found.items()):
        raise ValueError(f"= {text[:80]!r}: must be ROLE=WHO with semicolons between, each role once")
    return tuple(found.items())


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
    # The Redis that never evicts and writes every change to disk: spool, leader, shared snapshots.
    queue_url: Secret = _url("redis", "rediss", "unix")  # noqa: RUF009  # makes a field
    # Lines of `<scope> <sha256 hex>`. Without any, every route that needs a key refuses.
    api_keys: Secret = _field(_key_lines, Secret(""))  # noqa: RUF009  # makes a field
    # All connections this process ever opens: service.stores names the five that do one thing each, the
    # others read.
    db_connection_pool_size: int = _integer(20, 6, 500)
    # Milliseconds.
    db_statement_timeout: int = _integer(5000, 100, 600_000)
    # Seconds.
    cache_ttl_amas_state: int = _integer(300, 1, 86_400)
    cache_ttl_amas_metrics: int = _integer(60, 1, 3600)
    cache_ttl_user_state: int = _integer(1800, 1, 86_400)
    insights_retention_days: int = _integer(90, 1, 3650)
    reads_need_key: bool = _switch(default=False)
    write_queue_rows: int = _integer(5000, 1, 100_000)
    write_batch_rows: int = _integer(500, 1, 5000)
    # What load tests and people may do here depends on it.
    environment: str = _choice("development", "development", "staging", "production")
    log_level: str = _choice("info", "debug", "info", "warning", "error")
    # Traces are then counted and refused with 503, never half-taken.
    disable_insight_writes: bool = _switch(default=False)
    disable_metrics_collection: bool = _switch(default=False)
    # Milliseconds.
    metrics_collection_interval: int = _integer(30_000, 500, 300_000)
    # Whether commits are to wait for the backup's WAL receiver; that they do not raises an alert.
    wal_durability: str = _choice("async", "async", "sync")
    # Fewer than this raise an alert.
    replicas_expected: int = _integer(1, 1, 64)
    # The packaged rules when empty.
    alert_rules_file: str = _field(str, "")  # makes a field
    # Milliseconds.
    alert_evaluation_interval: int = _integer(5000, 100, 300_000)
    # Empty: notifications are off, alerts go on.
    alert_webhook_url: Secret = _url("https", "http", required=False)  # noqa: RUF009  # makes a field
    # Second and third level of escalation; empty: the level before takes them.
    alert_webhook_url_l2: Secret = _url("https", "http", required=False)  # noqa: RUF009  # makes a field
    alert_webhook_url_l3: Secret = _url("https", "http", required=False)  # noqa: RUF009  # makes a field
    alert_webhook_format: str = _choice("auto", "auto", "slack", "teams", "generic")
    # Signs generic webhooks; empty: they go unsigned.
    alert_webhook_secret: Secret = _field(Secret, Secret(""))  # noqa: RUF009  # makes a field
    alert_webhook_max_per_minute: int = _integer(12, 1, 600)
    # Receivers that may be private or plain HTTP; any other has to be public and HTTPS.
    alert_webhook_allowed_hosts: tuple[str, ...] = _field(_hosts, ())  # makes a field
    # Who is called at a level of escalation (l1, l2, l3); other roles are for people only.
    alert_contacts: tuple[tuple[str, str], ...] = _field(_contacts, ())  # makes a field
    # Asked every minute while the monitor lives; who misses it raises the alarm from outside.
    heartbeat_url: Secret = _url("https", "http", required=False)  # noqa: RUF009  # makes a field


ENV_NAMES = tuple(one.name.upper() for one in fields(Settings))
SECRET_NAMES = tuple(one.name.upper() for one in fields(Settings) if one.type is Secret)
