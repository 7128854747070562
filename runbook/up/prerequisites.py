"""The programs of the operating system that the other steps call: looked for, and installed where apt can."""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from runbook import places
from runbook.errors import EnvironmentMissing
from runbook.up.secrets import ensure_state_dir
from runbook.up.toolchain import must_build_with_go

Which = Callable[[str], str | None]

DOCKER_SOCKET = Path("/run/docker.sock")
APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
SYSTEM_PATH = ":/usr/local/sbin:/usr/sbin:/sbin"  # an ordinary user's PATH lacks these on Debian
PACKAGE_OF = {
    "curl": "curl",
    "debootstrap": "debootstrap",  # the base image's root file system
    "gpgv": "gpgv",  # what debootstrap checks Debian's signature with
    "flock": "util-linux",  # tools/build
    "git": "git",
    "jq": "jq",
    "psql": "postgresql-client",
    "redis-cli": "redis-tools",
    "update-ca-certificates": "ca-certificates",
}
PACKAGE_OF_NEED = {
    "engine": {"dockerd": "docker.io", "iptables": "iptables"},
    "apparmor": {"apparmor_parser": "apparmor"},  # where the kernel enforces it, no container starts without
    "go": {"go": "golang-go"},  # of any age: tools/with-go fetches the compiler the tools want
}


def ensure_prerequisites(progress: Callable[[str], None]) -> None:
    os_release = read_os_release()
    packages = missing(on_path, os_release, needed_here())
    if not packages:
        return
    if not (is_debian_like(os_release) and os.geteuid() == 0):
        raise EnvironmentMissing(*advice(packages, os_release))
    progress(f"installing by apt: {' '.join(packages)}")
    install(packages)


def missing(which: Which, os_release: Mapping[str, str], needs: Collection[str]) -> list[str]:
    """Packages, by their Debian names, whose commands are not there; `needs` are keys of PACKAGE_OF_NEED."""
    wanted = PACKAGE_OF | {"docker": client_package(os_release)}
    for need in needs:
        wanted |= PACKAGE_OF_NEED[need]
    return sorted({package for command, package in wanted.items() if which(command) is None})


def client_package(os_release: Mapping[str, str]) -> str:
    """Debian 13 moved the docker command out of docker.io; Ubuntu has not."""
    version = os_release.get("VERSION_ID", "")
    if family(os_release) == {"debian"} and not (version.isdigit() and int(version) < 13):
        return "docker-cli"
    return "docker.io"


def family(os_release: Mapping[str, str]) -> set[str]:
    return {os_release.get("ID", ""), *os_release.get("ID_LIKE", "").split()}


def is_debian_like(os_release: Mapping[str, str]) -> bool:
    return not family(os_release).isdisjoint({"debian", "ubuntu"})


def advice(packages: Sequence[str], os_release: Mapping[str, str]) -> tuple[str, str]:
    """The reason and the next command for a host where this cannot install by itself."""
    if is_debian_like(os_release):
        return (
            f"these packages are missing, and installing them needs root: {', '.join(packages)}",
            f"sudo apt-get install --yes {' '.join(packages)}",
        )
    name = os_release.get("PRETTY_NAME") or os_release.get("ID") or "this system"
    reason = (
        f"these packages (by their Debian names) are missing: {', '.join(packages)};"
        f" this installs them on Debian and Ubuntu only, and here is {name}"
    )
    return reason, "install them with the system's package manager, then ./scripts/up"


def install(packages: Sequence[str]) -> None:
    ensure_state_dir(places.state_dir())
    log = places.state_dir() / "logs" / "apt.log"
    with log.open("w") as output:
        apt_get(["update"], output.fileno(), log)
        apt_get(["install", "--yes", "--no-install-recommends", *packages], output.fileno(), log)


def apt_get(arguments: Sequence[str], output: int, log: Path) -> None:
    done = subprocess.run(
        ["apt-get", "-o", "DPkg::Lock::Timeout=120", *arguments],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        complaints = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("E: ")]
        reason = complaints[-1] if complaints else f"exit code {done.returncode}"
        raise EnvironmentMissing(f"apt-get {arguments[0]} failed: {reason}; log in {log}", "./scripts/up")


def on_path(command: str) -> str | None:
    return shutil.which(command, path=os.environ.get("PATH", os.defpath) + SYSTEM_PATH)


def needed_here() -> list[str]:
    """An engine of Docker's own packages, of another host or a rootless one leaves nothing to install."""
    has_engine = "DOCKER_HOST" in os.environ or DOCKER_SOCKET.exists()
    needs = {
        "engine": not has_engine,
        "apparmor": not has_engine and APPARMOR.exists() and APPARMOR.read_text().startswith("Y"),
        "go": must_build_with_go(),
    }
    return [need for need, is_needed in needs.items() if is_needed]


def read_os_release() -> Mapping[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {"ID": platform.system().lower()}
