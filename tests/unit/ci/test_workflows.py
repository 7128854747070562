"""The workflows run what exists, with no more rights than they need, and show no secret."""

import importlib.util
import os
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.keys import KEYS, OneOf
from loadtests.baseline import LEAST_RUNS
from loadtests.catalog import TESTS, Target, catalog
from loadtests.plan import Order, plan
from loadtests.verdict import DRAIN_WITHIN_S
from tests.verbs import parsed

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
# What every runner has; everything else must be in this checkout.
RUNNERS_OWN = {"cd", "gh", "sha256sum"}
AT = datetime(2026, 1, 2, tzinfo=UTC)
# Tools and images where none are kept, and the stack up.
BUILD_S = 45 * 60
# Rights that a job may be given, by workflow.
READ, WRITE = ("contents", "read"), ("contents", "write")
RIGHTS = {"check": {READ}, "load": {READ}, "release": {READ, WRITE}}
SECRET = re.compile(r"\$\{\{\s*(secrets\.|github\.token)|\bGH_TOKEN\b|\bGITHUB_TOKEN\b", re.IGNORECASE)

each = pytest.mark.parametrize("path", FILES, ids=lambda one: one.stem)


def workflow(path: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text())
    return loaded


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in workflow(path)["jobs"].values():
        yield from job["steps"]


def commands(path: Path) -> Iterator[list[str]]:
    """Each command of each step as words, `sudo` left out."""
    for step in steps(path):
        for line in step.get("run", "").splitlines():
            for command in line.split("&&"):
                words = shlex.split(command)
                yield words[2:] if words[:2] == ["sudo", "-E"] else words


def test_there_is_one_for_each_purpose() -> None:
    assert [path.stem for path in FILES] == ["check", "load", "release"]


@each
def test_actions_are_pinned_by_commit_with_their_version_beside(path: Path) -> None:
    for line in re.findall(r"uses: (.*)", path.read_text()):
        assert re.fullmatch(r"actions/[a-z-]+(/[a-z]+)?@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line), line


@each
def test_rights_are_named_and_no_wider_than_needed(path: Path) -> None:
    made = workflow(path)
    assert "permissions" in made, "without it a token may do much"
    granted = [made["permissions"], *(job.get("permissions", {}) for job in made["jobs"].values())]
    assert {right for rights in granted for right in rights.items()} <= RIGHTS[path.stem]


@each
def test_a_token_that_may_write_is_never_near_what_runs_this_projects_code(path: Path) -> None:
    made = workflow(path)
    for job in made["jobs"].values():
        rights = job.get("permissions", made["permissions"])
        if "write" in rights.values():
            programs = {words[0] for words in of_job(job)}
            assert programs <= RUNNERS_OWN


def of_job(job: dict[str, Any]) -> Iterator[list[str]]:
    for step in job["steps"]:
        for command in re.split(r"&&|\n", step.get("run", "")):
            if command.strip():
                yield shlex.split(command)


@each
def test_every_job_ends_in_time_on_a_named_system(path: Path) -> None:
    for job in workflow(path)["jobs"].values():
        assert job["timeout-minutes"] <= 300
        assert re.fullmatch(r"ubuntu-\d\d\.04", job["runs-on"])


def test_every_profile_on_offer_ends_in_time() -> None:
    made = workflow(FOLDER / "load.yml")
    offered = made[True]["workflow_dispatch"]["inputs"]["profile"]["options"]
    (words,) = (words for words in commands(FOLDER / "load.yml") if "loadtest" in words)
    repeat = int(words[words.index("--repeat") + 1])
    for profile in offered:
        planned = plan(Order("mixed", profile, ""), catalog(), Target("x", "y", ()), "z", AT, "m")
        needed_s = BUILD_S + repeat * (planned.wall_limit_s + DRAIN_WITHIN_S)
        assert needed_s <= 60 * made["jobs"]["load"]["timeout-minutes"], profile


@each
def test_every_command_exists(path: Path) -> None:
    for words in commands(path):
        program = words[0]
        if program.endswith("bin/amas"):
            parsed(shlex.join(["amas", *words[1:]]))
        elif "/" in program:
            assert os.access(ROOT / program, os.X_OK), program
        else:
            assert program in RUNNERS_OWN, program


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("[a-z]*")), ids=lambda one: one.name)
def test_every_command_of_a_script_exists(script: Path) -> None:
    """Of those of this project: modules, verbs, other scripts."""
    text = "\n".join(line for line in script.read_text().splitlines() if not line.lstrip().startswith("#"))
    for module in re.findall(r"python -m ([a-z_.]+)", text):
        assert importlib.util.find_spec(module), module
    for called in re.findall(r"(?<![\w/.$])(scripts/[a-z]+)\b", text):
        assert os.access(ROOT / called, os.X_OK), called
    for line in re.findall(r"\.venv/bin/amas ((?:[a-z][a-z-]*|--[a-z-]+)(?: [^;|&)\n]+)?)", text):
        parsed("amas " + line.replace('"$@"', ""))


@each
def test_what_comes_from_outside_reaches_a_shell_only_as_a_variable(path: Path) -> None:
    """An expression in a command would be pasted into it before the shell reads it."""
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@each
def test_no_secret_is_shown_and_no_shell_traces(path: Path) -> None:
    for step in steps(path):
        run = step.get("run", "")
        assert not SECRET.search(run), run
        assert not re.search(r"\bset -\w*x|\bprintenv\b|\benv\b *$|keys show", run), run


@each
def test_checked_out_sources_hold_no_token(path: Path) -> None:
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each
def test_a_token_is_given_to_the_one_job_that_publishes(path: Path) -> None:
    holders = [name for name, job in workflow(path)["jobs"].items() if SECRET.search(yaml.safe_dump(job))]
    assert holders == (["publish"] if path.stem == "release" else [])


def test_the_nightly_run_offers_the_tests_and_profiles_that_there_are() -> None:
    inputs = workflow(FOLDER / "load.yml")[True]["workflow_dispatch"]["inputs"]  # YAML 1.1 reads `on` as true
    assert set(inputs["test"]["options"]) == set(TESTS)
    assert set(inputs["profile"]["options"]) == set(catalog().profiles)
    assert inputs["profile"]["default"] in inputs["profile"]["options"]


def test_the_nightly_run_compares_with_what_earlier_ones_kept() -> None:
    (words,) = (words for words in commands(FOLDER / "load.yml") if "loadtest" in words)
    folder = words[words.index("--baselines") + 1]
    assert "--set-missing-baseline" in words
    assert int(words[words.index("--repeat") + 1]) >= LEAST_RUNS
    names = [step.get("uses", step.get("run", "")).partition("@")[0] for step in steps(FOLDER / "load.yml")]
    (run,) = (at for at, name in enumerate(names) if "loadtest" in name)
    assert names.index("actions/cache/restore") < run < names.index("actions/cache/save")
    restored, saved = (
        step["with"] for step in steps(FOLDER / "load.yml") if "actions/cache/" in step.get("uses", "")
    )
    assert restored["path"] == saved["path"] == folder
    assert restored["key"] == saved["key"], "each night has one of its own, since none is ever overwritten"
    assert "github.run_id" in saved["key"]
    assert saved["key"].startswith(restored["restore-keys"])


def test_what_may_be_scheduled_is_there() -> None:
    choices = {key.name: set(key.allowed.choices) for key in KEYS if isinstance(key.allowed, OneOf)}
    assert choices["loadTestTest"] == set(TESTS)
    # The rising load has a schedule of its own.
    assert choices["loadTestProfile"] == set(catalog().profiles) - {"breakpoint"}
