"""Changes by `up` under 300 requests a second of k6: none fails, no accepted decision is missing."""

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import docker
import pytest

from runbook.api import Api, Keys
from runbook.site import Site
from tests.change.steady import Steady
from tests.e2e.conftest import eventually
from tests.faults.conftest import Stack

Change = Callable[[str], str]
MOST_REFUSED_S = 2.0
STORED_WITHIN_S = 60.0


@pytest.fixture
def changed_image(stack: Stack) -> Iterator[Change]:
    """The same image under another id, as a rebuild gives it, put into the lock; by name."""
    engine = docker.from_env()
    lock = stack.state_dir / "images.json"
    good, built = lock.read_text(), list[str]()

    def change(name: str) -> str:
        content: dict[str, Any] = json.loads(lock.read_text())
        text = f"FROM {content[name]['id']}\nLABEL amas.test={token_hex(4)}\n"
        image, log = engine.images.build(fileobj=io.BytesIO(text.encode()), rm=True)
        list(log)
        built.append(str(image.id))
        content[name]["id"] = image.id
        lock.write_text(json.dumps(content))
        return str(image.id)

    yield change
    lock.write_text(good)
    assert stack.up().returncode == 0
    for image in built:
        engine.images.remove(image, force=True)
    engine.close()


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    packaged = Path(__file__).parents[2] / "service/alerts/default-rules.yaml"
    file = tmp_path / "rules.yaml"
    file.write_text(packaged.read_text())
    return file


@contextmanager
def load(
    stack: Stack, folder: Path, what: str, capsys: pytest.CaptureFixture[str], *, spared: bool = True
) -> Iterator[Steady]:
    """Tells the figures; `spared`: no request may fail. No accepted decision may be missing either way."""
    keys = {scope: stack.amas("keys", "show", scope).stdout.strip() for scope in ("ingest", "read", "admin")}
    run_id = f"rolling-{token_hex(3)}"
    steady = Steady(stack.url, keys["ingest"], keys["read"], run_id, folder)
    with steady:
        yield steady
    certificate = stack.amas("keys", "certificate").stdout if stack.secure_port else ""
    with Api(Site(stack.url, certificate), Keys(**keys)) as api:
        eventually(
            lambda: api.stored_of_run(run_id) >= steady.accepted,
            within_s=STORED_WITHIN_S,
            what=f"{steady.accepted} decisions stored",
        )
        stored = api.stored_of_run(run_id)
        api.purge_run(run_id)
    with capsys.disabled():
        lost = max(0, steady.accepted - stored)
        print(f"\n{what}: {steady.figures()}, {lost} lost")  # noqa: T201 - the figures are the result
    assert steady.accepted > 500
    if spared:
        assert steady.failures == [], steady.worst()


def test_rules_of_ones_own_come_into_force_under_load(
    stack: Stack, rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stack.containers("api")
    with load(stack, tmp_path, "rule file", capsys):
        done = stack.up("--config", f"alertRulesFile={rules}")
        assert done.returncode == 0, done.stderr
    assert set(stack.containers("api")).isdisjoint(before)
    balancer, loaders = stack.containers("lb"), stack.containers("lb-config")
    with load(stack, tmp_path, "load balancer's configuration", capsys):
        done = stack.up("--config", "maxReplicas=10", "--config", "alertRulesFile=")
        assert done.returncode == 0, done.stderr
    assert stack.containers("lb") == balancer, "it was reloaded in place"
    assert set(stack.containers("lb-config")).isdisjoint(loaders)
    assert "server-template api- 1-10" in in_force(balancer)


@pytest.mark.parametrize(
    ("what", "setting", "part"),
    [
        ("environment", "writeBatchRows=450", "api"),
        ("scheduler", "healthSchedule=7 */4 * * *", "scheduler"),
        ("prometheus", "prometheusRetentionDays=14", "prometheus"),
    ],
)
def test_a_setting_comes_into_force_under_load(
    stack: Stack, what: str, setting: str, part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stack.containers(part)
    with load(stack, tmp_path, what, capsys):
        done = stack.up("--config", setting)
        assert done.returncode == 0, done.stderr
    assert set(stack.containers(part)).isdisjoint(before)


@pytest.mark.parametrize(("image", "part"), [("service", "api"), ("runbook", "scheduler")])
def test_a_new_image_comes_into_force_under_load(
    stack: Stack,
    changed_image: Change,
    image: str,
    part: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    released = changed_image(image)
    with load(stack, tmp_path, f"image {image}", capsys):
        done = stack.up()
        assert done.returncode == 0, done.stderr
    assert {image_of(one) for one in stack.containers(part)} == {released}


def test_a_new_image_of_the_load_balancer_refuses_for_two_seconds_at_most_and_says_so_before(
    stack: Stack, changed_image: Change, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    released = changed_image("lb")
    with load(stack, tmp_path, "image lb", capsys, spared=False) as steady:
        done = stack.up()
        assert done.returncode == 0, done.stderr
    with capsys.disabled():
        print(f"image lb: refused for {steady.refused_s:.2f} s")  # noqa: T201 - the figure is the result
    assert {image_of(one) for one in stack.containers("lb")} == {released}
    assert steady.failures
    assert steady.refused_s <= MOST_REFUSED_S, steady.worst()
    said = "lb is replaced for another image: the only way in: connections are refused for about 2 s"
    assert said in done.stderr
    assert done.stderr.index(said) < done.stderr.index("deleted Container lb")


def test_a_configuration_that_haproxy_refuses_changes_nothing(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing that may be configured leads there; a mistake in the program would."""
    (balancer,) = stack.containers("lb")
    before = in_force([balancer])
    engine = docker.from_env()
    job = engine.containers.create(
        image_of(balancer),
        ["amas-lb-load", "0123456789ab"],
        user="0:0",
        network=f"amas-{stack.name}",
        volumes={f"amas-{stack.name}-lb-config": {"bind": "/config", "mode": "rw"}},
    )
    try:
        job.put_archive("/", incoming({"values.cfg": "global\n", "haproxy.cfg": "frontend without\n"}))
        with load(stack, tmp_path, "a bad configuration", capsys):
            job.start()
            assert job.wait()["StatusCode"] == 1
    finally:
        said = job.logs().decode()
        job.remove(force=True)
        engine.close()
    assert "HAProxy refuses the configuration 0123456789ab" in said
    assert in_force([balancer]) == before


def incoming(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"incoming/{name}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


def in_force(balancers: Iterable[str]) -> str:
    """The configuration files that the running load balancer names, variables put in."""
    (one,) = balancers
    engine = docker.from_env()
    try:
        read = "cat /config/current/values.cfg /config/current/haproxy.cfg"
        _, output = engine.containers.get(one).exec_run(["sh", "-c", read])
        assert isinstance(output, bytes)
        text = output.decode()
        values = {line.split()[1]: line.split()[2] for line in text.splitlines() if " setenv " in line}
        return text.replace('"${AMAS_MAX_REPLICAS}"', values["AMAS_MAX_REPLICAS"])
    finally:
        engine.close()


def image_of(container: str) -> str:
    engine = docker.from_env()
    try:
        return str(engine.containers.get(container).attrs["Image"])
    finally:
        engine.close()
