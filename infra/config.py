"""Configuration, read once into a frozen value; everything else takes that value."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi

from infra import edge
from infra.keys import EDGE_SECRETS, KEYS, REQUIRED_SECRETS, SECRETS, Key, Value, as_text

# k6 and what counts its results, at more than a few requests a second.
LOAD_TEST_MEMORY_MB = 768
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

    @property
    def most_replicas(self) -> int:
        """With those that come by themselves: so many that a roll still has its places and connections."""
        least, pool = self.integer("replicas"), self.integer("dbConnectionPoolSize")
        connections = (self.integer("dbMaxConnections") - RESERVED_CONNECTIONS) // pool
        return max(least, min(self.integer("maxReplicas"), connections) - least)

    @property
    def encrypted(self) -> bool:
        """TLS at the load balancer."""
        return self.text("tls") != "off"

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
        reads_need_key = self.flag("readsNeedKey") or self.encrypted
        return {**given, "WAL_DURABILITY": self.wal_durability, "READS_NEED_KEY": as_text(reads_need_key)}


def load(config: pulumi.Config) -> Config:
    """Read the stack's configuration; raises ConfigInvalid with every problem at once."""
    values, problems = parse(config.get)
    secrets = {name: config.get_secret(name) for name, _ in REQUIRED_SECRETS}
    if values["tls"] == "self-signed":
        secrets |= {name: config.get_secret(name) for name, _ in EDGE_SECRETS}
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
    return [*problems, *port_problems(values), *edge.problems(values), *_load_tests_too_large(values)]


def published(values: Mapping[str, Value]) -> dict[str, str]:
    """Keys of the ports that are published with these values, and on which address."""
    edge_keys = ("httpPort", "httpsPort") if values["tls"] != "off" else ("httpPort",)
    address = str(values["bindAddress"])
    inner = ("prometheusPort", "grafanaPort") if values["grafanaImage"] else ("prometheusPort",)
    return {**dict.fromkeys(edge_keys, address), **dict.fromkeys(inner, loopback(address))}


def loopback(address: str) -> str:
    """For Prometheus and Grafana, which speak no TLS: they stay on this host."""
    return address if ipaddress.ip_address(address).is_loopback else "127.0.0.1"


def port_problems(values: Mapping[str, Value]) -> list[str]:
    keys = tuple(published(values))
    return [
        f"amas:{key} = {values[key]}: already taken by amas:{earlier}"
        for place, key in enumerate(keys)
        for earlier in keys[:place]
        if values[key] == values[earlier]
    ]


def _load_tests_too_large(values: Mapping[str, Value]) -> list[str]:
    memory = int(values["schedulerMemoryMb"])
    is_large = values["loadTestSchedule"] and values["loadTestProfile"] != "smoke"
    if memory >= LOAD_TEST_MEMORY_MB or not (is_large or values["breakpointSchedule"]):
        return []
    needed = f"must be at least {LOAD_TEST_MEMORY_MB} for load tests above smoke"
    return [f"amas:schedulerMemoryMb = {memory}: {needed}"]


def missing_secrets(secrets: Mapping[str, object]) -> list[str]:
    return [
        f"amas:{name} is not set: ./scripts/up generates it, or: pulumi config set --secret amas:{name}"
        for name, value in secrets.items()
        if value is None
    ]


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
