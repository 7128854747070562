"""What a person sees of `amas up` on a host that lacks something."""

import os
from pathlib import Path

import pytest

from runbook import cli
from runbook.up import flow, prerequisites
from runbook.up.images import build_failure


def amas_up() -> int:
    return cli.run(lambda: cli.app(["up"], standalone_mode=False), as_json=False)


def test_docker_missing_and_not_root_names_the_command_for_root(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(prerequisites, "SYSTEM_PATH", "")
    monkeypatch.setattr(prerequisites, "DOCKER_SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(prerequisites, "read_os_release", lambda: {"ID": "debian", "VERSION_ID": "12"})
    assert amas_up() == 3
    told = capsys.readouterr().err
    assert "installing them needs root" in told
    assert "docker.io" in told
    assert "next: sudo apt-get install --yes" in told


def test_a_package_the_registry_lacks_is_named_with_its_image(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "image-db.log"
    log.write_text("Step 3/9 : RUN amas-install\nE: Unable to locate package postgresql-99\n")

    def ensure_images(*_: object) -> None:
        raise build_failure("db", log)

    for step in ("ensure_prerequisites", "ensure_engine", "ensure_toolchain"):
        monkeypatch.setattr(flow, step, lambda _say: tmp_path)
    monkeypatch.setattr(flow, "ensure_images", ensure_images)
    assert amas_up() == 1
    told = capsys.readouterr().err
    assert "image db was not built: package postgresql-99 cannot be had" in told
    assert f"next: less {log}" in told
