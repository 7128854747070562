"""A baseline that is broken is told before any load, and never taken for none."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from loadtests import baseline, baseline_file, flow, results
from loadtests.flow import Outcome, Place
from loadtests.k6 import Keys
from loadtests.tell import Teller
from runbook.api import Api
from runbook.ci import command as ci_command
from runbook.errors import EnvironmentMissing, UsageError
from runbook.loadtest import command
from runbook.loadtest.against import Against, Wanted
from runbook.terminal import Progress
from tests.unit.loadtests.testing_facts import AT, FOUND, outcome, planned

MACHINE = {"cpu": "x", "cpus": "2"}
Verb = Callable[..., Any]
NAME = f"development/mixed.smoke.{baseline.mark(MACHINE)}.json"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A good one."""
    runs = [{**outcome(tmp_path).facts(), "fingerprint": {**MACHINE, "k6": "2.2.0"}}] * 4
    return baseline_file.keep(runs, "a new disk", AT, tmp_path)


def spoilt(file: Path, change: Callable[[Any], Any]) -> Path:
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    return file


def run_with(**changed: Any) -> Callable[[Any], Any]:
    return lambda held: {**held, "runs": [held["runs"][0], {**held["runs"][1], **changed}]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: [1], r"must be an object, not \[1\]"),
        (lambda held: {**held, "reason": None}, "`reason` must be a text, not None"),
        (lambda held: {**held, "runs": []}, r"`runs` must be a list of one run or more, not \[\]"),
        (run_with(verdict="failed"), r"`runs\[1\]` must be a run that passed"),
        (run_with(result=None), r"`runs\[1\]\.result\.p95_ms` must be a number"),
        (run_with(result={"p95_ms": 1, "p99_ms": "2"}), r"`runs\[1\]\.result\.p99_ms` must be a number"),
        (run_with(fingerprint=["cpu"]), r"`runs\[1\]\.fingerprint` must be names with texts, not \['cpu'\]"),
    ],
)
def test_one_of_a_wrong_shape_is_refused_by_the_field_that_is_wrong(
    file: Path, change: Callable[[Any], Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        baseline_file.read_if_there(spoilt(file, change))
    assert str(file) in refused.value.message
    assert refused.value.next_command == "amas loadtest baseline set RESULT..."


def test_one_that_is_no_json_is_refused(file: Path) -> None:
    file.write_text(file.read_text()[:-20])
    with pytest.raises(UsageError, match="is no baseline"):
        baseline_file.read_if_there(file)


def test_a_share_of_errors_without_samples_is_no_fault(file: Path) -> None:
    result = {"p95_ms": 1, "p99_ms": 2, "rate": 3.5, "error_share": None}
    assert baseline_file.read_if_there(spoilt(file, run_with(result=result))) is not None


def test_only_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert baseline_file.read_if_there(tmp_path / NAME) is None
    (tmp_path / NAME).mkdir(parents=True)
    with pytest.raises(UsageError, match="Is a directory"):
        baseline_file.read_if_there(tmp_path / NAME)


def _says_what_it_is(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"environment": "development"})


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What load went out; this machine is one of two processors."""
    loads: list[str] = []

    def load_test(*_: object) -> Outcome:
        loads.append("load")
        return replace(outcome(tmp_path), fingerprint={**MACHINE, "k6": "2.2.0"})

    address = "http://127.0.0.1:3000"
    api = Api(address, transport=httpx.MockTransport(_says_what_it_is))
    place = Place(
        service=api, keys=Keys(), k6="k6", results=tmp_path, progress=Progress(), teller=Teller(), url=address
    )
    monkeypatch.setattr(flow, "load_test", load_test)
    monkeypatch.setattr(baseline, "this_machine", lambda: MACHINE)
    for verb in (command, ci_command):
        monkeypatch.setattr(verb, "opened", lambda *_: place)
        monkeypatch.setattr(verb, "keep_all", lambda *_: [])
        monkeypatch.setattr(verb, "alone", lambda *_: nullcontext())
    monkeypatch.setattr(ci_command, "stand_up", lambda *_: None)
    return loads


@pytest.fixture(
    params=[(command.app, ["run", "mixed"]), (ci_command.app, ["loadtest", "mixed"])], ids=["run", "ci"]
)
def verb(request: pytest.FixtureRequest, tmp_path: Path) -> Verb:
    """Both that send load, with baselines and results in `tmp_path`."""
    app, words = request.param
    folders = ["--baselines", str(tmp_path), "--out", str(tmp_path)]
    return lambda *options: CliRunner().invoke(app, [*words, *folders, *options])


def test_a_broken_one_is_told_before_anything_is_sent(verb: Verb, file: Path, sent: list[str]) -> None:
    file.write_text("{")
    assert (type(verb().exception), sent) == (UsageError, [])


def test_one_that_is_required_is_missed_before_anything_is_sent(verb: Verb, sent: list[str]) -> None:
    done = verb("--require-baseline")
    assert isinstance(done.exception, EnvironmentMissing)
    assert done.exception.message.endswith(".json: nothing was sent")
    assert sent == []


def test_without_one_a_run_says_that_there_is_none(verb: Verb, sent: list[str]) -> None:
    done = verb("--repeat", "1")
    assert (done.exit_code, sent) == (0, ["load"]), done.exception
    assert "none for this machine" in done.stdout


def test_runs_that_passed_become_the_one_that_is_missing_and_are_compared_with(
    verb: Verb, sent: list[str], tmp_path: Path
) -> None:
    first = verb("--repeat", "4", "--set-missing-baseline")
    assert (first.exit_code, len(sent)) == (0, 4), first.exception
    assert "set by these runs, where none was" in first.stdout
    kept = (tmp_path / NAME).read_text()
    again = verb("--repeat", "4", "--set-missing-baseline")
    assert "same" in again.stdout
    assert (tmp_path / NAME).read_text() == kept


def test_one_of_another_load_gives_way(verb: Verb, sent: list[str], file: Path) -> None:
    file.write_text(file.read_text().replace('"2.2.0"', '"2.1.0"'))
    done = verb("--repeat", "4", "--set-missing-baseline")
    assert (done.exit_code, len(sent)) == (0, 4), done.exception
    assert "set by these runs, in place of another" in done.stdout
    assert "k6: '2.1.0' and '2.2.0'" in json.loads(file.read_text())["reason"]


def test_one_of_another_machine_stays_beside(sent: list[str], verb: Verb, tmp_path: Path, file: Path) -> None:
    other = file.rename(file.with_name(f"mixed.smoke.{baseline.mark({'cpu': 'y'})}.json"))
    verb("--repeat", "4", "--set-missing-baseline")
    assert (other.exists(), (tmp_path / NAME).exists(), len(sent)) == (True, True, 4)


def test_runs_that_did_not_pass_become_none(tmp_path: Path) -> None:
    failed = replace(outcome(tmp_path, found=replace(FOUND, left=1)), fingerprint=MACHINE)
    wanted = Wanted(tmp_path, set_missing=True)
    found = Against(None, wanted).judged([failed] * 4, AT)
    assert (found.answer, list(tmp_path.rglob("*.json"))) == ("none", [])
    assert found.incomparable[0].startswith("not set: only runs that passed make a baseline")
    short = Against(None, wanted).judged([outcome(tmp_path)] * 3, AT)
    assert short.incomparable == (
        "not set: 3 runs: 4 or more make a baseline, since fewer tell of no change",
    )


@pytest.mark.parametrize(
    "options", [["--repeat", "3"], ["--repeat", "4", "--require-baseline"]], ids=["few", "both"]
)
def test_what_cannot_become_one_is_refused_before_anything_is_sent(
    verb: Verb, sent: list[str], options: list[str]
) -> None:
    done = verb("--set-missing-baseline", *options)
    assert (type(done.exception), sent) == (UsageError, [])


def test_one_is_set_shown_and_compared_with_in_the_folder_that_is_named(
    sent: list[str], tmp_path: Path, file: Path
) -> None:
    folder = ["--baselines", str(tmp_path)]
    shown = CliRunner().invoke(command.app, ["baseline", "show", "mixed", *folder])
    assert "a new disk" in shown.stdout
    results.write(
        tmp_path / results.SUMMARY, json.dumps(outcome(tmp_path).facts() | {"fingerprint": MACHINE})
    )
    compared = CliRunner().invoke(command.app, ["compare", str(tmp_path), *folder])
    assert "not comparable" in compared.stdout, (compared.exception, file, sent)


def test_older_results_go_after_a_run_that_was_asked_to_take_them(sent: list[str], tmp_path: Path) -> None:
    older = tmp_path / "20250101T023000Z-mixed-smoke"
    older.mkdir()
    (older / results.SUMMARY).write_text("{}")
    present = results.begun(tmp_path, planned())
    (present / results.SUMMARY).write_text("{}")
    done = CliRunner().invoke(command.app, ["run", "mixed", "--keep-results", "1"])
    assert (done.exit_code, len(sent)) == (0, 1), done.exception
    assert (older.exists(), present.exists()) == (False, True)


def test_while_another_is_at_work_nothing_is_sent(
    verb: Verb, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object) -> AbstractContextManager[None]:
        raise UsageError("another load test is at work")

    for module in (command, ci_command):
        monkeypatch.setattr(module, "alone", taken)
    assert (type(verb().exception), sent) == (UsageError, [])
