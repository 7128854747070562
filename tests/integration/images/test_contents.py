"""What every image must and must not hold, asked inside a container run as the stack runs it."""

import json

import pytest

from tests.integration.images.conftest import Lab, ask, ended, log

UIDS = {"db": 10001, "redis": 10002, "lb": 10003, "service": 10004, "runbook": 10005, "monitoring": 10006}
# Its files are the database's.
UIDS["backup"] = UIDS["db"]


@pytest.mark.parametrize(("image", "uid"), UIDS.items())
def test_image_runs_as_its_own_user_and_that_number_never_changes(lab: Lab, image: str, uid: int) -> None:
    """Volumes carry the number: another one could not read what the last release wrote."""
    container = lab.run(image, ["id", "-u"])
    assert ended(container) == 0
    assert log(container).strip() == str(uid)


@pytest.mark.parametrize("image", ["base", *UIDS])
def test_image_holds_no_build_tools_caches_or_private_keys(lab: Lab, image: str) -> None:
    container = lab.run(image, ["sleep", "60"])
    for program in ("gcc", "cc", "make", "pip", "pip3", "git", "curl"):
        assert ask(container, "sh", "-c", f"command -v {program}").exit_code != 0, program
    leftovers = (
        "find /var/lib/apt/lists /var/cache/apt /root /tmp /var/log /etc/ssl/private -type f 2>/dev/null"
    )
    found = ask(container, "sh", "-c", leftovers).text.split()
    assert [path for path in found if not path.startswith("/root/.")] == []
    assert ask(container, "sh", "-c", "ls -d /root/.cache").exit_code != 0


@pytest.mark.parametrize("image", ["base", *UIDS])
def test_nothing_but_the_scratch_folders_is_writable(lab: Lab, image: str) -> None:
    container = lab.run(image, ["sleep", "60"], user="10099:10099")
    assert ask(container, "sh", "-c", "touch /tmp/x /run/x").exit_code == 0
    assert "Read-only file system" in ask(container, "touch", "/etc/x", "/usr/local/x").text


def test_lock_names_the_versions_that_are_in_the_images(lab: Lab) -> None:
    for image, package in {"db": "postgresql-17", "redis": "redis-server", "lb": "haproxy"}.items():
        container = lab.run(image, ["dpkg-query", "-W", "-f", "${Version}", package])
        assert ended(container) == 0
        assert log(container) == lab.lock[image]["packages"][package]


@pytest.mark.parametrize(
    ("image", "command"),
    [
        ("service", ["python", "-m", "service", "--help"]),
        ("runbook", ["amas", "--help"]),
        ("runbook", ["supercronic", "-version"]),
        ("runbook", ["k6", "version"]),
        ("monitoring", ["prometheus-postgres-exporter", "--version"]),
        ("monitoring", ["prometheus-redis-exporter", "--version"]),
        ("monitoring", ["prometheus-node-exporter", "--version"]),
    ],
)
def test_command_starts_under_the_lockdown(lab: Lab, image: str, command: list[str]) -> None:
    container = lab.run(image, command)
    assert ended(container) == 0, log(container)


@pytest.mark.parametrize("image", ["service", "runbook"])
def test_python_reads_compiled_code_and_has_no_pip(lab: Lab, image: str) -> None:
    container = lab.run(image, ["sleep", "60"])
    program = (
        f"import {image}.{'settings' if image == 'service' else 'errors'} as m, json, sys; print(json.dumps"
    )
    cached = ask(container, "python", "-c", f"{program}([m.__cached__, sys.version_info[:2]]))")
    path, version = json.loads(cached.text)
    assert version == [3, 13]
    assert ask(container, "test", "-e", path).exit_code == 0
    assert "No module named pip" in ask(container, "python", "-m", "pip").text
