"""What pip, apt and go answer, as one kind of line. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# `Inst libssl3t64 [3.5.1-1] (3.5.1-1+deb13u1 Debian-Security:13/stable-security [amd64])`
UPGRADE = re.compile(
    r"^Inst (?P<name>\S+) \[(?P<have>[^\]]+)\] \((?P<newest>\S+) (?P<source>[^)\[]*)", re.MULTILINE
)


@dataclass(frozen=True)
class Outdated:
    """One package that is older than what its source has."""

    kind: str
    where: str
    name: str
    have: str
    newest: str
    security: bool = False


@dataclass(frozen=True)
class Unasked:
    """A source that did not answer, so that nothing found there means nothing."""

    kind: str
    where: str
    reason: str


Found = list[Outdated | Unasked]


def of_pip(listed: str, pinned: Mapping[str, str]) -> list[Outdated]:
    """From `pip list --outdated --format json`; only what the requirements pin."""
    return [
        Outdated("python", pinned[_plain(one["name"])], one["name"], one["version"], one["latest_version"])
        for one in json.loads(listed)
        if _plain(one["name"]) in pinned
    ]


def of_apt(simulated: str, image: str) -> list[Outdated]:
    """From `apt-get --simulate upgrade` inside an image."""
    return [
        Outdated(
            "debian",
            image,
            one["name"],
            one["have"],
            one["newest"],
            security="security" in one["source"].lower(),
        )
        for one in UPGRADE.finditer(simulated)
    ]


def of_go(listed: str, folder: str) -> list[Outdated]:
    """From `go list -m -u -json MODULES`: objects one after the other."""
    found, rest, decoder = [], listed.strip(), json.JSONDecoder()
    while rest:
        module, end = decoder.raw_decode(rest)
        rest = rest[end:].strip()
        if newest := module.get("Update", {}).get("Version"):
            found.append(Outdated("go", folder, module["Path"], module["Version"], newest))
    return found


def go_modules(go_mod: str) -> list[str]:
    """The modules that a go.mod is about: what its `tool` builds from, else what it asks for by itself."""
    tools = re.findall(r"^tool\s+(\S+)$", go_mod, re.MULTILINE)
    listed = re.findall(r"^(?:require\s+|\t)(\S+) v\S+( // indirect)?$", go_mod, re.MULTILINE)
    replaced = set(re.findall(r"^(?:replace\s+|\t)(\S+)(?: v\S+)? =>", go_mod, re.MULTILINE))
    if tools:
        return sorted({one for one, _ in listed if any(f"{tool}/".startswith(f"{one}/") for tool in tools)})
    return sorted({one for one, indirect in listed if not indirect} - replaced)


def direct_pins(files: Mapping[str, str]) -> dict[str, str]:
    """Names that a requirements/*.in asks for by itself, and the file that does; the rest follow them."""
    return {
        _plain(name): file
        for file, text in files.items()
        for name in re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)", text, re.MULTILINE)
    }


def ordered(found: Iterable[Outdated]) -> list[Outdated]:
    """Security fixes first."""
    return sorted(found, key=lambda one: (not one.security, one.kind, one.where, one.name))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
