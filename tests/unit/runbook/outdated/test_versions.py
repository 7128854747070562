import json
import re
from pathlib import Path
from typing import Any

import pytest

from runbook import places
from runbook.outdated.command import closing_lines, fixes
from runbook.outdated.look import asked, debian_of, images
from runbook.outdated.versions import (
    Found,
    Outdated,
    Unasked,
    direct_pins,
    go_modules,
    of_apt,
    of_go,
    of_pip,
    ordered,
)
from runbook.testing import MemoryEngine

APT = """Inst base-files [13.8] (13.8+deb13u1 Debian:13.2/stable [amd64])
Inst libssl3t64 [3.5.1-1] (3.5.1-1+deb13u1 Debian-Security:13/stable-security [amd64])
Conf base-files (13.8+deb13u1 Debian:13.2/stable [amd64])
"""
BASE = Outdated("debian", "db", "base-files", "13.8", "13.8+deb13u1")
SSL = Outdated("debian", "db", "libssl3t64", "3.5.1-1", "3.5.1-1+deb13u1", security=True)


def test_apts_simulation_names_what_waits_and_what_is_a_fix() -> None:
    assert of_apt(APT, "db") == [BASE, SSL]
    assert ordered([BASE, SSL]) == [SSL, BASE]
    assert fixes([BASE, SSL]) == [SSL]
    assert of_apt("", "db") == []


def test_pip_is_heard_about_pins_of_ours_alone() -> None:
    listed = json.dumps(
        [
            {"name": "Prometheus_Client", "version": "0.26", "latest_version": "0.27"},
            {"name": "somebody-elses", "version": "1", "latest_version": "2"},
        ]
    )
    pinned = direct_pins({"service.in": "# why\nprometheus-client # metrics\npsycopg[binary] # db\n"})
    assert pinned == {"prometheus-client": "service.in", "psycopg": "service.in"}
    assert of_pip(listed, pinned) == [Outdated("python", "service.in", "Prometheus_Client", "0.26", "0.27")]


def test_go_answers_objects_one_after_the_other() -> None:
    newer = '{"Path": "a", "Version": "v1.0.0", "Update": {"Version": "v1.1.0"}}'
    listed = newer + '\n{"Path": "b", "Version": "v2.0.0"}\n'
    assert of_go(listed, "tools/a") == [Outdated("go", "tools/a", "a", "v1.0.0", "v1.1.0")]
    assert of_go("", "tools/a") == []


def test_a_tool_is_updated_by_the_module_it_is_built_from() -> None:
    required = "require (\n\texample.com/a/v3 v3.1.0 // indirect\n\texample.com/b v1.0.0\n)\n"
    assert go_modules(f"{required}\ntool example.com/a/v3/cmd/a\n") == ["example.com/a/v3"]


def test_without_a_tool_it_is_what_is_asked_for_and_not_replaced() -> None:
    required = (
        "require (\n\texample.com/a v3.1.0\n\texample.com/b v1.0.0\n\texample.com/c v1.0.0 // indirect\n)\n"
    )
    assert go_modules(f"{required}\nreplace example.com/b => ./b\n") == ["example.com/a"]


def modules_of_ours() -> list[str]:
    files = (places.ROOT / "tools").glob("*/go.mod")
    return [one for file in files for one in go_modules(file.read_text())]


def test_every_tool_of_ours_has_one_such_module() -> None:
    assert len(modules_of_ours()) == len(list((places.ROOT / "tools").glob("*/go.mod")))


def test_a_source_that_does_not_answer_is_named_and_ends_nothing() -> None:
    engine = MemoryEngine(answer=(100, "Temporary failure resolving"))
    (found,) = asked("debian", "db", debian_of(engine, "db", "sha256:aa"))
    assert isinstance(found, Unasked)
    assert "Temporary failure resolving" in found.reason
    assert "not asked: debian of db" in "\n".join(closing_lines([], [found]))


def test_an_image_is_asked_by_its_own_apt() -> None:
    engine = MemoryEngine(answer=(0, APT))
    found: Found = asked("debian", "db", debian_of(engine, "db", "sha256:aa"))
    assert found == [BASE, SSL]
    assert "--simulate" in " ".join(engine.commands[0])


def test_without_a_lock_there_are_no_images(tmp_path: Path) -> None:
    assert images(tmp_path / "none.json") == {}
    (tmp_path / "lock.json").write_text('{"db": {"id": "sha256:aa", "tag": "amas/db:1"}}')
    assert images(tmp_path / "lock.json") == {"db": "sha256:aa"}


@pytest.fixture
def renovate() -> dict[str, Any]:
    rules: dict[str, Any] = json.loads((places.ROOT / "renovate.json").read_text())
    return rules


def test_renovate_may_update_the_module_of_every_tool(renovate: dict[str, Any]) -> None:
    """All lines of a tool's go.mod are marked indirect, and those it leaves alone unless it is told."""
    (rule,) = [one for one in renovate["packageRules"] if one.get("matchDepTypes") == ["indirect"]]
    assert rule["enabled"]
    assert set(rule["matchPackageNames"]) <= set(modules_of_ours())
    assert len(rule["matchPackageNames"]) == 3


def test_renovate_reads_every_file_of_pins(renovate: dict[str, Any]) -> None:
    (pattern,) = renovate["pip_requirements"]["managerFilePatterns"]
    files = [f"requirements/{one.name}" for one in (places.ROOT / "requirements").glob("*.txt")]
    assert files
    assert all(re.search(pattern.strip("/"), one) for one in files)
