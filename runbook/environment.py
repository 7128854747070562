"""The shell pulumi runs in, by hand or by `amas`: the same variables either way, so nothing is hidden."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from runbook import places


@dataclass(frozen=True)
class Connections:
    """Where the running stack's stores answer from the host, with their credentials."""

    database_url: str | None = None
    redis_url: str | None = None


def environment(
    stack: str,
    *,
    root: Path,
    state_dir: Path,
    path_entries: list[Path],
    connections: Connections | None = None,
) -> dict[str, str]:
    """Every variable except PATH itself; `AMAS_PATH` carries what to put in front of it."""
    variables = {
        "AMAS_ROOT": str(root),
        "AMAS_STACK": stack,
        "AMAS_PATH": ":".join(str(entry) for entry in path_entries),
        "PULUMI_HOME": str(state_dir / "pulumi"),
        "PULUMI_BACKEND_URL": f"file://{state_dir / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(state_dir / "passphrase"),
        "PULUMI_STACK": stack,
        # A destroy keeps the data volumes, which are protected, instead of refusing as a whole.
        "PULUMI_OPTION_EXCLUDE_PROTECTED": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DISABLE_REGISTRY_RESOLVE": "true",
    }
    connections = connections or Connections()
    if connections.database_url:
        variables["DATABASE_URL"] = connections.database_url
    if connections.redis_url:
        variables["REDIS_URL"] = connections.redis_url
    return variables


def export_lines(variables: Mapping[str, str]) -> list[str]:
    """Lines a POSIX shell may eval; PATH grows only by entries it does not have yet."""
    lines = [
        f"export {name}={shlex.quote(value)}" for name, value in variables.items() if name != "AMAS_PATH"
    ]
    for entry in reversed(variables["AMAS_PATH"].split(":")):
        quoted = shlex.quote(entry)
        lines.append(f'case ":$PATH:" in *:{quoted}:*) ;; *) PATH={quoted}:"$PATH" ;; esac')
    return [*lines, "export PATH"]


def for_subprocess(variables: Mapping[str, str], inherited: Mapping[str, str]) -> dict[str, str]:
    """The inherited environment with ours on top, and our folders in front of PATH."""
    merged = {**inherited, **{name: value for name, value in variables.items() if name != "AMAS_PATH"}}
    merged["PATH"] = f"{variables['AMAS_PATH']}:{inherited.get('PATH', '/usr/bin:/bin')}"
    return merged


def of_this_checkout(stack: str, connections: Connections | None = None) -> dict[str, str]:
    return environment(
        stack,
        root=places.ROOT,
        state_dir=places.state_dir().absolute(),
        path_entries=path_entries(),
        connections=connections,
    )


def path_entries() -> list[Path]:
    from runbook.up.toolchain import tools_bin  # noqa: PLC0415 - host only: absent from the runbook image

    return [tools_bin(), places.ROOT / ".venv" / "bin"]


def database_url(address: str, password: str, database: str) -> str:
    return f"postgresql://amas_owner:{quote(password, safe='')}@{address}:5432/{quote(database, safe='')}"


def redis_url(address: str, password: str) -> str:
    return f"redis://default:{quote(password, safe='')}@{address}:6379"
