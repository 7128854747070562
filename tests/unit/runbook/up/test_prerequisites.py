"""What is installed, what is only named, and that a prepared host is left alone."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from runbook.errors import EnvironmentMissing
from runbook.up import prerequisites
from runbook.up.prerequisites import missing

BOOKWORM = {"ID": "debian", "VERSION_ID": "12"}
TRIXIE = {"ID": "debian", "VERSION_ID": "13"}
SID = {"ID": "debian"}
UBUNTU = {"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "24.04"}
MINT = {"ID": "linuxmint", "ID_LIKE": "ubuntu debian", "VERSION_ID": "22"}
FEDORA = {"ID": "fedora", "VERSION_ID": "42", "PRETTY_NAME": "Fedora Linux 42"}
EVERY_NEED = tuple(prerequisites.PACKAGE_OF_NEED)


def nothing(_command: str) -> str | None:
    return None


def everything(command: str) -> str | None:
    return f"/usr/bin/{command}"


def test_a_fresh_debian_gets_all_of_it() -> None:
    assert missing(nothing, BOOKWORM, ["engine", "go"]) == [
        "ca-certificates",
        "curl",
        "debootstrap",
        "docker.io",
        "git",
        "golang-go",
        "gpgv",
        "iptables",
        "jq",
        "postgresql-client",
        "redis-tools",
        "util-linux",
    ]


def test_a_prepared_host_lacks_nothing() -> None:
    assert missing(everything, BOOKWORM, EVERY_NEED) == []


def test_only_what_is_absent_is_named() -> None:
    assert missing(lambda command: None if command == "psql" else "/there", TRIXIE, EVERY_NEED) == [
        "postgresql-client"
    ]


@pytest.mark.parametrize(
    ("os_release", "package"),
    [
        (BOOKWORM, "docker.io"),
        (TRIXIE, "docker-cli"),
        (SID, "docker-cli"),
        (UBUNTU, "docker.io"),
        (MINT, "docker.io"),
    ],
)
def test_the_docker_command_comes_from_the_package_that_has_it(
    os_release: Mapping[str, str], package: str
) -> None:
    assert missing(lambda c: None if c == "docker" else "/there", os_release, EVERY_NEED) == [package]


def test_neither_engine_nor_go_is_installed_where_nothing_needs_them() -> None:
    packages = missing(nothing, TRIXIE, [])
    assert not {"docker.io", "iptables", "golang-go", "apparmor"} & set(packages)


def test_an_engine_that_is_elsewhere_needs_no_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(prerequisites, "DOCKER_SOCKET", tmp_path / "absent")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert "engine" in prerequisites.needed_here()
    monkeypatch.setenv("DOCKER_HOST", "tcp://engine.test:2376")
    assert "engine" not in prerequisites.needed_here()


def test_apparmor_is_wanted_only_where_the_kernel_enforces_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(prerequisites, "DOCKER_SOCKET", tmp_path / "absent")
    monkeypatch.setattr(prerequisites, "APPARMOR", tmp_path / "enabled")
    for content, expected in (("Y\n", True), ("N\n", False)):
        (tmp_path / "enabled").write_text(content)
        assert ("apparmor" in prerequisites.needed_here()) is expected


def test_an_ordinary_user_on_debian_is_told_the_exact_command() -> None:
    reason, command = prerequisites.advice(["jq", "iptables"], BOOKWORM)
    assert "needs root: jq, iptables" in reason
    assert command == "sudo apt-get install --yes jq iptables"


def test_another_system_is_told_what_to_install() -> None:
    reason, command = prerequisites.advice(["jq", "docker.io"], FEDORA)
    assert "jq, docker.io" in reason
    assert "Fedora Linux 42" in reason
    assert command.endswith("./scripts/up")


class TestOnAHost:
    """The step itself, with apt-get replaced by a recorder."""

    @pytest.fixture(autouse=True)
    def apt_calls(self, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
        self.calls: list[list[str]] = []
        self.exit_code = 0
        monkeypatch.setattr(subprocess, "run", self.run)
        monkeypatch.setattr(prerequisites, "read_os_release", lambda: BOOKWORM)
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(prerequisites, "on_path", lambda c: None if c == "jq" else "/there")
        return self.calls

    def run(self, command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        self.calls.append(command)
        assert isinstance(options["env"], dict)
        assert options["env"]["DEBIAN_FRONTEND"] == "noninteractive"
        if self.exit_code:
            assert isinstance(options["stdout"], int)
            os.write(options["stdout"], b"Reading lists...\nE: Unable to locate package jq\nbye\n")
        return subprocess.CompletedProcess(command, self.exit_code)

    def test_as_root_it_installs_what_is_missing_after_one_update(self) -> None:
        said: list[str] = []
        prerequisites.ensure_prerequisites(said.append)
        assert said == ["installing by apt: jq"]
        assert [call[3] for call in self.calls] == ["update", "install"]
        assert self.calls[1][-1] == "jq"

    def test_with_nothing_missing_apt_is_not_called(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prerequisites, "on_path", everything)
        prerequisites.ensure_prerequisites(print)
        assert self.calls == []

    def test_without_root_it_stops_and_installs_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(EnvironmentMissing) as raised:
            prerequisites.ensure_prerequisites(print)
        assert raised.value.next_command == "sudo apt-get install --yes jq"
        assert self.calls == []

    def test_a_failure_of_apt_is_told_in_its_own_words(self) -> None:
        self.exit_code = 100
        with pytest.raises(EnvironmentMissing, match=r"E: Unable to locate package jq; log in .*/apt\.log"):
            prerequisites.ensure_prerequisites(lambda _line: None)
