import json
from datetime import timedelta
from pathlib import Path

import pytest

from runbook.errors import EnvironmentMissing
from runbook.status import closing_lines, describe, image_tags, look, part_cells, state_of, table_rows
from runbook.testing import STARTED, MemoryEngine, container

NOW = STARTED + timedelta(hours=2, minutes=10)


def test_a_healthy_stack_is_told_with_url_replicas_and_disk(tmp_path: Path) -> None:
    lock = tmp_path / "images.json"
    lock.write_text(json.dumps({"db": {"id": "sha256:aa", "tag": "amas/db:pg17"}}))
    engine = MemoryEngine(
        held=[
            container("lb", ports=("127.0.0.1:3000",)),
            container("api", name="amas-local-api-1"),
            container("api", name="amas-local-api-2"),
        ],
        volumes={"amas-local-db": 5_000_000, "amas-local-db-secrets-ab12": 81},
    )
    found = look(engine, "local", lock, NOW)
    assert (found.url, found.replicas, found.ill) == ("http://127.0.0.1:3000", 2, [])
    assert part_cells(found.parts[0]) == ["lb", "healthy", "2 h 10 min", "db:pg17", ""]
    assert closing_lines(found)[1:] == [
        "url       http://127.0.0.1:3000",
        "replicas  2",
        "volume    amas-local-db  5.0 MB",
        "all healthy",
    ]
    assert found.as_json()["ok"] is True


def test_with_tls_the_way_in_is_the_port_that_others_are_redirected_to() -> None:
    balancer = container("lb", ports=("127.0.0.1:3000", "127.0.0.1:3443"))
    assert describe("local", [balancer], {}, {}, NOW).url == "https://127.0.0.1:3443"


def test_jobs_that_are_done_share_a_line_and_one_that_failed_has_its_own() -> None:
    jobs = [container("files", state="exited", restart_policy="no", exit_code=code) for code in (0, 0, 1)]
    found = describe("local", [*jobs, container("db", image="sha256:bbbbbbbbbbbbbbbb")], {}, {}, NOW)
    assert [row[:2] + row[4:] for row in table_rows(found)] == [
        ["db", "healthy", ""],
        ["files", "done", "2 of 2"],
        ["files", "failed", "exit code 1"],
    ]
    assert table_rows(found)[0][3] == "bbbbbbbbbbbb"


def test_an_ill_part_is_named() -> None:
    found = describe("local", [container("db", health="unhealthy", restarts=3)], {}, {}, NOW)
    assert [row.part for row in found.ill] == ["db"]
    assert closing_lines(found)[-1] == "NOT HEALTHY: amas-local-db"
    assert part_cells(found.parts[0])[-1] == "3 restarts"
    assert found.as_json()["ok"] is False


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, ("healthy", "")),
        ({"health": None}, ("running", "")),
        ({"state": "exited", "restart_policy": "no"}, ("done", "")),
        ({"state": "exited", "restart_policy": "no", "exit_code": 2}, ("failed", "exit code 2")),
        ({"state": "exited", "exit_code": 137}, ("exited", "exit code 137")),
        ({"state": "restarting", "exit_code": 1}, ("restarting", "exit code 1")),
    ],
)
def test_a_state_is_one_word_and_a_reason(changes: dict[str, object], state: tuple[str, str]) -> None:
    assert state_of(container("db", **changes)) == state


def test_a_stack_without_containers_is_a_missing_environment(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMissing, match="`local` does not run"):
        look(MemoryEngine(held=[container("db", name="amas-other-db")]), "local", tmp_path / "none", NOW)


@pytest.mark.parametrize("content", ["", "[]", '{"db": 1}', "null"])
def test_a_broken_lock_only_costs_the_tags(tmp_path: Path, content: str) -> None:
    (tmp_path / "images.json").write_text(content)
    assert image_tags(tmp_path / "images.json") == {}
