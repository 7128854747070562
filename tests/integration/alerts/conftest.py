"""promtool of our own monitoring image."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import docker
import pytest
from docker.errors import DockerException

from tests.integration.alerts import promtool
from tests.integration.service.conftest import image_of

Promtool = Callable[[Mapping[str, Any]], tuple[int, str]]


@pytest.fixture(scope="session")
def promtool_run() -> Iterator[Promtool]:
    """Takes files by name and returns what `promtool test rules` said of tests.json."""
    try:
        engine = docker.from_env()
        engine.ping()
    except DockerException as error:
        pytest.fail(f"no Docker engine answers ({error}); next: start it")
    with contextlib.closing(engine):
        image = image_of(engine, "monitoring")
        yield lambda content: promtool.run(engine, image, content)
