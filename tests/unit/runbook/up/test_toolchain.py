"""Which tools are taken, which are built, and that a build leaves nothing half-done."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from runbook import places
from runbook.errors import EnvironmentMissing
from runbook.up import toolchain
from runbook.up.toolchain import Found, Official, Plan, choose

PULUMI = Path("/opt/pulumi/pulumi")
HOST = Path("/opt/pulumi/pulumi-language-python")
K6 = Path("/usr/bin/k6")
ALL = tuple(toolchain.OUTPUTS)


def pulumi(*version: int) -> Official:
    return Official(PULUMI, (version[0], version[1], version[2]))


# Which tools are taken


def test_everything_is_built_where_path_offers_nothing() -> None:
    assert choose(ALL, Found()) == Plan(build=ALL)


def test_fitting_official_tools_are_linked_and_the_rest_is_built() -> None:
    plan = choose(ALL, Found(pulumi(3, 260, 1), HOST, Official(K6, (2, 0, 0))))
    assert plan.link == {"pulumi": PULUMI, "language-host": HOST, "k6": K6}
    assert plan.build == ("supercronic", "provider")


@pytest.mark.parametrize("version", [(3, 258, 9), (2, 300, 0), (4, 0, 0)])
def test_a_cli_that_is_too_old_or_of_another_major_version_is_built(version: tuple[int, int, int]) -> None:
    assert "pulumi" in choose(ALL, Found(pulumi(*version), HOST)).build


def test_an_official_cli_without_its_python_host_is_not_mixed_with_ours() -> None:
    assert choose(ALL, Found(pulumi(3, 259, 0))).link == {}


def test_a_k6_of_another_major_version_is_built() -> None:
    assert "k6" in choose(ALL, Found(k6=Official(K6, (1, 9, 0)))).build


def test_only_what_is_absent_is_planned() -> None:
    assert choose(["provider"], Found(pulumi(3, 259, 0), HOST)) == Plan(build=("provider",))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("v3.259.0\n", (3, 259, 0)),
        ("k6 v2.2.0 (go1.26.8, linux/amd64)", (2, 2, 0)),
        ("v3.260.0-alpha.1", (3, 260, 0)),
        ("dev", None),
    ],
)
def test_versions_are_read_as_the_tools_print_them(text: str, version: tuple[int, int, int] | None) -> None:
    assert toolchain.parse_version(text) == version


def test_official_tools_are_asked_for_their_version(tmp_path: Path) -> None:
    executable(tmp_path / "real" / "pulumi", "echo v3.259.4")
    executable(tmp_path / "real" / "pulumi-language-python", "")
    executable(tmp_path / "bin" / "k6", "exit 1")
    (tmp_path / "bin" / "pulumi").symlink_to(tmp_path / "real" / "pulumi")
    found = toolchain.find_official(str(tmp_path / "bin"))
    assert found.pulumi == Official(tmp_path / "bin" / "pulumi", (3, 259, 4))
    assert found.language_host == tmp_path / "real" / "pulumi-language-python", "beside the real file"
    assert found.k6 is None, "it does not even say its version"


def test_our_own_tools_on_path_are_not_taken_for_official_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = places.cache_dir() / "tools" / "0123" / "bin"
    monkeypatch.setenv("PATH", f"{ours}:/usr/bin")
    assert toolchain._path_without_ours() == "/usr/bin"


def test_a_link_whose_official_tool_is_gone_counts_as_absent_and_is_made_anew(tmp_path: Path) -> None:
    target = tmp_path / "bin" / "k6"
    toolchain.link(target, tmp_path / "gone")
    assert "k6" in toolchain.absent_tools(tmp_path)
    toolchain.link(target, executable(tmp_path / "k6", ""))
    assert "k6" not in toolchain.absent_tools(tmp_path)


# Pins and hashes


def test_cli_sdk_and_provider_are_pinned_to_the_same_versions() -> None:
    """The host stands on a private class of the SDK, and the provider answers to one version of its SDK."""
    requirements = (places.ROOT / "requirements" / "host.in").read_text()
    go_mod = (toolchain.SOURCES / "pulumi" / "go.mod").read_text()
    info = (toolchain.SOURCES / "provider" / "docker" / "info.go").read_text()
    sdk = ".".join(str(part) for part in toolchain.PULUMI_AT_LEAST)
    provider = toolchain.PROVIDER_VERSION.removeprefix("v")
    assert f"pulumi=={sdk}\n" in requirements
    assert re.findall(r"pulumi/(?:pkg|sdk)/v3 v(\S+)", go_mod) == [sdk, sdk]
    assert f"pulumi-docker=={provider}\n" in requirements
    assert f'Version = "{provider}"' in info


def test_the_hash_names_every_source_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "k6" / "go.mod"
    source.parent.mkdir()
    source.write_text("v1")
    hashes = [toolchain.sources_hash(tmp_path, machine) for machine in ("x86_64", "aarch64")]
    source.write_text("v2")
    hashes.append(toolchain.sources_hash(tmp_path, "x86_64"))
    source.rename(source.with_name("go.sum"))
    hashes.append(toolchain.sources_hash(tmp_path, "x86_64"))
    assert len(set(hashes)) == 4
    (tmp_path / "README.md").write_text("words")
    (tmp_path / "k6" / "__pycache__").mkdir()
    (tmp_path / "k6" / "__pycache__" / "x.pyc").write_text("bytes")
    assert toolchain.sources_hash(tmp_path, "x86_64") == hashes[-1]


# The step


def test_with_everything_there_no_program_is_started(
    cache: Path, monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    folder = complete(toolchain.tools_folder())
    installed = state_dir / "pulumi" / "plugins" / "resource-docker-v5.2.0" / "pulumi-resource-docker"
    executable(installed, "")
    made_from = toolchain._identity(folder / toolchain.OUTPUTS["provider"])
    (state_dir / "pulumi" / "provider-made-from").write_text(made_from)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert toolchain.ensure_toolchain(refuse) == folder / "bin"
    assert not toolchain.must_build_with_go()


def test_the_provider_is_installed_for_pulumi_and_again_when_it_was_built_anew(
    cache: Path, state_dir: Path
) -> None:
    folder = complete(toolchain.tools_folder())
    calls = cache / "calls"
    plugin = state_dir / "pulumi" / "plugins" / "resource-docker-v5.2.0" / "pulumi-resource-docker"
    executable(
        folder / "bin" / "pulumi",
        f'echo "$PULUMI_HOME $*" >>{calls}; mkdir -p {plugin.parent}; touch {plugin}',
    )
    for _ in range(2):
        toolchain.ensure_toolchain(lambda _line: None)
    assert len(calls.read_text().splitlines()) == 1
    assert calls.read_text().startswith(f"{state_dir}/pulumi plugin install resource docker v5.2.0 ")
    (folder / toolchain.OUTPUTS["provider"]).write_text("another build")
    toolchain.ensure_toolchain(lambda _line: None)
    assert len(calls.read_text().splitlines()) == 2


def test_a_refusal_of_the_provider_says_why(cache: Path) -> None:
    folder = complete(toolchain.tools_folder())
    executable(folder / "bin" / "pulumi", "echo error: disk is full >&2; exit 1")
    with pytest.raises(EnvironmentMissing, match="disk is full"):
        toolchain.ensure_toolchain(lambda _line: None)


def test_a_failed_build_names_the_reason_and_the_log(
    cache: Path, monkeypatch: pytest.MonkeyPatch, state_dir: Path
) -> None:
    sources = cache / "sources"
    executable(sources / "build", "echo building k6; echo go: no such module >&2; exit 1")
    monkeypatch.setattr(toolchain, "SOURCES", sources)
    said: list[str] = []
    with pytest.raises(EnvironmentMissing, match=r"go: no such module; log in .*/logs/tools\.log") as raised:
        toolchain.build(cache / "tools" / "x", ["k6"], said.append)
    assert said == [f"building k6, log in {state_dir}/logs/tools.log"]
    assert raised.value.next_command == "./scripts/up"
    assert (state_dir / "logs").stat().st_mode & 0o777 == 0o700


def test_a_build_that_would_fill_the_disk_is_refused_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match=r"1\.0 GiB are free") as raised:
        toolchain.require_space(1024**3, ["pulumi"], tmp_path)
    assert "AMAS_CACHE_DIR" in str(raised.value.next_command)
    toolchain.require_space(1024**3, ["supercronic"], tmp_path)


# tools/build


def test_build_makes_each_tool_once_and_links_what_did_not_change(sources: Path, cache: Path) -> None:
    run_build(sources, cache / "tools" / "one", "a", "b")
    (sources / "b" / "input").write_text("changed")
    run_build(sources, cache / "tools" / "two", "a", "b")
    assert (cache / "made").read_text().split() == ["a", "b", "b"]
    first, second = (cache / "tools" / name / "bin" / "a" for name in ("one", "two"))
    assert first.samefile(second)
    assert run_build(sources, cache / "tools" / "two", "a", "b") == "", "nothing to say when nothing is to do"


def test_build_clears_gos_caches_unless_told_to_keep_them(
    sources: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = cache / "go" / "mod"
    modules.mkdir(parents=True)
    monkeypatch.setenv("AMAS_KEEP_GO_CACHE", "1")
    run_build(sources, cache / "tools" / "one", "a")
    assert modules.exists()
    monkeypatch.delenv("AMAS_KEEP_GO_CACHE")
    run_build(sources, cache / "tools" / "one", "a")
    assert not modules.exists()


def test_a_build_killed_half_way_leaves_nothing_that_looks_finished(sources: Path, cache: Path) -> None:
    folder = cache / "tools" / "one"
    (sources / "a" / "slow").write_text("")
    process = start_build(sources, folder, "a")
    wait_for(lambda: list((cache / "tools" / "built").glob("unfinished.*/bin/a")))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (folder / "bin").exists()
    (sources / "a" / "slow").unlink()
    run_build(sources, folder, "a")
    assert (folder / "bin" / "a").read_text() == "a\n"
    assert not list((cache / "tools" / "built").glob("unfinished.*"))


def test_two_builds_at_once_make_each_tool_once(sources: Path, cache: Path) -> None:
    (sources / "a" / "slow").write_text("")
    both = [start_build(sources, cache / "tools" / "one", "a") for _ in range(2)]
    wait_for(lambda: list((cache / "tools" / "built").glob("unfinished.*/bin/a")))
    (sources / "go-on").write_text("")
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert (cache / "made").read_text().split() == ["a"]
    assert sorted(outputs) == ["building a\n", "waiting for another build of the tools\n"]


def test_a_failed_tool_fails_the_build(sources: Path, cache: Path) -> None:
    executable(sources / "b" / "build", "echo broken >&2; exit 1")
    process = start_build(sources, cache / "tools" / "one", "a", "b")
    process.communicate()
    assert process.returncode != 0
    assert not (cache / "tools" / "one" / "bin" / "b").exists()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AMAS_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def sources(tmp_path: Path, cache: Path) -> Path:
    """The real scripts beside two tools that need no Go; `slow` makes one wait for the file `go-on`."""
    sources = tmp_path / "sources"
    sources.mkdir()
    for script in ("build", "with-go", "go-version"):
        shutil.copy(toolchain.SOURCES / script, sources / script)
    for name in ("a", "b"):
        executable(
            sources / name / "build",
            f'echo {name} >>{cache}/made; mkdir "$1/bin"; echo {name} >"$1/bin/{name}"',
            'cd "$(dirname "$0")"; while [ -e slow ] && [ ! -e ../go-on ]; do sleep 0.02; done',
        )
    return sources


def start_build(sources: Path, folder: Path, *tools: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sources / "build", folder, *tools], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def run_build(sources: Path, folder: Path, *tools: str) -> str:
    process = start_build(sources, folder, *tools)
    output = process.communicate()[0]
    assert process.returncode == 0
    return output


def complete(folder: Path) -> Path:
    for output in toolchain.OUTPUTS.values():
        executable(folder / output, "")
    return folder


def executable(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def refuse(*_arguments: object, **_options: object) -> None:
    raise AssertionError("nothing was to be done")


def wait_for(condition: object, within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
