"""Against a stand-in for the CLI: a script that writes down how it was called."""

import json
import signal
import stat
from pathlib import Path

import pytest

from runbook import environment
from runbook.errors import CheckFailed, EnvironmentMissing, Terminated
from runbook.events import Changed, Event
from runbook.stack import Setting, Stack

EVENT = {
    "resOutputsEvent": {
        "metadata": {
            "op": "create",
            "urn": "a::b::lb",
            "type": "docker:index/container:Container",
            "new": {"custom": True},
        }
    }
}


@pytest.fixture
def bin_dir(tmp_path: Path, state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    state_dir.mkdir()
    (state_dir / "passphrase").write_text("phrase")
    monkeypatch.setattr(environment, "path_entries", lambda: [tmp_path])
    return tmp_path


def stand_in(bin_dir: Path, does: str) -> None:
    script = bin_dir / "pulumi"
    script.write_text(f'#!/bin/sh\necho "$*" >> {bin_dir}/argv\nenv > {bin_dir}/env\n{does}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)


def test_a_secret_goes_in_by_stdin_and_never_by_argv_or_environment(bin_dir: Path) -> None:
    stand_in(bin_dir, f"cat > {bin_dir}/stdin")
    Stack("local").set_secret("keyIngest", "s3cret")
    assert (bin_dir / "stdin").read_text() == "s3cret"
    assert "s3cret" not in (bin_dir / "argv").read_text() + (bin_dir / "env").read_text()
    assert (bin_dir / "argv").read_text().startswith("config set --secret amas:keyIngest --stack local")


def test_the_configuration_is_read_without_its_namespace(bin_dir: Path) -> None:
    listed = {
        "amas:replicas": {"value": "3", "secret": False},
        "amas:keyRead": {"value": "k", "secret": True},
        "docker:host": {"value": "unix:///x", "secret": False},
    }
    stand_in(bin_dir, f"echo '{json.dumps(listed)}'")
    assert Stack("local").config() == {
        "replicas": Setting("3", secret=False),
        "keyRead": Setting("k", secret=True),
    }


def test_a_secret_hides_itself_where_it_is_shown() -> None:
    assert "k3y" not in repr({"keyRead": Setting("k3y", secret=True)})


def test_an_unknown_stack_is_a_missing_environment(bin_dir: Path) -> None:
    stand_in(bin_dir, 'echo "error: no stack named nope found" >&2; exit 6')
    with pytest.raises(EnvironmentMissing, match="`nope`"):
        Stack("nope").outputs()


def test_a_call_that_fails_tells_what_the_cli_said(bin_dir: Path) -> None:
    stand_in(bin_dir, 'echo "error: the stack is currently locked" >&2; exit 255')
    with pytest.raises(
        CheckFailed, match="config --show-secrets ended with 255: error: the stack is currently locked"
    ):
        Stack("local").config()


def test_without_the_cli_the_way_to_begin_is_named(bin_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentMissing) as raised:
        Stack("local").outputs()
    assert raised.value.next_command == "./scripts/up"


def test_a_stack_without_an_address_does_not_stand(bin_dir: Path) -> None:
    stand_in(bin_dir, "echo '{}'")
    with pytest.raises(EnvironmentMissing, match="does not stand"):
        Stack("local").url()


def test_events_arrive_while_the_cli_works_and_after_it_ended(bin_dir: Path) -> None:
    does = f"""
    while [ "$1" != --event-log ]; do shift; done
    echo 'Updating (local)'
    printf '%s\\n' '{json.dumps(EVENT)}' > "$2"
    printf '%s' '{{"resOut' >> "$2"; sleep 0.2; printf '%s\\n' 'x' >> "$2"
    printf '%s\\n' '{json.dumps(EVENT)}' >> "$2"
    exit 7"""
    stand_in(bin_dir, does)
    seen: list[Event] = []
    assert Stack("local").up(["replicas=3"], bin_dir / "logs" / "up.log", seen.append) == 7
    assert seen == [Changed("created", "lb", "Container")] * 2
    assert (bin_dir / "logs" / "up.log").read_text() == "Updating (local)\n"
    assert "--config replicas=3 --yes --non-interactive" in (bin_dir / "argv").read_text()


def test_a_cli_that_ends_before_its_first_event_is_not_waited_for(bin_dir: Path) -> None:
    stand_in(bin_dir, "exit 1")
    assert Stack("local").destroy([], bin_dir / "down.log", lambda _event: None) == 1


def test_the_caller_is_called_while_the_cli_works(bin_dir: Path) -> None:
    does = """
    while [ "$1" != --event-log ]; do shift; done
    : > "$2"; sleep 0.5"""
    stand_in(bin_dir, does)
    called: list[bool] = []
    Stack("local").up([], bin_dir / "up.log", lambda _event: None, lambda: called.append(True))
    assert len(called) > 2


def test_a_termination_is_passed_on_to_the_cli_which_ends_its_update(bin_dir: Path) -> None:
    does = f"""
    trap 'touch {bin_dir}/told; exit 1' INT
    while [ "$1" != --event-log ]; do shift; done
    : > "$2"; for _ in $(seq 100); do sleep 0.1; done"""
    stand_in(bin_dir, does)

    def terminated() -> None:
        raise Terminated

    # A shell cannot trap what was ignored when it started, as Ctrl-C is for all that runs in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(Terminated):
            Stack("local").up([], bin_dir / "up.log", lambda _event: None, terminated)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (bin_dir / "told").exists()


def test_the_state_goes_in_by_stdin_as_it_came_out(bin_dir: Path) -> None:
    stand_in(bin_dir, 'echo \'{"version": 3, "deployment": {"resources": []}}\'')
    assert Stack("local").export() == {"resources": []}
    stand_in(bin_dir, f"cat > {bin_dir}/stdin")
    Stack("local").put_state({"resources": []})
    assert json.loads((bin_dir / "stdin").read_text()) == {"version": 3, "deployment": {"resources": []}}
    assert "stack import --stack local" in (bin_dir / "argv").read_text()


def test_a_stack_that_was_never_released_has_an_empty_state(bin_dir: Path) -> None:
    stand_in(bin_dir, 'echo \'{"version": 3, "deployment": null}\'')
    assert Stack("local").export() == {}


def test_a_wrong_passphrase_names_its_file(bin_dir: Path, state_dir: Path) -> None:
    stand_in(bin_dir, 'echo "error: incorrect passphrase" >&2; exit 1')
    with pytest.raises(EnvironmentMissing, match=f"{state_dir}/passphrase does not open"):
        Stack("local").config()
