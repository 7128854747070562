"""Starting, waiting for and restarting an engine, on a stand-in for dockerd that answers like one."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook.errors import EnvironmentMissing, UsageError
from runbook.up import docker_engine
from runbook.up.docker_engine import LocalEngine, NoAnswerError

STAND_IN = '''#!{python} -IS
"""Answers every request as the engine answers /version, once its socket stands."""
import os, socketserver, sys
socket, pid_file, api = sys.argv[1:]
class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip(): pass
        body = ('{{"ApiVersion": "%s"}}' % api).encode()
        self.wfile.write(b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
print("stand-in starts", flush=True)
open(pid_file, "w").write(str(os.getpid()))
if os.path.exists(socket): os.unlink(socket)
socketserver.UnixStreamServer(socket, Answer).serve_forever()
'''


@pytest.fixture
def engine(tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEngine]:
    """An engine whose dockerd is the stand-in, and a host without systemd."""
    install_dockerd(tmp_path / "bin", STAND_IN.format(python=sys.executable))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(docker_engine, "SYSTEMD", tmp_path / "no-systemd")
    monkeypatch.setattr(docker_engine, "LOOK_EVERY_S", 0.01)
    engine = LocalEngine(
        tmp_path / "socket",
        tmp_path / "pid",
        tmp_path,
        (str(tmp_path / "socket"), str(tmp_path / "pid"), "1.41"),
    )
    yield engine
    for record in (engine.pid_file, state_dir / "dockerd.pid"):
        end_stand_in(docker_engine.pid_in(record))


def end_stand_in(pid: int | None) -> None:
    """Only ever a process that this one started: the host's real engine runs beside.

    Its command is no mark of it: that is empty for a moment after it was started.
    """
    with contextlib.suppress(ChildProcessError):
        if pid and os.waitpid(pid, os.WNOHANG) == (0, 0):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def quiet(_line: str) -> None:
    pass


def test_an_engine_that_is_down_is_started_once_and_found_the_second_time(
    engine: LocalEngine, state_dir: Path
) -> None:
    said: list[str] = []
    docker_engine.ensure_engine(said.append, engine)
    docker_engine.ensure_engine(said.append, engine)
    assert said == [f"starting the Docker engine, log in {state_dir}/logs/dockerd.log"]
    assert (state_dir / "logs" / "dockerd.log").read_text().startswith("stand-in starts\n")


def test_it_outlives_the_terminal_it_was_started_from(engine: LocalEngine) -> None:
    docker_engine.ensure_engine(quiet, engine)
    pid = docker_engine.own_pid(engine)
    assert pid
    assert os.getsid(pid) == pid


def test_a_restart_stops_it_and_starts_another(engine: LocalEngine) -> None:
    docker_engine.ensure_engine(quiet, engine)
    before = docker_engine.own_pid(engine)
    docker_engine.restart_engine(quiet, engine)
    after = docker_engine.own_pid(engine)
    assert before
    assert after
    assert before != after
    assert not docker_engine.runs(before, "dockerd")


def test_an_engine_this_project_did_not_start_is_not_stopped(engine: LocalEngine) -> None:
    with pytest.raises(UsageError, match="was not started by this project"):
        docker_engine.restart_engine(quiet, engine)


def test_with_systemd_only_a_recorded_engine_is_ours(
    engine: LocalEngine, tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_engine.ensure_engine(quiet, engine)
    (state_dir / "dockerd.pid").unlink()
    assert docker_engine.own_pid(engine), "no systemd: a dockerd here was started by hand"
    monkeypatch.setattr(docker_engine, "SYSTEMD", tmp_path)
    assert docker_engine.own_pid(engine) is None


def test_a_record_of_another_engine_is_never_taken_for_this_one(engine: LocalEngine, state_dir: Path) -> None:
    docker_engine.ensure_engine(quiet, engine)
    other = LocalEngine(engine.socket, engine.pid_file.with_name("other"))
    assert docker_engine.pid_in(state_dir / "dockerd.pid")
    assert docker_engine.own_pid(other) is None
    with pytest.raises(UsageError):
        docker_engine.restart_engine(quiet, other)


def test_an_engine_that_ends_at_once_is_told_with_its_last_words(engine: LocalEngine, tmp_path: Path) -> None:
    install_dockerd(tmp_path / "bin", "#!/bin/sh\necho failed to start daemon: no iptables >&2\nexit 1\n")
    with pytest.raises(EnvironmentMissing, match="failed to start daemon: no iptables") as raised:
        docker_engine.ensure_engine(quiet, engine)
    assert str(raised.value.next_command).startswith("tail -n 30 ")


def test_an_engine_that_never_answers_is_given_up(
    engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_dockerd(tmp_path / "bin", f"#!{sys.executable} -IS\nimport signal\nsignal.pause()\n")
    monkeypatch.setattr(docker_engine, "READY_WITHIN_S", 0.1)
    with pytest.raises(EnvironmentMissing, match="did not answer within"):
        docker_engine.ensure_engine(quiet, engine)


def test_an_engine_that_is_still_starting_is_waited_for_not_started_twice(engine: LocalEngine) -> None:
    pid = docker_engine.spawn(engine)
    docker_engine.wait_until_ready(engine, pid, see="")
    engine.socket.rename(engine.socket.with_name("away"))
    with pytest.raises(NoAnswerError):
        docker_engine.ask(docker_engine.address(engine, {}))
    engine.socket.with_name("away").rename(engine.socket)
    said: list[str] = []
    docker_engine.start(engine, said.append)
    assert said == []


def test_a_process_id_that_another_program_has_now_is_forgotten(tmp_path: Path) -> None:
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(str(os.getpid()))
    docker_engine.forget_if_stale(pid_file, "dockerd")
    assert not pid_file.exists()
    docker_engine.forget_if_stale(pid_file, "dockerd")


def test_an_engine_starts_only_once_the_containerd_of_the_last_one_has_ended(
    engine: LocalEngine, tmp_path: Path
) -> None:
    containerd = tmp_path / "containerd" / "containerd"
    containerd.parent.mkdir()
    containerd.write_text("#!/bin/sh\nread -r _\n")
    containerd.chmod(0o755)
    with subprocess.Popen([containerd], stdin=subprocess.PIPE) as dying:
        pid_file = containerd.with_suffix(".pid")
        pid_file.write_text(str(dying.pid))
        threading.Timer(0.2, dying.kill).start()
        docker_engine.spawn(engine)
        assert not pid_file.exists()


def test_an_engine_may_open_more_files_than_the_shell_that_starts_it(engine: LocalEngine) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        pid = docker_engine.spawn(engine)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    assert min(resource.prlimit(pid, resource.RLIMIT_NOFILE)) >= min(hard, docker_engine.OPEN_FILES)


def test_a_hard_limit_of_open_files_beyond_ours_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(docker_engine, "OPEN_FILES", before[1] // 2)
    with docker_engine.as_many_files_as_may_be():
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1] // 2, before[1])
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


def test_an_ended_process_does_not_run_even_while_nobody_reaps_it() -> None:
    parent = subprocess.Popen(["/bin/sh", "-c", "sh -c 'echo $$' & exec sleep 60"], stdout=subprocess.PIPE)
    assert parent.stdout
    zombie = int(parent.stdout.readline())
    while "Z" not in Path(f"/proc/{zombie}/stat").read_text().rpartition(")")[2]:
        time.sleep(0.01)
    assert docker_engine.runs(parent.pid, "sleep")
    assert not docker_engine.runs(zombie, "sh")
    parent.kill()
    parent.communicate()


@pytest.mark.parametrize("api", ["1.41", "1.50", "2.0"])
def test_an_engine_of_the_floor_or_newer_will_do(api: str) -> None:
    docker_engine.require_api(api)


@pytest.mark.parametrize("api", ["1.40", "1.9"])
def test_an_older_engine_is_refused_with_both_versions(api: str) -> None:
    with pytest.raises(EnvironmentMissing, match=rf"speaks API {api}, and 1\.41"):
        docker_engine.require_api(api)


def test_an_engine_named_by_docker_host_is_not_replaced_by_a_local_one() -> None:
    reason, _command = docker_engine.cannot_start("refused", {"DOCKER_HOST": "tcp://engine.test:1"}, 0) or (
        "",
        "",
    )
    assert reason == "the Docker engine at DOCKER_HOST=tcp://engine.test:1 does not answer: refused"


def test_docker_host_with_the_local_socket_is_the_local_engine() -> None:
    assert docker_engine.cannot_start("gone", {"DOCKER_HOST": "unix:///var/run/docker.sock"}, 0) is None


@pytest.mark.parametrize(
    ("reason", "command"),
    [("Permission denied", "sudo usermod"), ("No such file or directory", "sudo systemctl start docker")],
)
def test_an_ordinary_user_is_told_what_to_ask_root_for(reason: str, command: str) -> None:
    assert (docker_engine.cannot_start(reason, {}, 1000) or ("", ""))[1].startswith(command)


def test_docker_host_is_honoured() -> None:
    environ = {"DOCKER_HOST": "tcp://engine.test:1"}
    assert docker_engine.address(docker_engine.LOCAL, environ) == "tcp://engine.test:1"
    assert docker_engine.address(docker_engine.LOCAL, {}) == "unix:///var/run/docker.sock"


def test_a_closed_door_is_told_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(NoAnswerError, match=r"^No such file or directory$"):
        docker_engine.ask(f"unix://{tmp_path}/none")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(NoAnswerError, match=r"^Connection refused$"):
            docker_engine.ask(f"tcp://127.0.0.1:{unused.getsockname()[1]}")


def test_the_words_of_other_troubles_are_kept() -> None:
    assert docker_engine.plain_reason(ValueError("no paramiko")) == "no paramiko"


def install_dockerd(folder: Path, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "dockerd").write_text(script)
    (folder / "dockerd").chmod(0o755)
