"""What `up` says on a host that lacks something: seen for real, in a namespace that hides what is there."""

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import ROOT
from tests.faults.conftest import Stack

# In namespaces of its own: no engine's socket, no docker program, and a user who is not root.
WITHOUT_DOCKER = """
set -eu
mount -t tmpfs none /run
for program in docker dockerd; do
    for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
        [ ! -e "$folder/$program" ] || mount --bind /dev/null "$folder/$program"
    done
done
exec unshare --user "$@"
"""


def test_docker_missing_and_not_root_names_the_command_for_root(tmp_path: Path) -> None:
    amas = [sys.executable, "-m", "runbook.cli", "up"]
    environment = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", WITHOUT_DOCKER, "sh", *amas],
        cwd=ROOT,
        env={**environment, "AMAS_STATE_DIR": str(tmp_path / "state"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "these packages are missing, and installing them needs root" in done.stderr
    assert "docker.io" in done.stderr
    assert "next: sudo apt-get install --yes" in done.stderr
    assert "Traceback" not in done.stderr


def test_too_little_disk_is_refused_with_the_budget_and_changes_nothing(stack: Stack) -> None:
    before = stack.containers()
    large = ["prometheusRetentionMb=1048576", "logMaxSizeMb=1024", "logMaxFiles=100"]
    done = stack.up(*(word for setting in large for word in ("--config", setting)))
    assert done.returncode == 3, done.stderr
    assert "Prometheus" in done.stderr
    assert "container logs" in done.stderr
    assert stack.containers() == before
    assert stack.pulumi("config", "get", "amas:logMaxFiles").stdout.strip() == "3", "the default, as before"
