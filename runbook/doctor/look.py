"""Looks at the host and the checkout; each part by itself, so that one that fails hides no other."""

import ctypes
import os
import shutil
import socket
import stat
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from runbook import places
from runbook.doctor import judge
from runbook.doctor.judge import Finding
from runbook.engine import Container, Engine, connect
from runbook.errors import AmasError
from runbook.stack import Stack
from runbook.status import PartRow, describe, image_tags
from runbook.up import preflight, prerequisites, sole, toolchain
from runbook.up.ports import listens

# The kernel's word for a clock that nothing keeps, by ntp_adjtime(3).
TIME_ERROR = 5
TIMEX_BYTES = 512
PRIVATE = ("passphrase", "backend", "stacks", "pulumi")


def look(stack: str, now: datetime) -> list[Finding]:
    found = [
        asked("programs", lambda: judge.programs(_missing_programs())),
        asked("tools", _tools),
        asked("state folder", _state_folder),
        asked("clock", lambda: judge.clock(now, _newest(), synchronised())),
        asked("memory", lambda: judge.memory(*memory(Path("/proc/meminfo").read_text()))),
    ]
    try:
        engine = connect()
    except AmasError as reason:
        return [*found, Finding("engine", "failed", reason.message, reason.next_command or "")]
    return [
        *found,
        Finding("engine", "ok", "it answers"),
        asked("disk", lambda: _disk(engine)),
        asked("images", lambda: _images(engine)),
        asked("pulumi lock", lambda: _pulumi_lock(stack)),
        *_of_stack(engine, stack, now),
    ]


def asked(name: str, question: Callable[[], Finding]) -> Finding:
    """A question that fails is an answer: its reason, and the command it names."""
    try:
        return question()
    except AmasError as reason:
        return Finding(name, "failed", reason.message, reason.next_command or "")
    except (OSError, ValueError) as reason:
        return Finding(name, "unknown", f"could not be looked at: {reason}", "amas support-bundle")


def _missing_programs() -> list[str]:
    needs = prerequisites.needed_here()
    return prerequisites.missing(prerequisites.on_path, prerequisites.read_os_release(), needs)


def _tools() -> Finding:
    folder = toolchain.tools_folder()
    return judge.tools(toolchain.absent_tools(folder), str(folder))


def _state_folder() -> Finding:
    folder = places.state_dir()
    paths = [folder, *(folder / name for name in PRIVATE)] if folder.exists() else []
    modes = {str(one): stat.S_IMODE(one.stat().st_mode) for one in paths if one.exists()}
    return judge.state_folder(str(folder), modes)


def _newest() -> datetime | None:
    """When state was written last."""
    written = [one.stat().st_mtime for one in places.state_dir().glob("*") if one.is_file()]
    return datetime.fromtimestamp(max(written), UTC) if written else None


def synchronised() -> bool | None:
    """None where the C library cannot be asked."""
    try:
        answer: int = ctypes.CDLL(None).ntp_adjtime(ctypes.create_string_buffer(TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if answer < 0 else answer != TIME_ERROR


def memory(meminfo: str) -> tuple[int, int]:
    """Available and all of it, in bytes."""
    lines = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    available, total = (1024 * int(lines[name].split()[0]) for name in ("MemAvailable", "MemTotal"))
    return available, total


def _disk(engine: Engine) -> Finding:
    root = engine.disk_root()
    if not Path(root).is_dir():
        return Finding("disk", "unknown", f"{root} is on the engine's host, not on this one", f"df -h {root}")
    usage = shutil.disk_usage(root)
    return judge.disk(root, usage.free, usage.total)


def _images(engine: Engine) -> Finding:
    from infra.images import NAMES  # noqa: PLC0415 - host only: absent from the runbook image

    locked = {name: image_id for image_id, name in image_names(places.image_lock()).items()}
    missing = engine.missing_images(list(locked.values()))
    lost = [name for name, image_id in locked.items() if image_id in missing]
    return judge.images([name for name in NAMES if name not in locked], lost, len(locked))


def image_names(lock: Path) -> dict[str, str]:
    """Image id to name; a tag is amas/NAME:VERSION."""
    return {image: tag.removeprefix("amas/").partition(":")[0] for image, tag in image_tags(lock).items()}


def _pulumi_lock(stack: str) -> Finding:
    locks = sole.pulumi_locks(places.state_dir() / "backend", stack)
    dead = [one for one in locks if one.host == socket.gethostname() and not sole.runs_pulumi(one.pid)]
    return judge.pulumi_lock([f"process {one.pid} since {one.since}" for one in dead], stack)


def _of_stack(engine: Engine, stack: str, now: datetime) -> list[Finding]:
    """Its configuration as the program will see it, its ports, its containers."""
    held = engine.containers(stack)
    try:
        settings = {key: one.value for key, one in Stack(stack).config().items()}
        values = preflight.refuse_bad_configuration(settings)
    except AmasError as reason:
        return [Finding("configuration", "failed", reason.message, reason.next_command or "")]
    status = describe(stack, held, {}, {}, now)
    return [
        Finding("configuration", "ok", f"{len(settings)} settings of stack {stack}"),
        asked("ports", lambda: _ports(values, engine, stack)),
        judge.containers([_name(one) for one in status.ill], len(held)),
    ]


def _ports(values: preflight.Values, engine: Engine, stack: str) -> Finding:
    if not preflight.on_this_host(os.environ.get("DOCKER_HOST", "")):
        return Finding("ports", "unknown", "the engine is on another host", "look there: ss -ltn")
    held = engine.containers(stack)
    preflight.refuse_taken_ports(values, held)
    from infra.config import published  # noqa: PLC0415 - host only: absent from the runbook image

    told = ", ".join(f"{key} {values[key]}" for key in published(values))
    return judge.ports(told, silent(held))


def silent(held: Sequence[Container]) -> list[tuple[str, str]]:
    """Containers that run, with an address that they publish and that nobody listens at."""
    published = [(one.name, address) for one in held if one.state == "running" for address in one.ports]
    return [(name, address) for name, address in published if not listens(*_ip_and_port(address))]


def _ip_and_port(address: str) -> tuple[str, int]:
    ip, _, port = address.rpartition(":")
    return ip, int(port)


def _name(row: PartRow) -> str:
    return f"{row.name} ({row.state})"
