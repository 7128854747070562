"""A release that fails beside an earlier one: those replicas serve on, nothing of the failed one stays."""

from collections.abc import Callable
from secrets import token_hex

import pytest

from tests.faults.conftest import Stack
from tests.faults.traffic import Traffic


def test_earlier_replicas_serve_on_and_the_next_up_finds_all_as_it_was(
    stack: Stack, failing_image: Callable[[str], str]
) -> None:
    before, volumes = stack.containers(), stack.volumes()
    key = stack.amas("keys", "show", "ingest").stdout.strip()
    with Traffic(stack.http_port, key, f"release-{token_hex(3)}") as traffic:
        stack.release_image(failing_image("from-the-second-replica-on"))
        failed = stack.up()
        assert failed.returncode == 1
        assert stack.containers() == before
        assert stack.volumes() == volumes
        stack.release_image(None)
        repeated = stack.up()
        assert repeated.returncode == 0, repeated.stderr
    assert traffic.failed == []
    assert len(traffic.stored) > 100
    assert "nothing to change" in repeated.stderr
    assert stack.containers() == before
    assert "4 replicas are too many" in failed.stderr
    assert "2 replicas serve, as before" in failed.stderr
    kept = [log for log in stack.failed_logs() if "-api-1-" in log.name]
    assert "4 replicas are too many" in kept[-1].read_text()
    assert str(kept[-1].parent) in failed.stderr


@pytest.mark.full
def test_three_failures_in_a_row_leave_nothing_behind(
    stack: Stack, failing_image: Callable[[str], str]
) -> None:
    before, volumes = stack.containers(), stack.volumes()
    for fails in ("at-once", "silently", "at-once"):
        stack.release_image(failing_image(fails))
        assert stack.up().returncode == 1
        assert stack.containers() == before
        assert stack.volumes() == volumes
    stack.release_image(None)
    for words in (("preview",), ("refresh", "--preview-only")):
        done = stack.pulumi(*words, "--expect-no-changes")
        assert done.returncode == 0, done.stdout


@pytest.mark.full
def test_a_good_release_after_a_failed_one_rolls_without_a_failed_request(
    stack: Stack, failing_image: Callable[[str], str]
) -> None:
    key = stack.amas("keys", "show", "ingest").stdout.strip()
    before = set(stack.containers("api"))
    with Traffic(stack.http_port, key, f"release-{token_hex(3)}") as traffic:
        stack.release_image(failing_image("at-once"))
        assert stack.up("--config", "writeBatchRows=400").returncode == 1
        stack.release_image(None)
        assert stack.up("--config", "writeBatchRows=450").returncode == 0
    assert traffic.failed == []
    assert before.isdisjoint(stack.containers("api"))
