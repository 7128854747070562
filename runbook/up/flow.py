"""`amas up`: the order of the steps. Each is safe to repeat; the first that fails ends the run."""

from collections.abc import Sequence
from dataclasses import dataclass

from runbook import engine as engines
from runbook.smoke.run import smoke
from runbook.stack import Stack
from runbook.terminal import Progress
from runbook.up.certificate import ensure_certificate
from runbook.up.docker_engine import ensure_engine
from runbook.up.images import ensure_images
from runbook.up.preflight import given, preflight, refuse_bad_settings
from runbook.up.prerequisites import ensure_prerequisites
from runbook.up.release import release
from runbook.up.secrets import ensure_secrets
from runbook.up.sole import free_stale_lock, sole_run
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
    if plan.prepare_only:
        prepare(progress)
        return None
    stack = Stack(plan.stack)
    with sole_run(plan.stack):
        prepare(progress)
        changed = bring_to(stack, plan.settings, progress)
        if plan.with_smoke:
            with progress.step("smoke"):
                smoke(stack, progress)
    return Standing(url=stack.url(), changed=changed)


def bring_to(stack: Stack, settings: Sequence[str], progress: Progress) -> int:
    """How many resources changed."""
    with progress.step("secrets"):
        free_stale_lock(stack, progress)
        ensure_secrets(stack, progress)
        ensure_certificate(stack, given(settings), progress)
    engine = engines.connect()
    with progress.step("preflight"):
        preflight(stack, settings, engine, progress)
    with progress.step("pulumi up"):
        return release(stack, settings, engine, progress).count


def prepare(progress: Progress) -> None:
    with progress.step("prerequisites"):
        ensure_prerequisites(progress.say)
    with progress.step("engine"):
        ensure_engine(progress.say)
    with progress.step("tools"):
        tools_bin = ensure_toolchain(progress.say)
    with progress.step("images"):
        ensure_images(progress, tools_bin)


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
