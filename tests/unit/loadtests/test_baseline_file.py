"""A baseline that is broken is told before any load, and never taken for none."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from loadtests import baseline_file, flow
from loadtests.flow import Outcome, Place
from loadtests.k6 import Keys
from loadtests.tell import Teller
from runbook.api import Api
from runbook.ci import command as ci_command
from runbook.errors import EnvironmentMissing, UsageError
from runbook.loadtest import command
from runbook.terminal import Progress
from tests.unit.loadtests.testing_facts import AT, outcome

NAME = "development/mixed.smoke.json"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A good one."""
    runs = [{**outcome(tmp_path).facts(), "fingerprint": {"cpu": "x"}}] * 4
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
    """What load went out; baselines lie in `tmp_path`."""
    loads: list[str] = []

    def load_test(*_: object) -> Outcome:
        loads.append("load")
        return outcome(tmp_path)

    address = "http://127.0.0.1:3000"
    api = Api(address, transport=httpx.MockTransport(_says_what_it_is))
    place = Place(
        service=api, keys=Keys(), k6="k6", results=tmp_path, progress=Progress(), teller=Teller(), url=address
    )
    monkeypatch.setattr(flow, "load_test", load_test)
    monkeypatch.setattr(baseline_file, "place", lambda *_: tmp_path / NAME)
    for verb in (command, ci_command):
        monkeypatch.setattr(verb, "opened", lambda *_: place)
        monkeypatch.setattr(verb, "keep_all", lambda *_: [])
    monkeypatch.setattr(ci_command, "stand_up", lambda *_: None)
    return loads


VERBS = pytest.mark.parametrize(
    ("app", "verb"),
    [(command.app, ["run", "mixed"]), (ci_command.app, ["loadtest", "mixed"])],
    ids=["run", "ci"],
)


@VERBS
def test_a_broken_one_is_told_before_anything_is_sent(
    app: Any, verb: list[str], file: Path, sent: list[str]
) -> None:
    file.write_text("{")
    done = CliRunner().invoke(app, verb)
    assert (type(done.exception), sent) == (UsageError, [])


@VERBS
def test_one_that_is_required_is_missed_before_anything_is_sent(
    app: Any, verb: list[str], sent: list[str]
) -> None:
    done = CliRunner().invoke(app, [*verb, "--require-baseline"])
    assert isinstance(done.exception, EnvironmentMissing)
    assert "mixed.smoke.json: nothing was sent" in done.exception.message
    assert sent == []


@VERBS
def test_without_one_a_run_is_compared_with_nothing(
    app: Any, verb: list[str], sent: list[str], tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, [*verb, "--repeat", "1", "--out", str(tmp_path)])
    assert (done.exit_code, sent) == (0, ["load"]), done.exception
