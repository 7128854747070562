import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook import places
from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.up import image_plan, images
from runbook.up.image_plan import BASE, BROWSER, OTHERS, Entry, Input, Plan, Recipe

DB = next(recipe for recipe in OTHERS if recipe.name == "db")
SERVICE = next(recipe for recipe in OTHERS if recipe.name == "service")
RUNBOOK = next(recipe for recipe in OTHERS if recipe.name == "runbook")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with the least an image can be made of."""
    files = {
        ".gitignore": "/.amas/\n__pycache__/\n*.pyc\n*.egg-info/\n",
        "pyproject.toml": '[project]\nversion = "1.2.3"\n',
        "images/service/Dockerfile": "FROM scratch\n",
        "images/runbook/Dockerfile": "FROM scratch\n",
        "requirements/service.txt": "starlette==1\n",
        "requirements/runbook.txt": "typer==1\n",
        "service/app.py": "app = 1\n",
        "service/sql/one.sql": "SELECT 1;\n",
        "service/__pycache__/app.cpython-313.pyc": "compiled",
        "service/left.pyc": "compiled",
        "runbook/cli.py": "cli = 1\n",
        "infra/program.py": "not part of any image\n",
    }
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    return tmp_path


def hash_of(root: Path, recipe: Recipe = SERVICE, parent_hash: str = "base") -> str:
    inputs = image_plan.inputs_of(recipe, root, root / "bin")
    return image_plan.plan(recipe, inputs, parent_hash).hash


def test_context_is_the_image_folder_its_packages_and_its_requirements(root: Path) -> None:
    inputs = image_plan.inputs_of(SERVICE, root, root / "bin")
    assert sorted(each.path for each in inputs) == [
        "Dockerfile",
        "requirements/service.txt",
        "service/app.py",
        "service/sql/one.sql",
        "version",
    ]
    assert Input("version", b"1.2.3") in inputs


def test_hash_stays_when_nothing_that_counts_has_changed(root: Path) -> None:
    before = hash_of(root)
    (root / "service/__pycache__/other.pyc").write_text("compiled again")
    (root / "infra/program.py").write_text("changed")
    (root / "service/app.py").touch()
    assert hash_of(root) == before


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("service/app.py", "app = 2\n"),
        ("service/new.py", ""),
        ("images/service/Dockerfile", "FROM other\n"),
        ("requirements/service.txt", "starlette==2\n"),
        ("pyproject.toml", '[project]\nversion = "1.2.4"\n'),
    ],
)
def test_hash_changes_with_every_file_that_goes_in(root: Path, path: str, content: str) -> None:
    before = hash_of(root)
    (root / path).write_text(content)
    assert hash_of(root) != before


def test_hash_changes_with_the_base_the_executable_bit_and_a_moved_boundary(root: Path) -> None:
    before = hash_of(root)
    assert hash_of(root, parent_hash="other base") != before
    (root / "service/app.py").chmod(0o755)
    assert hash_of(root) != before
    one = image_plan.inputs_hash("x", [Input("a", b"bc")], "")
    assert one != image_plan.inputs_hash("x", [Input("ab", b"c")], "")
    assert one != image_plan.inputs_hash("y", [Input("a", b"bc")], "")


def test_tools_are_part_of_the_runbook_and_named_when_missing(root: Path) -> None:
    tools_bin = root / "bin"
    with pytest.raises(EnvironmentMissing, match="supercronic is not in"):
        image_plan.inputs_of(RUNBOOK, root, tools_bin)
    tools_bin.mkdir()
    for tool in ("supercronic", "k6"):
        (tools_bin / tool).write_text("binary")
        (tools_bin / tool).chmod(0o755)
    assert Input("bin/k6", b"binary", executable=True) in image_plan.inputs_of(RUNBOOK, root, tools_bin)


def test_context_is_byte_for_byte_the_same_and_says_nothing_of_this_host() -> None:
    inputs = [Input("Dockerfile", b"FROM x\n"), Input("amas-db", b"#!/bin/bash\n", executable=True)]
    assert image_plan.context(inputs) == image_plan.context(inputs)
    with tarfile.open(fileobj=io.BytesIO(image_plan.context(inputs))) as tar:
        entries = {entry.name: entry for entry in tar}
    assert (entries["Dockerfile"].mode, entries["amas-db"].mode) == (0o644, 0o755)
    assert entries["ca-certificates"].isdir()
    assert {(entry.uid, entry.mtime, entry.uname) for entry in entries.values()} == {(0, 0, "")}


def test_tag_shows_the_versions_and_the_hash() -> None:
    packages = {"postgresql-17": "17.12-0+deb13u1", "postgresql-17-timescaledb": "2.19.3+dfsg-1+deb13u1"}
    assert image_plan.tag_of(DB, packages, "0123456789abcdef") == "amas/db:pg17.12-ts2.19.3-0123456789ab"
    assert image_plan.tag_of(SERVICE, {"amas": "0.1.0"}, "f" * 64) == "amas/service:0.1.0-ffffffffffff"


@pytest.mark.parametrize(
    ("version", "upstream"),
    [
        ("5:8.0.2-3+deb13u3", "8.0.2"),
        ("2.53.3+ds1-2", "2.53.3"),
        ("13.8+deb13u8", "13.8"),
        ("1.0~rc1-1", "1.0"),
        ("0.1.0", "0.1.0"),
    ],
)
def test_upstream_version_is_what_a_reader_knows(version: str, upstream: str) -> None:
    assert image_plan.upstream(version) == upstream


def test_an_image_waits_for_those_it_stands_on(root: Path) -> None:
    first, second = Recipe("db", {}), Recipe("backup", {}, {"PARENT": "db", "RUNBOOK": "base"})
    _, plans = image_plan.plan_of([first, second], root, root / "bin")
    waves = [[each.recipe.name for each in wave] for wave in image_plan.waves(plans, ["base"])]
    assert waves == [["db"], ["backup"]]


def test_hash_changes_with_an_image_it_stands_on(root: Path) -> None:
    recipes = [Recipe("db", {}), Recipe("backup", {}, {"PARENT": "db"})]
    _, (_, before) = image_plan.plan_of(recipes, root, root / "bin")
    (root / "images/db").mkdir()
    (root / "images/db/Dockerfile").write_text("FROM scratch\n")
    _, (_, after) = image_plan.plan_of(recipes, root, root / "bin")
    assert before.hash != after.hash
    assert before.inputs == after.inputs


def test_every_recipe_comes_after_those_it_stands_on() -> None:
    known = {"base"}
    for recipe in OTHERS:
        assert known.issuperset(recipe.parents.values()), recipe.name
        known.add(recipe.name)


def test_a_stack_builds_no_browser() -> None:
    assert BROWSER not in OTHERS


def test_every_tag_is_one_the_engine_takes() -> None:
    for recipe in (BASE, *OTHERS, BROWSER):
        tag = image_plan.tag_of(recipe, dict.fromkeys(recipe.shown, "1:2.3+dfsg~x-1"), "a" * 64)
        assert set(tag.partition(":")[2]) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_")


def test_versions_file_is_one_package_a_line() -> None:
    text = "redis-server 5:8.0.2-3+deb13u3\npython3.13 3.13.5-2\n"
    assert image_plan.parse_versions(text) == {"redis-server": "5:8.0.2-3+deb13u3", "python3.13": "3.13.5-2"}


def test_lock_is_replaced_whole_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "state" / "images.json"
    entry = Entry(id="sha256:1", tag="amas/db:1-2", size_bytes=3, packages={"postgresql-17": "17.12"})
    images.write_lock({"db": entry}, path)
    assert json.loads(path.read_text()) == {"db": entry}
    assert [file.name for file in path.parent.iterdir()] == ["images.json"]
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert images.read_lock(path) == {"db": entry}


@pytest.mark.parametrize("content", [None, "", "{half"])
def test_lock_that_cannot_be_read_is_none(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "images.json"
    if content is not None:
        path.write_text(content)
    assert images.read_lock(path) == {}


def test_proxies_of_the_host_reach_the_build_and_apts_own_fills_in() -> None:
    environ = {"https_proxy": "http://proxy:1", "PATH": "/bin", "no_proxy": ""}
    assert image_plan.build_arguments({"PARENT": "amas/base:1"}, environ, "http://apt:2") == {
        "PARENT": "amas/base:1",
        "https_proxy": "http://proxy:1",
        "http_proxy": "http://apt:2",
    }
    assert image_plan.build_arguments({"PARENT": "b"}, {"HTTP_PROXY": "http://proxy:1"}, "http://apt:2") == {
        "PARENT": "b",
        "HTTP_PROXY": "http://proxy:1",
    }


def test_pip_learns_where_packages_are_and_nothing_else() -> None:
    listed = (
        "global.cert='/etc/ssl/certs/ca-certificates.crt'\n"
        "global.index-url='https://one.example/simple'\n"
        "install.trusted-host='a.example\\nb.example'\n"
        ":env:.index-url='https://two.example/simple'\n"
        ":env:.find-links='/opt/wheels'\n"
    )
    assert image_plan.pip_conf(listed) == (
        "[global]\nindex-url = https://two.example/simple\ntrusted-host = a.example b.example\n"
    )
    assert image_plan.pip_conf("") == "[global]\n"


def test_npm_learns_where_packages_are_and_nothing_else() -> None:
    listed = (
        '{"registry": "https://one.example/npm/", "cafile": "/etc/ssl/certs.crt", "proxy": null,'
        ' "noproxy": ["a.example", "b.example"], "strict-ssl": false, "//one.example/:_authToken": "secret"}'
    )
    assert image_plan.npmrc(listed, {}) == (
        "registry = https://one.example/npm/\nnoproxy = a.example,b.example\nstrict-ssl = false\n"
    )
    assert image_plan.npmrc('{"noproxy": [""]}', {}) == ""


def test_a_host_without_npm_says_by_the_variables_of_npm_where_packages_are() -> None:
    environ = {"npm_config_registry": "https://two.example/", "npm_config_cache": "/tmp/npm"}
    assert image_plan.npmrc("", environ) == "registry = https://two.example/\n"
    assert image_plan.npmrc("", {}) == ""


def test_debian_archive_comes_from_this_hosts_apt() -> None:
    targets = (
        "http://mirror.example/debian/|Debian\n"
        "http://mirror.example/security/|Debian-Security\n"
        "https://other.example/|Other\n"
    )
    assert image_plan.debian_mirrors(targets, None) == (
        "http://mirror.example/debian/",
        "http://mirror.example/security/",
    )
    assert image_plan.debian_mirrors(targets, "http://chosen.example/debian/") == (
        "http://chosen.example/debian/",
        "http://chosen.example/debian-security",
    )


def test_host_without_a_debian_archive_is_told_what_to_set() -> None:
    with pytest.raises(EnvironmentMissing) as missing:
        image_plan.debian_mirrors("http://archive.example/ubuntu|Ubuntu\n", None)
    assert "AMAS_DEBIAN_MIRROR" in str(missing.value.next_command)


LOG = [
    "Step 1/3 : FROM amas/base",
    "Step 2/3 : RUN amas-install postgresql-99",
    *(f"Get:{number}" for number in range(40)),
    "E: Unable to locate package postgresql-99",
    "The command returned a non-zero code: 100",
]


def test_failing_step_is_its_own_line_and_the_last_it_said() -> None:
    step, *said = image_plan.failing_step(LOG)
    assert step == "Step 2/3 : RUN amas-install postgresql-99"
    assert said[-1] == "The command returned a non-zero code: 100"
    assert len(said) == image_plan.LAST_LINES
    assert image_plan.failing_step([]) == [""]


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("E: Unable to locate package postgresql-99", "postgresql-99"),
        ("E: Package 'redis-server' has no installation candidate", "redis-server"),
        ("E: Couldn't find these debs: busybox", "busybox"),
        ("ERROR: No matching distribution found for starlette==99", "starlette==99"),
        ("error: something else", None),
    ],
)
def test_missing_package_is_found_in_the_output(line: str, package: str | None) -> None:
    assert image_plan.missing_package(["Step 1/1 : RUN x", line]) == package


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "image-db.log"
    path.write_text("")
    return path


def test_failed_build_names_image_step_package_and_log(log: Path) -> None:
    def answers() -> Iterator[dict[str, str]]:
        yield from ({"stream": f"{line}\n"} for line in LOG)
        yield {"error": "The command returned\x1b[0m a non-zero code: 100"}

    with pytest.raises(CheckFailed) as failed:
        images._follow(answers(), "db", log)
    assert "image db was not built: package postgresql-99 cannot be had" in failed.value.message
    assert "Step 2/3 : RUN amas-install postgresql-99" in failed.value.message
    assert str(log) in failed.value.message
    assert failed.value.next_command == f"less {log}"
    assert "\x1b" not in log.read_text()


def test_finished_build_gives_the_images_id(log: Path) -> None:
    answers: list[dict[str, object]] = [
        {"stream": "Step 1/1 : FROM x\n"},
        {"aux": {"ID": "sha256:1"}},
        {"stream": "ok\n"},
    ]
    assert images._follow(answers, "db", log) == "sha256:1"
    assert log.read_text() == "Step 1/1 : FROM x\nok\n"


def test_image_counts_as_present_only_under_a_tag_of_its_hash() -> None:
    """Layers of a failed build inherit the base's label, so the label alone proves nothing."""

    class Found:
        tags = ("amas/db:trial", "amas/db:pg17.12-ts2.19.3-aaaaaaaaaaaa")

    plan = Plan(DB, (), "a" * 64)
    assert images._tag(Found(), plan) == "amas/db:pg17.12-ts2.19.3-aaaaaaaaaaaa"  # type: ignore[arg-type]
    assert images._tag(Found(), Plan(DB, (), "b" * 64)) is None  # type: ignore[arg-type]


def test_every_recipe_has_its_dockerfile() -> None:
    for recipe in (BASE, *OTHERS):
        assert (places.ROOT / "images" / recipe.name / "Dockerfile").is_file()
