"""Runs the program against recorded mocks: no CLI, no provider, no engine."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pulumi
import pytest
from pulumi.runtime import mocks as pulumi_mocks

from infra import images, program
from infra.keys import OFFSITE_SECRETS, RECEIVERS, REQUIRED_SECRETS

SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"
CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"
GIVEN = (*REQUIRED_SECRETS, *RECEIVERS, *OFFSITE_SECRETS)
CANARIES = {name: f"canary-{name}-7f3a" for name, _ in GIVEN}


@dataclass
class Recorded:
    """What the program asked for, by type and logical name."""

    resources: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of_type(self, typ: str) -> dict[str, dict[str, Any]]:
        return {name: inputs for found, name, inputs in self.resources if found == typ}

    @property
    def containers(self) -> dict[str, dict[str, Any]]:
        return self.of_type(CONTAINER)


class Mocks(pulumi_mocks.Mocks):
    def __init__(self, recorded: Recorded, exit_codes: dict[str, int]) -> None:
        self.recorded = recorded
        self.exit_codes = exit_codes

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        self.recorded.resources.append((args.typ, args.name, args.inputs))
        state = {"name": args.name, **args.inputs}
        if args.typ == CONTAINER:
            state |= {"exitCode": self.exit_codes.get(args.name, 0), "containerLogs": "the job's last words"}
        return f"id-{args.name}", state

    def call(self, args: pulumi_mocks.MockCallArgs) -> tuple[dict[Any, Any], None]:  # noqa: ARG002
        return {}, None


Run = Callable[..., Recorded]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Run the whole program: `run(replicas="3")` sets configuration, `exit_codes` makes a job fail."""
    with _prepared(tmp_path):
        yield _run


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """What it asks for when nothing but its secrets is configured; made once, so only to be looked at."""
    with _prepared(tmp_path_factory.mktemp("state")):
        return _run()


@contextmanager
def _prepared(state_dir: Path) -> Iterator[None]:
    lock = {
        name: {"id": "sha256:" + f"{i:064x}", "tag": f"amas/{name}:1"} for i, name in enumerate(images.NAMES)
    }
    (state_dir / "images.json").write_text(json.dumps(lock))
    # The SDK opens a loop in every thread of its mock monitor and closes none of them.
    loops: list[asyncio.AbstractEventLoop] = []
    fresh = asyncio.new_event_loop

    def recorded_loop() -> asyncio.AbstractEventLoop:
        loops.append(fresh())
        return loops[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMAS_STATE_DIR", str(state_dir))
        patch.setattr(asyncio, "new_event_loop", recorded_loop)
        asyncio.set_event_loop(asyncio.new_event_loop())
        yield
        for loop in loops:
            _end(loop)
    asyncio.set_event_loop(None)
    pulumi.runtime.set_all_config({})


def _run(
    *,
    exit_codes: dict[str, int] | None = None,
    secrets: dict[str, str] = CANARIES,
    into: Recorded | None = None,
    **config: str,
) -> Recorded:
    recorded = into or Recorded()
    pulumi.runtime.set_mocks(Mocks(recorded, exit_codes or {}), project="amas", stack="test")
    values = {f"amas:{name}": value for name, value in config.items()}
    hidden = {f"amas:{name}": value for name, value in secrets.items()}
    pulumi.runtime.set_all_config({**values, **hidden}, secret_keys=list(hidden))
    cast("Any", pulumi.runtime.test)(program.main)()
    return recorded


def _end(loop: asyncio.AbstractEventLoop) -> None:
    """What a failed program left undone would complain of never having been awaited."""
    undone = asyncio.all_tasks(loop)
    for task in undone:
        task.cancel()
    if undone and not loop.is_closed():
        loop.run_until_complete(asyncio.gather(*undone, return_exceptions=True))
    loop.close()


def snake(inputs: Any) -> Any:
    """Recorded camelCase names as the policy knows them, secrets unwrapped."""
    if isinstance(inputs, dict):
        if SECRET_SIGNATURE in inputs:
            return snake(inputs["value"])
        return {
            re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower(): snake(value) for name, value in inputs.items()
        }
    return [snake(one) for one in inputs] if isinstance(inputs, list) else inputs
