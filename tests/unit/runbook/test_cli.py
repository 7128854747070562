import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runbook import cli
from runbook.errors import CheckFailed, EnvironmentMissing, UsageError
from runbook.stack import Setting
from runbook.testing import MemoryEngine, container

VERBS = (
    ["up"], ["smoke"], ["down"], ["status"], ["logs"], ["health"], ["env"],
    ["keys", "show"], ["db", "psql"], ["cache", "cli"],
    ["db", "size"], ["db", "growth"], ["db", "slow"], ["cache"], ["cache", "clear"], ["pool"],
    ["pool", "relieve"], ["insights", "rate"], ["insights", "get"], ["insights", "cache"],
    ["retention", "simulate"], ["retention", "apply"], ["overload"], ["restart"], ["capacity"], ["outdated"],
)  # fmt: skip


def amas(*arguments: str) -> int:
    as_json = "--json" in arguments
    return cli.run(lambda: cli.app(list(arguments), prog_name="amas", standalone_mode=False), as_json=as_json)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> MemoryEngine:
    engine = MemoryEngine(held=[container("db"), container("api")])
    monkeypatch.setattr(cli, "connect", lambda: engine)
    return engine


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_says_where_it_runs(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert amas(*verb, "--help") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Runs on the host" in told


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_fits_sixty_columns(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    amas(*verb, "--help")
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(CheckFailed("no"), 1), (UsageError("no"), 2), (EnvironmentMissing("no"), 3)],
)
def test_each_kind_of_error_has_its_exit_code(error: Exception, exit_code: int) -> None:
    def fail() -> None:
        raise error

    assert cli.run(fail, as_json=False) == exit_code


def test_an_error_names_reason_and_next_command_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise EnvironmentMissing("there is no stack `local`", "./scripts/up")

    cli.run(fail, as_json=False)
    printed = capsys.readouterr()
    assert printed.err == "error: there is no stack `local`\nnext: ./scripts/up\n"
    assert printed.out == ""


def test_an_error_is_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert amas("keys", "show", "root", "--json") == 2
    told = json.loads(capsys.readouterr().err)
    assert told == {
        "error": "scope 'root': one of ingest, read, admin, metrics",
        "next": "amas keys show ingest",
        "exitCode": 2,
    }


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["status", "--nonsense"], ["logs", "--tail", "0"], ["keys", "show"]]
)
def test_wrong_usage_exits_with_two_and_no_traceback(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert amas(*arguments) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_an_interrupt_is_told_without_a_traceback(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "containers", interrupted)
    assert amas("status") == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_termination_ends_a_verb_as_ctrl_c_does(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_away: list[str] = []

    def containers(*_: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            put_away.append("all")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(engine, "containers", containers)
    monkeypatch.setattr(sys, "argv", ["amas", "status"])
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (ended.value.code, put_away) == (130, ["all"])
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_key_is_printed_alone(configured: dict[str, Setting], capsys: pytest.CaptureFixture[str]) -> None:
    """So that `curl -H "Authorization: Bearer $(amas keys show ingest)"` works."""
    assert amas("keys", "show", "ingest") == 0
    assert capsys.readouterr().out == f"{configured['keyIngest'].value}\n"


def test_status_exits_with_one_when_a_part_is_ill(
    engine: MemoryEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert amas("status", "--json") == 0
    engine.held[0] = container("db", health="unhealthy")
    assert amas("status", "--json") == 1
    assert capsys.readouterr().err == ""


def test_purge_with_another_name_touches_nothing(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("runbook.down.purge", lambda *_: pytest.fail("it was touched"))
    assert amas("down", "--purge", "Local") == 2
    assert "nothing was touched" in capsys.readouterr().err


def test_psql_arguments_and_exit_code_pass_through(
    engine: MemoryEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []

    def psql(_engine: MemoryEngine, stack: str, arguments: list[str]) -> int:
        called.append([stack, *arguments])
        return 3

    monkeypatch.setattr("runbook.database.psql", psql)
    assert amas("db", "psql", "--", "-c", "SELECT 1", "--json") == 3
    assert called == [["local", "-c", "SELECT 1", "--json"]]


def test_health_and_help_need_neither_the_docker_sdk_nor_pulumi() -> None:
    """The runbook image installs only what the network verbs import."""
    blocked = (
        "import sys; sys.modules.update(docker=None, pulumi=None); from runbook import cli; sys.exit(cli.run("
    )
    script = (
        blocked
        + "lambda: cli.app(['health', '--url', 'http://127.0.0.1:1'], standalone_mode=False), as_json=False))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "no answer" in done.stdout


def test_each_outer_library_has_one_importer() -> None:
    """So that replacing one touches one file."""
    importers = {
        "rich": {"terminal.py"},
        "stamina": {"retry.py"},
        # One reads what others expose, one exposes what the autoscaler tells.
        "prometheus_client": {"exposition.py", "exposed.py"},
        "cronsim": {"crontab.py"},
    }
    package = Path(cli.__file__).parent
    for library, wanted in importers.items():
        found = {
            file.name
            for file in package.rglob("*.py")
            if file.name != "testing.py"
            and any(
                line.startswith((f"import {library}", f"from {library}"))
                for line in file.read_text().splitlines()
            )
        }
        assert found == wanted
