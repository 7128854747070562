"""What can be known to fail before anything is changed: settings, ports, disk."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shutil import disk_usage

from runbook import places
from runbook.engine import Container, Engine
from runbook.errors import EnvironmentMissing, UsageError
from runbook.stack import Stack
from runbook.terminal import Progress, size
from runbook.up.budget import Item, budget, image_sizes, total
from runbook.up.ports import holder_of, is_free

Values = Mapping[str, int | str | bool]


def preflight(stack: Stack, settings: Sequence[str], engine: Engine, progress: Progress) -> None:
    """Raises with all that is in the way of this run."""
    present = {key: setting.value for key, setting in stack.config().items()}
    values = refuse_bad_configuration(present | given(settings))
    if not on_this_host(os.environ.get("DOCKER_HOST", "")):
        progress.say("the engine is on another host: its ports and disk are not looked at")
        return
    refuse_taken_ports(values, engine.containers(stack.name))
    root = engine.disk_root()
    if Path(root).is_dir():
        require_disk(budget(values, image_sizes(places.image_lock())), root, engine, stack.name, progress)


def refuse_bad_settings(settings: Sequence[str]) -> None:
    """Each by itself, before anything is prepared."""
    for setting in settings:
        key, separator, _ = setting.partition("=")
        if not separator or not key:
            raise UsageError(f"--config {setting!r}: write it as key=value, for example replicas=3")
        if key.removeprefix("amas:") in secret_names():
            raise UsageError(
                f"--config {key}=…: a secret is never given on the command line",
                f"pulumi config set --secret {key}",
            )
    from infra.config import across  # noqa: PLC0415 - host only: absent from the runbook image

    values, problems = _parsed(given(settings))
    _refuse([one for one in problems if one not in across(values)])


def secret_names() -> set[str]:
    from infra.keys import SECRETS  # noqa: PLC0415 - host only: absent from the runbook image

    return {name for name, _ in SECRETS}


def refuse_bad_configuration(configuration: Mapping[str, str]) -> Values:
    """The whole of it as the program will see it; raises with every problem at once."""
    values, problems = _parsed(configuration)
    _refuse(problems)
    return values


def given(settings: Sequence[str]) -> dict[str, str]:
    """Settings of our own namespace, without it."""
    pairs = (setting.partition("=") for setting in settings)
    named = {key.removeprefix("amas:"): value for key, _, value in pairs}
    return {key: value for key, value in named.items() if ":" not in key}


def on_this_host(docker_host: str) -> bool:
    return not docker_host or docker_host.startswith("unix://")


def refuse_taken_ports(
    values: Values,
    containers: Sequence[Container],
    free: Callable[[str, int], bool] = is_free,
    holder: Callable[[int], str | None] = holder_of,
) -> None:
    """A port that a container of the stack publishes already is not taken."""
    ip = str(values["bindAddress"])
    ours = {address for one in containers for address in one.ports}
    taken = [
        (key, port)
        for key, port in published(values).items()
        if f"{ip}:{port}" not in ours and not free(ip, port)
    ]
    if taken:
        lines = [
            f"port {port} ({key}) is taken by {holder(port) or 'another process'}" for key, port in taken
        ]
        key, port = taken[0]
        raise EnvironmentMissing("\n".join(lines), f"end it, or: amas up --config {key}={port + 1}")


def published(values: Values) -> dict[str, int]:
    """Ports of this host by the keys that set them."""
    from infra.config import ports  # noqa: PLC0415 - host only: absent from the runbook image

    return ports(values)


def require_disk(
    items: Sequence[Item],
    root: str,
    engine: Engine,
    stack: str,
    progress: Progress,
    free_bytes: Callable[[str], int] = lambda path: disk_usage(path).free,
) -> None:
    """What stands already is not needed again; it is only measured when the disk looks too small."""
    free, needed = free_bytes(root), total(items)
    progress.say(f"disk: at most {size(needed)} to come, {size(free)} free under {root}")
    for item in items:
        progress.say(f"  {size(item.most_bytes):>9}  {item.what}")
    if free >= needed:
        return
    missing = needed - sum(engine.volume_sizes(stack).values()) - free
    if missing > 0:
        table = [f"  {size(item.most_bytes):>9}  {item.what}" for item in items]
        raise EnvironmentMissing(
            "\n".join(
                [f"too little disk under {root}: {size(free)} free, {size(missing)} more needed", *table]
            ),
            f"free some: docker system df; df -h {root}",
        )


def _parsed(configuration: Mapping[str, str]) -> tuple[Values, list[str]]:
    from infra.config import parse  # noqa: PLC0415 - host only: absent from the runbook image
    from infra.keys import KEYS  # noqa: PLC0415

    known = {key.name for key in KEYS} | secret_names()
    values, problems = parse(configuration.get)
    unknown = [f"amas:{key}: there is no such setting" for key in configuration if key not in known]
    return values, [*problems, *unknown]


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        counted = "1 setting is" if len(problems) == 1 else f"{len(problems)} settings are"
        raise UsageError(
            "\n".join([f"{counted} not allowed; nothing was changed", *problems]),
            "amas up --config KEY=VALUE with what is allowed; the README lists every key",
        )
