"""One standing stack for all faults, in a state folder of its own; a host prepared once, real engine."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import ImageNotFound

from tests.e2e.conftest import ROOT, Completed, free_ports
from tests.faults.receiver import Receiver, receiving

HERE = Path(__file__).parent
QUICK = ("metricsCollectionInterval=2000", "alertEvaluationInterval=1000")


@dataclass
class Stack:
    """A stack whose `up` takes tools and images as they stand."""

    name: str
    state_dir: Path
    http_port: int
    prometheus_port: int
    secure_port: int | None = None  # once it speaks TLS

    @property
    def url(self) -> str:
        if self.secure_port:
            return f"https://localhost:{self.secure_port}"
        return f"http://127.0.0.1:{self.http_port}"

    def up(self, *words: str, **environment: str) -> Completed:
        ports = ("httpPort", self.http_port), ("prometheusPort", self.prometheus_port)
        config = [word for key, port in ports for word in ("--config", f"{key}={port}")]
        return self.amas("up", "--skip-smoke", *config, *words, **environment)

    def start_up(self, **environment: str) -> subprocess.Popen[str]:
        """`up` in a process group of its own, to be killed as a whole."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.faults.prepared_up", "up", "--skip-smoke"],
            cwd=ROOT,
            env=self.variables(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def amas(self, *words: str, **environment: str) -> Completed:
        return subprocess.run(
            [sys.executable, "-m", "tests.faults.prepared_up", *words],
            cwd=ROOT,
            env=self.variables(environment),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def pulumi(self, *words: str) -> Completed:
        """As typed after `. scripts/env`."""
        return subprocess.run(
            ["bash", "-c", f'. {ROOT}/scripts/env; exec pulumi "$@" --non-interactive', "pulumi", *words],
            cwd=ROOT,
            env=self.variables({}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def variables(self, more: dict[str, str]) -> dict[str, str]:
        ours = {"AMAS_STACK": self.name, "AMAS_STATE_DIR": str(self.state_dir), "NO_COLOR": "1"}
        return {**os.environ, **ours, "COLUMNS": "200", **more}

    def containers(self, part: str | None = None) -> dict[str, str]:
        """Id to name, jobs and stopped ones included."""
        labels = [f"amas.stack={self.name}", *([f"amas.part={part}"] if part else [])]
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        listed = output("docker", "ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}", *filters)
        return dict(line.split() for line in listed.splitlines())

    def volumes(self) -> set[str]:
        listed = output("docker", "volume", "ls", "-q", "--filter", f"label=amas.stack={self.name}")
        return set(listed.split())

    def release_image(self, image: str | None) -> None:
        """What the next `up` releases as the service; nothing puts the good one back."""
        lock = self.state_dir / "images.json"
        good = self.state_dir / "good.json"
        if not good.exists():
            good.write_bytes(lock.read_bytes())
        content: dict[str, Any] = json.loads(good.read_text())
        if image:
            content["service"]["id"] = image
        lock.write_text(json.dumps(content))

    def failed_logs(self) -> list[Path]:
        return sorted(self.state_dir.glob("logs/failed-*/*.log"))

    def purge(self) -> None:
        self.amas("down", "--purge", self.name)


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provider and image lock in place, as after `amas up --prepare-only`."""
    folder = tmp_path_factory.mktemp("faults") / "state"
    subprocess.run(
        [sys.executable, "-m", "runbook.cli", "up", "--prepare-only"],
        cwd=ROOT,
        env={**os.environ, "AMAS_STATE_DIR": str(folder)},
        check=True,
        capture_output=True,
        timeout=1200,
    )
    return folder


def unborn(state_dir: Path) -> Stack:
    return Stack(f"flt-{secrets.token_hex(3)}", state_dir, *free_ports(2))


@pytest.fixture(scope="module")
def new_stack(state_dir: Path) -> Iterator[Callable[[], Stack]]:
    """Make stacks not yet up; all are purged with their module, as the next one would feel them."""
    made: list[Stack] = []

    def make() -> Stack:
        made.append(unborn(state_dir))
        return made[-1]

    yield make
    for stack in made:
        stack.purge()


@pytest.fixture(scope="session")
def standing(state_dir: Path) -> Iterator[Stack]:
    stack = unborn(state_dir)
    done = stack.up()
    assert done.returncode == 0, done.stderr
    yield stack
    stack.purge()


@pytest.fixture
def stack(standing: Stack) -> Iterator[Stack]:
    """The standing one, its good image back in the lock afterwards."""
    yield standing
    standing.release_image(None)


@pytest.fixture(scope="module")
def alerted(new_stack: Callable[[], Stack]) -> Iterator[tuple[Stack, Receiver]]:
    """A stack of its own that sends its alerts to this host."""
    stack = new_stack()
    settings = [word for setting in QUICK for word in ("--config", setting)]
    assert stack.up(*settings).returncode == 0
    with receiving(gateway(stack)) as receiver:
        stack.pulumi("config", "set", "--secret", "amas:alertWebhookUrl", receiver.url)
        done = stack.up("--config", f"alertWebhookAllowedHosts={receiver.host}")
        assert done.returncode == 0, done.stderr
        yield stack, receiver


def gateway(stack: Stack) -> str:
    """The address of this host that the containers of the stack see."""
    form = "{{range .IPAM.Config}}{{.Gateway}}{{end}}"
    return output("docker", "network", "inspect", f"amas-{stack.name}", "--format", form).strip()


@pytest.fixture(scope="session")
def failing_image(state_dir: Path) -> Iterator[Callable[[str], str]]:
    """Image ids of releases that fail in a way of `release/fails.py`."""
    engine = docker.from_env()
    parent = json.loads((state_dir / "images.json").read_text())["service"]["id"]
    built: set[str] = set()  # the same way to fail gives the same image

    def build(fails: str) -> str:
        arguments = {"PARENT": parent, "FAILS": fails}
        image, log = engine.images.build(path=str(HERE / "release"), buildargs=arguments, rm=True)
        list(log)
        built.add(str(image.id))
        return str(image.id)

    yield build
    for image in built:
        with contextlib.suppress(ImageNotFound):  # it went with one that stood on it
            engine.images.remove(image, force=True)
    engine.close()


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
