"""k6 as a child, with a small program in its place."""

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests import flow, k6
from loadtests.flow import Place, Wishes
from loadtests.guard import Needed
from loadtests.k6 import Command, Ended, Folder, Keys
from loadtests.plan import Order, Plan
from loadtests.tell import Teller
from runbook.api import Api
from runbook.api import Keys as ApiKeys
from runbook.errors import CheckFailed, EnvironmentMissing
from runbook.terminal import Progress
from tests.unit.loadtests.testing_facts import AT, planned

FAKE = """
import os, signal, sys, time
if sys.argv[1] == "version":
    print({version!r})
elif sys.argv[1] == "inspect":
    print('{{"maxVUs": 20, "totalDuration": "1m30.5s"}}')
else:
    open({folder!r} + "/environment", "w").write(repr(dict(os.environ)))
    open({folder!r} + "/arguments", "w").write(repr(sys.argv))
    {body}
"""


def command(folder: Path, body: str = "pass", version: str = "k6 v2.2.0 (go1.26)") -> Command:
    program = folder / "fake.py"
    program.write_text(FAKE.format(version=version, folder=str(folder), body=body))
    planned_one = k6.command("k6", planned(), Folder(folder), Keys("the-key", "the-other"))
    return replace(planned_one, program=(sys.executable, "-S", str(program)), script=Path("mixed.js"))


def run(folder: Path, body: str, plan: Plan | None = None, stop: str | None = None) -> Ended:
    return k6.run(command(folder, body), plan or planned(), Folder(folder), lambda _: None, lambda: stop)


def test_it_tells_what_the_plan_takes(tmp_path: Path) -> None:
    assert command(tmp_path).inspect() == Needed(20, 90.5)
    assert command(tmp_path).version() == "2.2.0"


def test_another_major_version_is_missing(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="is not k6 2"):
        command(tmp_path, version="k6 v1.1.0").version()


def test_options_that_it_does_not_take_are_told(tmp_path: Path) -> None:
    broken = Command(("false",), Path("mixed.js"), {}, Keys())
    with pytest.raises(CheckFailed, match=r"k6 does not take mixed\.js"):
        broken.inspect()


@pytest.mark.parametrize("code", [0, 99, 107])
def test_its_exit_code_is_kept(tmp_path: Path, code: int) -> None:
    assert run(tmp_path, f"sys.exit({code})").exit_code == code


def test_nothing_of_our_environment_goes_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K6_VUS", "1000")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    run(tmp_path, "pass")
    inside = (tmp_path / "environment").read_text()
    assert "K6_VUS" not in inside
    assert "PROXY" not in inside


def test_keys_are_read_from_a_file_that_only_the_child_has(tmp_path: Path) -> None:
    folder = str(tmp_path)
    body = f"open({folder!r} + '/read', 'w').write(open(os.environ['LOADTEST_KEYS']).read())"
    run(tmp_path, body)
    assert json.loads((tmp_path / "read").read_text()) == {"ingest": "the-key", "read": "the-other"}
    told = (tmp_path / "environment").read_text() + (tmp_path / "arguments").read_text()
    assert "the-key" not in told
    assert "the-other" not in told


def test_it_is_asked_to_end_and_ends(tmp_path: Path) -> None:
    body = "signal.signal(signal.SIGINT, lambda *_: sys.exit(105)); time.sleep(60)"
    ended = run(tmp_path, body, stop="an alert fired")
    assert (ended.exit_code, ended.stopped_because) == (105, "an alert fired")


def test_it_is_killed_when_it_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(k6, "GRACEFUL_S", -4.5)
    ended = run(tmp_path, "signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)", stop="now")
    assert ended.exit_code == -signal.SIGKILL


def test_beyond_its_time_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plan, "wall_limit_s", 0.5)
    body = "signal.signal(signal.SIGINT, lambda *_: sys.exit(105)); time.sleep(60)"
    assert run(tmp_path, body).stopped_because == "not done within 0 s"


def test_a_signal_to_us_ends_it_and_is_told(tmp_path: Path) -> None:
    body = "signal.signal(signal.SIGINT, lambda *_: sys.exit(105)); time.sleep(60)"

    def when_it_runs() -> None:
        while not (tmp_path / "arguments").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=when_it_runs).start()
    ended = run(tmp_path, body)
    assert ended.interrupted
    assert ended.stopped_because == "interrupted"


def test_what_it_uses_of_the_processor_is_its_share_of_what_it_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(k6, "cpus", lambda: 0.01)
    assert run(tmp_path, "[None for _ in range(20_000_000)]").cpu_share > 0.8
    monkeypatch.setattr(k6, "cpus", lambda: 100.0)
    assert run(tmp_path, "pass").cpu_share < 0.1


def test_what_scripts_threw_is_found_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "k6.log"
    assert k6.script_errors(log) == []
    log.write_text(
        '{"level":"error","msg":"Error: boom\\n\\tat default","source":"stacktrace"}\n'
        '{"level":"error","msg":"thresholds on metrics have been crossed"}\n'
        "half a li"
    )
    assert k6.script_errors(log) == ["Error: boom"]


def test_a_signal_ends_what_comes_before_and_after_the_load_as_ctrl_c_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(
        service=Api("http://127.0.0.1:1", ApiKeys()), keys=Keys(), k6="k6", results=tmp_path,
        progress=Progress(), teller=Teller(), url="http://127.0.0.1:1",
    )  # fmt: skip
    monkeypatch.setattr(flow, "prepared", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with pytest.raises(KeyboardInterrupt):
            flow.load_test(Order("mixed", "smoke", place.url), place, AT, Wishes())
    finally:
        signal.signal(signal.SIGTERM, before)
