"""The tools as they are built and started here: versions, a whole Pulumi life, and a real dockerd."""

import io
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pulumi_docker
import pytest

from runbook import places
from runbook.up import docker_engine, toolchain
from runbook.up.docker_engine import LocalEngine
from runbook.up.prerequisites import on_path

DEFAULT_BRIDGE = Path("/sys/class/net/docker0")

PROGRAM = """\
import pulumi
import pulumi_docker as docker

name = pulumi.get_stack()
network = docker.Network("network", name=name)
volume = docker.Volume("volume", name=name, opts=pulumi.ResourceOptions(protect=True))
service = docker.Container(
    "service", name=f"{name}-service", image=f"amas-test/{name}", command=["/supercronic", "/crontab"],
    networks_advanced=[{"name": network.name, "aliases": ["service"]}],
    volumes=[{"volume_name": volume.name, "container_path": "/kept"}],
    memory=32, memory_swap=32, init=True, destroy_grace_seconds=1,
    read_only=True, tmpfs={"/tmp": "rw,noexec,nosuid,size=1m"}, user="10004:10004",
    capabilities={"drops": ["ALL"], "adds": ["CAP_KILL"]}, security_opts=["no-new-privileges"],
    ulimits=[{"name": "nofile", "soft": 1024, "hard": 2048}],
    healthcheck={"tests": ["CMD", "/k6", "version"], "interval": "1s", "timeout": "1m0s"}, wait=True,
)
job = docker.Container(
    "job", name=f"{name}-job", image=f"amas-test/{name}", command=["/k6", "version"],
    attach=True, logs=True, must_run=False, opts=pulumi.ResourceOptions(depends_on=[service]),
)
print("said by the program")
pulumi.export("job", job.container_logs)
"""


@dataclass(frozen=True)
class Project:
    """A throw-away project and stack with a name of its own."""

    folder: Path
    stack: str
    env: dict[str, str]

    def pulumi(self, *arguments: str, expect: int = 0) -> str:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def write(self, program: str) -> None:
        (self.folder / "__main__.py").write_text(program)


@pytest.fixture(scope="module")
def tools() -> Path:
    return toolchain.ensure_toolchain(lambda _line: None)


@pytest.fixture
def project(tools: Path, tmp_path: Path) -> Iterator[Project]:
    stack = f"amas-test-{secrets.token_hex(4)}"
    (tmp_path / "Pulumi.yaml").write_text(
        "name: throwaway\nruntime: {name: python, options: {toolchain: pip, virtualenv: .venv}}\n"
        "stackConfigDir: state/stacks\n"
    )
    (tmp_path / ".venv").symlink_to(places.ROOT / ".venv")
    (tmp_path / "passphrase").write_text("only here")
    project = Project(tmp_path, stack, environment(tools, tmp_path))
    install_provider(tmp_path)
    project.pulumi("stack", "init", stack)
    image = import_tools_as_image(f"amas-test/{stack}", tools)
    yield project
    project.pulumi("destroy", "--yes", "--skip-preview", "--stack", stack)
    client = docker.from_env()
    for volume in client.volumes.list(filters={"name": stack}):
        volume.remove()
    client.images.remove(image)
    client.close()


def environment(tools: Path, folder: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    return inherited | {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "AMAS_ROOT": str(places.ROOT),
        "PULUMI_HOME": str(folder / "state" / "pulumi"),
        "PULUMI_BACKEND_URL": f"file://{folder}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(folder / "passphrase"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DISABLE_REGISTRY_RESOLVE": "true",
        "PULUMI_OPTION_EXCLUDE_PROTECTED": "true",
    }


def install_provider(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AMAS_STATE_DIR", str(folder / "state"))
        toolchain.install_provider(toolchain.tools_folder(), lambda _line: None)


def import_tools_as_image(name: str, tools: Path) -> str:
    """An image of two tools and nothing else: they run in it only when they are static."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for tool in ("supercronic", "k6"):
            tar.add((tools / tool).resolve(), tool)
        tar.addfile(tarfile.TarInfo("crontab"))
    client = docker.from_env()
    client.api.import_image_from_data(archive.getvalue(), repository=name)
    client.close()
    return name


def test_a_stack_lives_without_drift_and_destroy_keeps_what_is_protected(project: Project) -> None:
    project.write(PROGRAM)
    shown = project.pulumi("up", "--yes", "--skip-preview")
    assert "said by the program" in shown
    assert "warning" not in shown
    project.pulumi("preview", "--expect-no-changes")
    project.pulumi("refresh", "--preview-only", "--expect-no-changes")
    project.pulumi("up", "--yes", "--skip-preview", "--refresh", "--expect-no-changes")
    assert project.pulumi("stack", "output", "job").startswith("k6 v2.")

    assert "All unprotected resources were destroyed" in project.pulumi("destroy", "--yes", "--skip-preview")
    client = docker.from_env()
    assert client.containers.list(all=True, filters={"name": project.stack}) == []
    assert [volume.name for volume in client.volumes.list(filters={"name": project.stack})] == [project.stack]
    client.close()


def test_an_error_of_the_program_is_shown_once_and_without_our_frames(project: Project) -> None:
    project.write('import pulumi\nraise pulumi.RunError("amas:replicas must be 1 to 8, is 99")\n')
    shown = project.pulumi("preview", expect=1)
    diagnostics = shown.partition("Diagnostics:")[2]
    assert diagnostics.count("amas:replicas must be 1 to 8, is 99") == 1
    assert "Traceback" not in shown

    project.write("def load():\n    return 1 / 0\nload()\n")
    shown = project.pulumi("preview", expect=1)
    assert "ZeroDivisionError: division by zero" in shown
    assert f'File "{project.folder}/__main__.py", line 2, in load' in shown
    assert "host.py" not in shown


def test_a_killed_cli_leaves_no_language_host_behind(project: Project) -> None:
    started = project.folder / "started"
    project.write(f"import os, time\nopen({str(started)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n")
    cli = subprocess.Popen(
        ["pulumi", "preview", "--non-interactive"],
        cwd=project.folder,
        env=project.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert docker_engine._happens(lambda: started.exists() and started.read_text() != "", 30)
    cli.kill()
    cli.wait()
    host = int(started.read_text())
    assert docker_engine._happens(lambda: not Path(f"/proc/{host}/fd/0").exists(), 10)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("way", ["link", "copy", "from the checkout"])
def test_the_launcher_finds_the_checkout_and_stops_quietly(
    way: str, signal_number: signal.Signals, tmp_path: Path
) -> None:
    source = toolchain.SOURCES / "language-host" / "pulumi-language-python"
    launcher = tmp_path / "pulumi-language-python"
    if way == "link":
        launcher.symlink_to(source)
    else:
        shutil.copy(source, launcher)
    env = {"PATH": os.environ["PATH"]}
    process = subprocess.Popen(
        [launcher, "127.0.0.1:1"],
        cwd=places.ROOT / "tests" if way == "from the checkout" else tmp_path,
        env=env if way == "from the checkout" else env | {"AMAS_ROOT": str(places.ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        port = process.stdout.readline()
        process.send_signal(signal_number)
        _output, errors = process.communicate(timeout=30)
    assert int(port) > 0
    assert (process.returncode, errors) == (0, "")


def test_a_launcher_without_a_checkout_says_what_to_do(tmp_path: Path) -> None:
    source = toolchain.SOURCES / "language-host" / "pulumi-language-python"
    done = subprocess.run(
        [source], cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith("next: . scripts/env\n")


def test_the_provider_knows_every_property_of_the_sdk(tools: Path, tmp_path: Path) -> None:
    """The SDK is generated from the maker's provider: ours must use the same names."""
    provider = toolchain.tools_folder() / toolchain.OUTPUTS["provider"]
    done = subprocess.run(
        [tools / "pulumi", "package", "get-schema", provider],
        env=environment(tools, tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    schema = json.loads(done.stdout)
    assert schema["version"] == toolchain.PROVIDER_VERSION.removeprefix("v")
    for token, resource in schema["resources"].items():
        kind = token.rpartition(":")[2]
        source = Path(pulumi_docker.__file__).with_name(f"{snake(kind)}.py").read_text()
        arguments = source.partition(f"class {kind}Args:")[2].partition("\n@pulumi.input_type")[0]
        named = re.findall(r'@pulumi\.getter(?:\(name="(\w+)"\))?\s+def (\w+)', arguments)
        assert {camel or plain for camel, plain in named} == set(resource["inputProperties"]), kind


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@pytest.mark.skipif(os.geteuid() != 0, reason="a second dockerd needs root")
def test_a_real_engine_is_started_restarted_and_started_again_after_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMAS_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr(docker_engine, "SYSTEMD", tmp_path / "none")
    dockerd = on_path("dockerd")
    if not dockerd:
        pytest.skip("dockerd is not installed here: the engine is elsewhere")
    monkeypatch.setenv("PATH", f"{fenced(dockerd, tmp_path)}:{os.environ['PATH']}")
    engine = second_engine(tmp_path)
    has_bridge = DEFAULT_BRIDGE.exists()
    try:
        docker_engine.ensure_engine(print, engine)
        first = running(engine)
        docker_engine.restart_engine(print, engine)
        second = running(engine)
        os.kill(second, signal.SIGKILL)
        assert docker_engine._happens(lambda: docker_engine.own_pid(engine) is None, 10)
        engine.pid_file.write_text(str(os.getpid()))  # as a reboot that keeps /run may leave it
        docker_engine.ensure_engine(print, engine)
        assert len({first, second, running(engine)}) == 3
        assert DEFAULT_BRIDGE.exists() == has_bridge
    finally:
        stop(engine)


def fenced(dockerd: str, folder: Path) -> Path:
    """A dockerd with a network and mounts of its own: one without a bridge deletes the host's docker0.

    `unshare` gets the name dockerd, for this is what the process is called until it has become the real one.
    """
    (folder / "unshare").mkdir()
    (folder / "unshare" / "dockerd").symlink_to(shutil.which("unshare") or "/usr/bin/unshare")
    (folder / "bin").mkdir()
    script = folder / "bin" / "dockerd"
    script.write_text(f'#!/bin/sh\nexec {folder}/unshare/dockerd --net --mount {dockerd} "$@"\n')
    script.chmod(0o755)
    return script.parent


def second_engine(folder: Path) -> LocalEngine:
    engine = LocalEngine(folder / "docker.sock", folder / "docker.pid", folder / "exec")
    flags = {
        "--host": f"unix://{engine.socket}",
        "--pidfile": str(engine.pid_file),
        "--exec-root": str(engine.exec_root),
        "--data-root": str(folder / "data"),
        "--bridge": "none",
        "--iptables": "false",
        "--ip6tables": "false",
    }
    return LocalEngine(
        engine.socket,
        engine.pid_file,
        engine.exec_root,
        tuple(f"{name}={value}" for name, value in flags.items()),
    )


def running(engine: LocalEngine) -> int:
    pid = docker_engine.own_pid(engine)
    assert pid
    return pid


def stop(engine: LocalEngine) -> None:
    pid = docker_engine.own_pid(engine)
    if pid:
        os.kill(pid, signal.SIGTERM)
        docker_engine._happens(lambda: not docker_engine.runs(pid, "dockerd"), 30)
