"""The Docker engine: asked whether it is there, started when it is not, waited for until it answers."""

import contextlib
import errno
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runbook import places
from runbook.errors import EnvironmentMissing, UsageError
from runbook.up.prerequisites import SYSTEM_PATH, on_path
from runbook.up.secrets import ensure_state_dir
from runbook.up.toolchain import last_line

API_FLOOR = (1, 41)  # Docker 20.10
ANSWER_WITHIN_S = 10
READY_WITHIN_S = 60.0
CONTAINERD_ENDS_WITHIN_S = 10.0  # it dies with its dockerd
STOPPED_WITHIN_S = 90.0  # dockerd gives its containers 15 s, then ends what is left one by one
LOOK_EVERY_S = 0.1
# What Docker's unit long had from systemd. With far more, programs that close all they might have are slow.
OPEN_FILES = 1_048_576
SYSTEMD = Path("/run/systemd/system")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class LocalEngine:
    """A dockerd of this host; the defaults are its own."""

    socket: Path = Path("/var/run/docker.sock")
    pid_file: Path = Path("/var/run/docker.pid")
    exec_root: Path = Path("/var/run/docker")
    flags: tuple[str, ...] = ()


LOCAL = LocalEngine()


class NoAnswerError(Exception):
    """Why the engine could not be asked, in plain words."""


def ensure_engine(progress: Progress, engine: LocalEngine = LOCAL) -> None:
    """Leaves an engine behind that answers on DOCKER_HOST, else on the local socket, and is new enough."""
    try:
        api_version = ask(address(engine, os.environ))
    except NoAnswerError as reason:
        hopeless = cannot_start(str(reason), os.environ, os.geteuid())
        if hopeless:
            raise EnvironmentMissing(*hopeless) from None
        api_version = start(engine, progress)
    require_api(api_version)


def restart_engine(progress: Progress, engine: LocalEngine = LOCAL) -> None:
    """What a reboot does to the containers. Refuses an engine that is not this project's to stop."""
    pid = own_pid(engine)
    if pid is None:
        raise UsageError(
            "the Docker engine was not started by this project, so it is not stopped here",
            "systemctl restart docker",
        )
    progress(f"stopping the Docker engine (process {pid})")
    os.kill(pid, signal.SIGTERM)
    if not _happens(lambda: not runs(pid, "dockerd"), STOPPED_WITHIN_S):
        raise EnvironmentMissing(
            f"dockerd (process {pid}) is still there {STOPPED_WITHIN_S:.0f} s after SIGTERM",
            f"tail -n 30 {_log()}",
        )
    start(engine, progress)


def ask(host: str) -> str:
    """The engine's API version."""
    import docker  # noqa: PLC0415 - host only: absent from the runbook image

    try:
        knock(host)
        client = docker.from_env(environment=os.environ | {"DOCKER_HOST": host}, timeout=ANSWER_WITHIN_S)
    except (docker.errors.DockerException, OSError) as trouble:
        raise NoAnswerError(plain_reason(trouble)) from None
    try:
        return str(client.version()["ApiVersion"])
    except (docker.errors.DockerException, OSError) as trouble:
        raise NoAnswerError(plain_reason(trouble)) from None
    finally:
        client.close()


def knock(host: str) -> None:
    """A closed door in the system's own words; the SDK buries them, and leaks the socket it tried."""
    if host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(ANSWER_WITHIN_S)
            door.connect(host.removeprefix("unix://"))


def address(engine: LocalEngine, environ: Mapping[str, str]) -> str:
    named = environ.get("DOCKER_HOST", "") if engine == LOCAL else ""
    return named or f"unix://{engine.socket}"


def plain_reason(trouble: BaseException) -> str:
    """The operating system's words below the layers of HTTP libraries, where there are any."""
    inner: BaseException | None = trouble
    while inner:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        inner = inner.__cause__ or inner.__context__
    return str(trouble)


def cannot_start(reason: str, environ: Mapping[str, str], user_id: int) -> tuple[str, str] | None:
    """The error and the next command where starting an engine is not for us to do; else nothing."""
    named = environ.get("DOCKER_HOST")
    if named and named not in {f"unix://{LOCAL.socket}", "unix:///run/docker.sock"}:
        return (
            f"the Docker engine at DOCKER_HOST={named} does not answer: {reason}",
            "start it, or `unset DOCKER_HOST` to use the one of this host",
        )
    if user_id != 0 and reason == os.strerror(errno.EACCES):
        return (
            f"this user may not use {LOCAL.socket}: {reason}",
            "sudo usermod --append --groups docker $USER",
        )
    if user_id != 0:
        return f"the Docker engine does not answer on {LOCAL.socket}: {reason}", "sudo systemctl start docker"
    return None


def start(engine: LocalEngine, progress: Progress) -> str:
    """The API version of the engine that answers now."""
    if engine == LOCAL and SYSTEMD.is_dir():
        progress("starting the Docker engine by systemd")
        start_by_systemd()
        return wait_until_ready(engine, pid=None, see="journalctl --unit docker --lines 30")
    pid = pid_in(engine.pid_file)
    if pid is None or not runs(pid, "dockerd"):
        progress(f"starting the Docker engine, log in {_log()}")
        pid = spawn(engine)
    return wait_until_ready(engine, pid, see=f"tail -n 30 {_log()}")


def start_by_systemd() -> None:
    done = subprocess.run(["systemctl", "start", "docker"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EnvironmentMissing(
            f"systemd could not start the Docker engine: {last_line(done.stderr)}",
            "journalctl --unit docker --lines 30",
        )


def spawn(engine: LocalEngine) -> int:
    """Starts dockerd in a session of its own, so that it outlives this program and its terminal."""
    dockerd = on_path("dockerd")
    if not dockerd:
        raise EnvironmentMissing("dockerd is not installed", "apt-get install docker.io iptables")
    forget_if_stale(engine.pid_file, "dockerd")
    forget_once_ended(engine.exec_root / "containerd" / "containerd.pid", "containerd")
    ensure_state_dir(places.state_dir())
    with as_many_files_as_may_be():
        pid = os.posix_spawn(
            dockerd,
            [dockerd, *engine.flags],
            os.environ | {"PATH": os.environ.get("PATH", os.defpath) + SYSTEM_PATH},  # it calls iptables
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(_log()), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    _pid_record().write_text(f"{pid}\n")
    return pid


@contextlib.contextmanager
def as_many_files_as_may_be() -> Iterator[None]:
    """For what starts within: OPEN_FILES, or as near as we may.

    The hard limit is never lowered: it might not be raised again. A published port is served by docker-proxy,
    which takes seven descriptors a connection and ends for good when there are no more: seen with 2,700
    connections under a shell's limit of 20,000.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (max(hard, OPEN_FILES), hard):
        with contextlib.suppress(ValueError):  # not every root may raise it
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, OPEN_FILES), most))
            break
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def wait_until_ready(engine: LocalEngine, pid: int | None, see: str) -> str:
    answers: list[str] = []
    host = address(engine, os.environ)

    def over() -> bool:
        try:
            answers.append(ask(host))
        except NoAnswerError:
            return pid is not None and not runs(pid, "dockerd")
        return True

    in_time = _happens(over, READY_WITHIN_S)
    if answers:
        return answers[0]
    if in_time:
        raise EnvironmentMissing(
            f"dockerd ended at once: {last_line(_log().read_text(errors='replace'))}", see
        )
    raise EnvironmentMissing(f"the Docker engine did not answer within {READY_WITHIN_S:.0f} s", see)


def own_pid(engine: LocalEngine) -> int | None:
    """The process that `spawn` recorded; without systemd, any dockerd of this host is a hand-started one.

    The engine's own pid file decides which process it is: a record alone may be another engine's.
    """
    pid = pid_in(engine.pid_file)
    if pid is None or not runs(pid, "dockerd"):
        return None
    return pid if pid == pid_in(_pid_record()) or not SYSTEMD.is_dir() else None


def require_api(version: str) -> None:
    if tuple(int(part) for part in version.split(".")) < API_FLOOR:
        floor = ".".join(str(part) for part in API_FLOOR)
        raise EnvironmentMissing(
            f"the Docker engine speaks API {version}, and {floor} (Docker 20.10) or newer is needed",
            "apt-get install docker.io",
        )


def pid_in(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def forget_if_stale(pid_file: Path, program: str) -> None:
    """After a reboot that kept /run the id in the file may be another program's: dockerd would give up."""
    pid = pid_in(pid_file)
    if pid is None or not runs(pid, program):
        pid_file.unlink(missing_ok=True)


def forget_once_ended(pid_file: Path, program: str) -> None:
    """A containerd that is still dying would be taken by dockerd for one to use, and waited for in vain."""
    pid = pid_in(pid_file)
    if pid is not None:
        _happens(lambda: not runs(pid, program), CONTAINERD_ENDS_WITHIN_S)
    forget_if_stale(pid_file, program)


def runs(pid: int, program: str) -> bool:
    """False for a zombie too, since not every process 1 reaps, but only once its threads have ended."""
    with contextlib.suppress(ChildProcessError):  # somebody else's child
        os.waitpid(pid, os.WNOHANG)
    process = Path(f"/proc/{pid}")
    try:
        name, _, rest = (process / "stat").read_text().partition("(")[2].rpartition(") ")
        return name == program and not (rest.startswith("Z") and len(list(process.glob("task/*"))) <= 1)
    except OSError:
        return False


def _happens(condition: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _pid_record() -> Path:
    return places.state_dir() / "dockerd.pid"


def _log() -> Path:
    return places.state_dir() / "logs" / "dockerd.log"
