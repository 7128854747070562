"""`amas up`: the order of the steps. Each is safe to repeat; the first that fails ends the run."""

from collections.abc import Sequence
from dataclasses import dataclass

from runbook import engine as engines
from runbook.errors import UsageError
from runbook.smoke.run import smoke
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.up.docker_engine import ensure_engine
from runbook.up.images import ensure_images
from runbook.up.prerequisites import ensure_prerequisites
from runbook.up.release import release
from runbook.up.secrets import GENERATED, ensure_secrets
from runbook.up.toolchain import ensure_toolchain


@dataclass(frozen=True)
class Plan:
    """What the operator asked for."""

    stack: str
    settings: tuple[str, ...] = ()
    with_smoke: bool = True
    prepare_only: bool = False


@dataclass(frozen=True)
class Standing:
    """What stands when the flow has ended."""

    url: str
    changed: int


def bring_up(plan: Plan, progress: Progress) -> Standing | None:
    """None when only the preparation was asked for."""
    refuse_bad_settings(plan.settings)
    prepare(progress)
    if plan.prepare_only:
        return None
    stack = Stack(plan.stack)
    with progress.step("secrets"):
        ensure_secrets(stack, progress)
    with progress.step("pulumi up"):
        report = release(stack, plan.settings, engines.connect(), progress)
    if plan.with_smoke:
        with progress.step("smoke"):
            smoke(stack, progress)
    return Standing(url=stack.url(), changed=report.count)


def prepare(progress: Progress) -> None:
    with progress.step("prerequisites"):
        ensure_prerequisites(progress.say)
    with progress.step("engine"):
        ensure_engine(progress.say)
    with progress.step("tools"):
        tools_bin = ensure_toolchain(progress.say)
    with progress.step("images"):
        ensure_images(progress, tools_bin)


def refuse_bad_settings(settings: Sequence[str]) -> None:
    for setting in settings:
        key, separator, _ = setting.partition("=")
        if not separator or not key:
            raise UsageError(f"--config {setting!r}: write it as key=value, for example replicas=3")
        if key.removeprefix("amas:") in GENERATED:
            raise UsageError(
                f"--config {key}=…: a secret is never given on the command line",
                f"pulumi config set --secret {key}",
            )


def next_lines(standing: Standing, stack: str) -> list[str]:
    """The closing words of `amas up`."""
    return [
        "",
        f"url    {standing.url}",
        f"keys   encrypted in the configuration of stack `{stack}`; show one: amas keys show ingest",
        "next   . scripts/env     pulumi, amas and DATABASE_URL in this shell",
        "       amas status       every part and its health",
        "       amas logs api     what the replicas say",
    ]
