import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runbook.doctor import judge, look
from runbook.doctor.judge import Finding
from runbook.errors import EnvironmentMissing
from runbook.testing import container

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GB = 1_000_000_000


@pytest.mark.parametrize(
    ("well", "ill"),
    [
        (judge.programs([]), judge.programs(["jq"])),
        (judge.tools([], "/cache"), judge.tools(["pulumi"], "/cache")),
        (judge.disk("/var", 50 * GB, 100 * GB), judge.disk("/var", 9 * GB, 100 * GB)),
        (judge.disk("/var", 6 * GB, 20 * GB), judge.disk("/var", 4 * GB, 20 * GB)),
        (judge.memory(2 * GB, 8 * GB), judge.memory(GB // 2, 8 * GB)),
        (judge.clock(NOW, NOW, True), judge.clock(NOW, NOW + timedelta(seconds=3), True)),
        (judge.state_folder("/s", {"/s": 0o700}), judge.state_folder("/s", {"/s": 0o700, "/s/p": 0o644})),
        (judge.state_folder("/s", {"/s": 0o700}), judge.state_folder("/s", {})),
        (judge.images([], [], 7), judge.images(["db"], [], 6)),
        (judge.images([], [], 7), judge.images([], ["db"], 7)),
        (
            judge.ports("httpPort 3000", []),
            judge.ports("httpPort 3000", [("amas-local-lb", "127.0.0.1:3000")]),
        ),
        (judge.containers([], 12), judge.containers(["amas-local-db (unhealthy)"], 12)),
        (judge.pulumi_lock([], "local"), judge.pulumi_lock(["process 7"], "local")),
    ],
)
def test_what_is_in_order_is_ok_and_what_is_not_names_the_next_command(well: Finding, ill: Finding) -> None:
    assert (well.state, well.next_command) == ("ok", "")
    assert ill.state == "failed"
    assert ill.next_command
    assert ill.name == well.name


@pytest.mark.parametrize("synchronised", [None, False])
def test_a_clock_that_nobody_is_known_to_keep_is_no_failure(synchronised: bool | None) -> None:
    assert judge.clock(NOW, None, synchronised).state == "unknown"


def test_a_stack_that_does_not_run_is_no_failure() -> None:
    assert judge.containers([], 0) == Finding("stack", "unknown", "it does not run", "./scripts/up")


def test_a_question_that_fails_is_its_answer() -> None:
    def missing() -> Finding:
        raise EnvironmentMissing("no stack", "./scripts/up")

    def unreadable() -> Finding:
        raise PermissionError(13, "Permission denied")

    assert look.asked("ports", missing) == Finding("ports", "failed", "no stack", "./scripts/up")
    assert look.asked("ports", unreadable).state == "unknown"


def test_a_published_port_that_nobody_listens_at_is_told_with_its_container() -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"127.0.0.1:{proxy.getsockname()[1]}"
        lb = container("lb", ports=(address,))
        assert look.silent([lb]) == []
    assert look.silent([lb]) == [(lb.name, address)]
    assert look.silent([container("lb", ports=(address,), state="exited")]) == []


def test_memory_is_read_in_bytes() -> None:
    assert look.memory("MemTotal:        2048 kB\nMemFree: 1 kB\nMemAvailable:    1024 kB\n") == (
        1_048_576,
        2_097_152,
    )


def test_images_are_named_by_their_tags(tmp_path: Path) -> None:
    lock = tmp_path / "images.json"
    lock.write_text('{"db": {"id": "sha256:1", "tag": "amas/db:pg17-abc"}}')
    assert look.image_names(lock) == {"sha256:1": "db"}
    assert look.image_names(tmp_path / "none") == {}


def test_a_checkout_without_state_names_the_way_to_begin(state_dir: Path) -> None:
    assert look._state_folder() == Finding(
        "state folder", "failed", f"{state_dir} is not there: no stack was made yet", "./scripts/up"
    )


def test_state_that_others_may_read_is_told(state_dir: Path) -> None:
    state_dir.mkdir(mode=0o700)
    (state_dir / "passphrase").write_text("x")
    (state_dir / "passphrase").chmod(0o644)
    assert look._state_folder().detail == f"others may read {state_dir / 'passphrase'}"


def test_the_kernel_is_asked_for_the_clock() -> None:
    assert look.synchronised() in {None, True, False}
