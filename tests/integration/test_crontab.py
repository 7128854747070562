"""The schedule as it is rendered is one that supercronic takes."""

import subprocess
from pathlib import Path

import pytest

from infra import config
from infra.components import scheduler
from infra.components.crontab import Job, crontab
from runbook.up import toolchain

DEFAULTS = config.Config(config.parse(lambda _: None)[0], {})


@pytest.fixture(scope="module")
def supercronic() -> Path:
    toolchain.ensure_toolchain(lambda _line: None)
    return toolchain.tools_bin() / "supercronic"


def tried(supercronic: Path, file: Path, jobs: list[Job]) -> subprocess.CompletedProcess[str]:
    file.write_text(crontab(jobs, "scheduler", scheduler.CRONTAB))
    return subprocess.run([supercronic, "-test", file], capture_output=True, text=True, check=False)


def test_supercronic_takes_the_schedule(supercronic: Path, tmp_path: Path) -> None:
    done = tried(supercronic, tmp_path / "crontab", scheduler.jobs(DEFAULTS))
    assert done.returncode == 0, done.stderr


def test_supercronic_refuses_a_time_that_is_none(supercronic: Path, tmp_path: Path) -> None:
    """Or else the test above would show nothing."""
    assert tried(supercronic, tmp_path / "crontab", [Job("x", "0 99 * * *", 60, "health")]).returncode != 0
