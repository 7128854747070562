"""Each part of the host judged by what was seen of it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from runbook.terminal import size

LEAST_FREE_PERCENT = 10.0
LEAST_FREE_BYTES = 5_000_000_000
LEAST_MEMORY_BYTES = 1_000_000_000
# Files of the state may be so much younger than the clock says: some file systems round.
APART_S = 2.0
BEGIN_WITH = "./scripts/up"


@dataclass(frozen=True)
class Finding:
    """One line; state is ok, failed or unknown, and what is not ok has the command to try next."""

    name: str
    state: str
    detail: str
    next_command: str = ""


def programs(missing: Sequence[str]) -> Finding:
    if missing:
        return Finding("programs", "failed", f"missing: {', '.join(missing)}", f"as root: {BEGIN_WITH}")
    return Finding("programs", "ok", "all of the system's programs are there")


def tools(absent: Sequence[str], folder: str) -> Finding:
    if absent:
        return Finding("tools", "failed", f"not built: {', '.join(absent)}", "./scripts/up")
    return Finding("tools", "ok", folder)


def disk(root: str, free_bytes: int, total_bytes: int) -> Finding:
    percent = 100 * free_bytes / total_bytes
    told = f"{size(free_bytes)} free ({percent:.0f} %) under {root}"
    if percent < LEAST_FREE_PERCENT or free_bytes < LEAST_FREE_BYTES:
        return Finding("disk", "failed", told, "docker system df; docker image prune")
    return Finding("disk", "ok", told)


def memory(available_bytes: int, total_bytes: int) -> Finding:
    told = f"{size(available_bytes)} available of {size(total_bytes)}"
    if available_bytes < LEAST_MEMORY_BYTES:
        return Finding("memory", "failed", told, "amas status; docker stats --no-stream")
    return Finding("memory", "ok", told)


def clock(now: datetime, newest: datetime | None, synchronised: bool | None) -> Finding:
    """Ids carry their time, and rules and backups go by it."""
    if newest is not None and (newest - now).total_seconds() > APART_S:
        told = f"it says {now:%Y-%m-%d %H:%M:%S} UTC, but state was written at {newest:%Y-%m-%d %H:%M:%S} UTC"
        return Finding(
            "clock", "failed", told, "set the clock, and keep it by NTP (chrony, systemd-timesyncd)"
        )
    if synchronised is None:
        return Finding(
            "clock", "unknown", "the kernel does not tell whether it is kept by NTP", "timedatectl"
        )
    if not synchronised:
        return Finding("clock", "unknown", "the kernel says that nothing keeps it by NTP", "timedatectl")
    return Finding("clock", "ok", "kept by NTP")


def state_folder(folder: str, modes: Mapping[str, int]) -> Finding:
    """`modes` by path, of the folder and of what only its owner may read; empty before the first `up`."""
    if not modes:
        return Finding("state folder", "failed", f"{folder} is not there: no stack was made yet", BEGIN_WITH)
    open_to_others = [path for path, mode in modes.items() if mode & 0o077]
    if open_to_others:
        told = f"others may read {', '.join(open_to_others)}"
        return Finding("state folder", "failed", told, f"chmod -R go= {' '.join(open_to_others)}")
    return Finding("state folder", "ok", f"{folder} is its owner's alone")


def images(lacking: Sequence[str], missing: Sequence[str], known: int) -> Finding:
    """`lacking`: names the lock has no image for; `missing`: images of the lock that the engine lost."""
    if lacking:
        told = f"the lock has none for {', '.join(lacking)}"
        return Finding("images", "failed", told, f"{BEGIN_WITH} --prepare-only")
    if missing:
        told = f"the engine has lost {', '.join(missing)}"
        return Finding("images", "failed", told, f"{BEGIN_WITH} --prepare-only")
    return Finding("images", "ok", f"{known} of {known} as locked")


def ports(published: str, silent: Sequence[tuple[str, str]]) -> Finding:
    """`silent`: containers that run, and an address of this host at which each should be reached and is not.

    docker-proxy answers there, and ends for good when it may open no more files.
    """
    if silent:
        told = ", ".join(f"{name} runs, but nobody listens at {address} for it" for name, address in silent)
        return Finding("ports", "failed", told, f"docker restart {silent[0][0]}")
    return Finding("ports", "ok", f"{published}: free or ours")


def containers(ill: Sequence[str], count: int) -> Finding:
    if not count:
        return Finding("stack", "unknown", "it does not run", BEGIN_WITH)
    if ill:
        return Finding("stack", "failed", f"not healthy: {', '.join(ill)}", "amas status")
    return Finding("stack", "ok", f"{count} containers, all healthy")


def pulumi_lock(holders: Sequence[str], stack: str) -> Finding:
    """`holders`: processes that have locked the stack and do not live any more on this host."""
    if holders:
        told = f"a killed run holds the stack: {', '.join(holders)}"
        return Finding("pulumi lock", "failed", told, f"{BEGIN_WITH} (frees it), or: pulumi cancel {stack}")
    return Finding("pulumi lock", "ok", "no killed run holds the stack")
