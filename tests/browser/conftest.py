"""A stub service, Chromium in a container of its own, and a page that must stay clean."""

import contextlib
import io
import os
import re
import secrets
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.models.containers import Container
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from runbook.terminal import Progress
from runbook.up.image_plan import BROWSER, OTHERS
from runbook.up.images import ensure_for_tests
from tests.browser.stub import Stub

SERVICE = next(recipe for recipe in OTHERS if recipe.name == "service")
READY_WITHIN_S = 60.0
CHARTS = "/opt/amas/service/console/charts"
_LISTENS = re.compile(rb"DevTools listening on ws://(127\.0\.0\.1:\d+)/")


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture(scope="session")
def browser(engine: docker.DockerClient) -> Iterator[Browser]:
    """Reached over the host's loopback, as the stub is by it."""
    container = engine.containers.create(
        ensure_for_tests(BROWSER, Progress())["id"],
        name=f"amas-test-browser-{os.getpid()}-{secrets.token_hex(3)}",
        network_mode="host",
        init=True,
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges:true"],
        tmpfs={"/tmp": "size=256m"},
        shm_size="256m",
        mem_limit="1g",
        labels={"amas.test": "browser"},
    )
    try:
        container.start()
        with sync_playwright() as playwright:
            connected = playwright.chromium.connect_over_cdp(f"http://{_address(container)}")
            yield connected
            connected.close()
    finally:
        container.remove(force=True)


def _address(container: Container) -> str:
    deadline = time.monotonic() + READY_WITHIN_S
    while not (found := _LISTENS.search(container.logs())):
        container.reload()
        assert container.status == "running", container.logs().decode()
        assert time.monotonic() < deadline, "the browser says no address"
        time.sleep(0.1)
    return found[1].decode()


@pytest.fixture(scope="session")
def charts(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart library as it is in the service's image."""
    container = engine.containers.create(
        ensure_for_tests(SERVICE, Progress())["id"], "true", network_mode="none"
    )
    try:
        chunks, _ = container.get_archive(CHARTS)
    finally:
        container.remove()
    folder = tmp_path_factory.mktemp("charts")
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        tar.extractall(folder, filter="data")
    return folder / "charts"


@pytest.fixture(scope="session")
def running_stub(charts: Path) -> Iterator[Stub]:
    stub = Stub(charts)
    stub.start()
    yield stub
    stub.stop()


@pytest.fixture
def stub(running_stub: Stub) -> Stub:
    running_stub.tell("healthy")
    return running_stub


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(viewport={"width": 1360, "height": 900}, reduced_motion="reduce")
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, stub: Stub) -> Iterator[Page]:
    """Fails a test whose page broke its policy, wrote to the console or asked any other origin."""
    made = context.new_page()
    wrong: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith((f"{stub.url}/", "data:")):
            wrong.append(f"left: {request.url}")

    made.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    made.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    made.on("request", asked)
    yield made
    # The browser itself reports each failed fetch; those that a test provokes are no fault of the page.
    assert [line for line in wrong if "Failed to load resource" not in line] == []
