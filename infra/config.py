"""Configuration, read once into a frozen value; everything else takes that value."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi

from infra.keys import KEYS, REQUIRED_SECRETS, SECRETS, Key, Value

# PostgreSQL keeps 3 for superusers; exporters, operators and the migration share the rest.
RESERVED_CONNECTIONS = 10


class ConfigInvalid(Exception):
    """All that is wrong with the configuration, one line a problem."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join([*problems, "next: pulumi config set amas:KEY VALUE"]))


@dataclass(frozen=True)
class Config:
    """Validated values by key, and the secrets, still wrapped."""

    values: Mapping[str, Value]
    secrets: Mapping[str, pulumi.Output[str]]

    def integer(self, name: str) -> int:
        return int(self.values[name])

    def text(self, name: str) -> str:
        return str(self.values[name])

    def flag(self, name: str) -> bool:
        return bool(self.values[name])

    @property
    def wal_durability(self) -> str:
        """What the database is to keep: without backups nobody receives its WAL."""
        return self.text("walDurability") if self.flag("backups") else "async"

    def secret(self, name: str) -> pulumi.Output[str]:
        return self.secrets[name]

    def optional_secret(self, name: str) -> pulumi.Output[str] | None:
        return self.secrets.get(name)

    def held_key(self, name: str) -> pulumi.Output[str]:
        """Return the API key our own parts send: the previous one as long as it is accepted.

        It is valid on every replica from the first step of a rotation to the last, the new one is not.
        """
        return self.secrets.get(f"{name}Previous") or self.secrets[name]

    def settings(self) -> dict[str, str]:
        """The service's environment, without its secrets."""
        given = {key.setting: as_text(self.values[key.name]) for key in KEYS if key.setting}
        return {**given, "WAL_DURABILITY": self.wal_durability}


def load(config: pulumi.Config) -> Config:
    """Read the stack's configuration; raises ConfigInvalid with every problem at once."""
    values, problems = parse(config.get)
    secrets = {name: config.get_secret(name) for name, _ in REQUIRED_SECRETS}
    problems += missing_secrets(secrets)
    secrets |= {name: config.get_secret(name) for name, _ in SECRETS if name not in secrets}
    if problems:
        raise ConfigInvalid(problems)
    return Config(values, {name: secret for name, secret in secrets.items() if secret is not None})


def parse(get: Callable[[str], str | None]) -> tuple[dict[str, Value], list[str]]:
    """Values by key (defaults where unset) and the problems found; a bad key keeps its default."""
    values: dict[str, Value] = {}
    problems: list[str] = []
    for key in KEYS:
        values[key.name], problem = _parse_one(key, get(key.name))
        problems += [problem] if problem else []
    return values, problems or across(values)


def across(values: Mapping[str, Value]) -> list[str]:
    """Problems that only show when keys are seen together."""
    problems: list[str] = []
    replicas, slots = int(values["replicas"]), int(values["maxReplicas"])
    if slots < 2 * replicas:
        problems.append(
            f"amas:maxReplicas = {slots}: must be at least {2 * replicas}, "
            f"twice amas:replicas = {replicas}, since a roll runs old and new side by side"
        )
    pool, most = int(values["dbConnectionPoolSize"]), int(values["dbMaxConnections"])
    needed = 2 * replicas * pool + RESERVED_CONNECTIONS
    if needed > most:
        problems.append(
            f"amas:dbMaxConnections = {most}: must be at least {needed} for a roll of {replicas} replicas "
            f"with pools of {pool} and {RESERVED_CONNECTIONS} in reserve"
        )
    rules = str(values["alertRulesFile"])
    if rules and not Path(rules).is_file():
        problems.append(
            f"amas:alertRulesFile = {rules}: no such file; the path goes from the project's folder"
        )
    if str(values["offsiteRepository"]).startswith("sftp:") and not values["offsiteKnownHosts"]:
        problems.append(
            "amas:offsiteKnownHosts is empty: must be what `ssh-keyscan HOST` prints, "
            f"for amas:offsiteRepository = {_shown(str(values['offsiteRepository']))}"
        )
    if values["httpPort"] == values["prometheusPort"]:
        problems.append(f"amas:prometheusPort = {values['prometheusPort']}: already taken by amas:httpPort")
    return problems


def missing_secrets(secrets: Mapping[str, object]) -> list[str]:
    return [
        f"amas:{name} is not set: ./scripts/up generates it, or: pulumi config set --secret amas:{name}"
        for name, value in secrets.items()
        if value is None
    ]


def as_text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parse_one(key: Key, raw: str | None) -> tuple[Value, str | None]:
    if raw is None:
        return key.default, None
    value = _typed(key, raw)
    if value is None or (key.allowed is not None and not key.allowed.admits(value)):
        return key.default, f"amas:{key.name} = {_shown(raw)}: must be {_expectation(key)}"
    return value, None


def _shown(raw: str) -> str:
    """What somebody typed as a password belongs in no message."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:***@", raw)


def _typed(key: Key, raw: str) -> Value | None:
    if key.type == "integer":
        return int(raw) if re.fullmatch(r"-?\d{1,12}", raw) else None
    if key.type == "boolean":
        return {"true": True, "false": False}.get(raw)
    return raw


def _expectation(key: Key) -> str:
    if key.type == "boolean":
        return "true or false"
    article = "an integer from " if key.type == "integer" else ""
    return f"{article}{key.allowed}"
