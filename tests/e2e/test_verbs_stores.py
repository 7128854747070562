"""The pages about stores and resources, used on a standing stack; each leaves it as it was."""

import json
import re
import subprocess
import threading
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.conftest import Stack, eventually

RUN = "e2e-verbs-stores"
OLD_ROWS = 25
# Older than the retention and alone in its day's chunk.
OLD_DAY = "now() - interval '100 days'"


def told(stack: Stack, *words: str, ok: tuple[int, ...] = (0,)) -> Any:
    done = stack.amas(*words, "--json", check=False)
    assert done.returncode in ok, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout)


def sql(stack: Stack, statement: str) -> str:
    return stack.amas("db", "psql", "--", "-Atc", statement).stdout.strip()


@pytest.fixture(scope="module")
def decisions(stack: Stack) -> Iterator[list[str]]:
    """Ids of some that are stored; gone again afterwards."""
    ids = [f"verbs-{number}" for number in range(20)]
    lines = "\n".join(
        json.dumps(
            {
                "decisionId": one,
                "userId": "u-verbs",
                "occurredAt": datetime.now(UTC).isoformat(),
                "action": "show",
                "durationMs": 1,
            }
        )
        for one in ids
    )
    post = (
        f"curl -fsS -X POST {stack.url}/api/decisions -H 'Content-Type: application/x-ndjson'"
        f" -H 'X-Amas-Run-Id: {RUN}' -H \"Authorization: Bearer $(amas keys show ingest)\" --data-binary @-"
    )
    stack.shell(post, typed=lines)
    yield ids
    admin = '-H "Authorization: Bearer $(amas keys show admin)"'
    stack.shell(f"curl -fsS -X DELETE {stack.url}/api/runs/{RUN} {admin}")


def test_db_size_counts_chunks_with_their_hypertable(stack: Stack, decisions: list[str]) -> None:
    found = told(stack, "db", "size")
    tables = {one["name"]: one for one in found["tables"]}
    assert tables["decision_insights"]["chunks"] >= 1
    of_hypertable = int(sql(stack, "SELECT hypertable_size('decision_insights')"))
    assert tables["decision_insights"]["size_bytes"] == of_hypertable > 0
    assert sum(one["size_bytes"] for one in found["tables"]) <= found["size_bytes"]


def test_db_growth_foretells_from_chunks_and_the_disk(stack: Stack, decisions: list[str]) -> None:
    found = told(stack, "db", "growth", "--least-days", "0")
    assert 0 < found["free_bytes"] < found["size_bytes"]
    assert found["retention_days"] == 90


def test_db_slow_plans_the_worst_and_shows_no_value(stack: Stack, decisions: list[str]) -> None:
    found = told(stack, "db", "slow", "--most", "50")
    assert found["statements"]
    assert found["plan"]
    assert decisions[0] not in json.dumps(found)
    assert all(0 <= one["share"] <= 1 for one in found["statements"])


def test_pool_tells_who_holds_connections_within_the_budget(stack: Stack) -> None:
    found = told(stack, "pool")
    assert found["ok"]
    assert len(found["replicas"]) == 2, "those that a release took away are listed no longer"
    assert found["budget"]["needed"] == 2 * 2 * 20 + 10 <= found["budget"]["most"]
    assert any(one["application"] == "amas-api" for one in found["holders"])


def test_pool_relieve_ends_a_forgotten_session_and_none_of_a_replica_or_with_a_lock(stack: Stack) -> None:
    url = stack.shell("printf %s $DATABASE_URL").stdout
    with (
        psycopg.connect(url, autocommit=True, application_name="forgotten") as forgotten,
        psycopg.connect(url, autocommit=True, application_name="keeper") as keeper,
    ):
        keeper.execute("SELECT pg_advisory_lock(4711)")
        pid = forgotten.execute("SELECT pg_backend_pid()").fetchone()
        assert pid is not None
        before = sql(stack, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'amas-api'")
        relieve = ("pool", "relieve", "--idle-minutes", "0.01")
        eventually(
            lambda: str(pid[0]) in stack.amas(*relieve, check=False).stdout, within_s=30, what="seen as idle"
        )
        assert stack.amas(*relieve, check=False).returncode == 2, "nobody was there to ask"
        forgotten.execute("SELECT 1")
        eventually(
            lambda: pid[0] in [one["pid"] for one in told(stack, *relieve, "--yes")["idle"]],
            within_s=30,
            what="ended",
        )
        with pytest.raises(psycopg.OperationalError):
            forgotten.execute("SELECT 1")
        keeper.execute("SELECT 1")  # a lock is held: that is what it is idle for
    after = sql(stack, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'amas-api'")
    assert after == before


def test_insights_get_cache_and_clear_agree(stack: Stack, decisions: list[str]) -> None:
    one = decisions[0]
    stack.amas("cache", "clear", one)
    assert not told(stack, "insights", "cache", one)["cached"]
    assert told(stack, "insights", "get", one)["cache"] == "miss"
    # A cache that is too slow once is passed over: the next read finds it.
    eventually(
        lambda: told(stack, "insights", "get", one)["cache"] == "hit", within_s=30, what="read from the cache"
    )
    assert 0 < told(stack, "insights", "cache", one)["left_s"] <= 330
    stack.amas("cache", "clear", one)
    assert not told(stack, "insights", "cache", one)["cached"]
    assert stack.amas("insights", "get", "no-such-decision", check=False).returncode == 1


def test_insights_rate_answers_hours(stack: Stack) -> None:
    assert set(told(stack, "insights", "rate")) == {"window", "hours", "median_an_hour", "newest_is_low"}


def test_cache_tells_memory_and_is_cleared_only_with_a_consent(stack: Stack, decisions: list[str]) -> None:
    eventually(
        lambda: told(stack, "insights", "get", decisions[1])["cache"] == "hit", within_s=30, what="cached"
    )
    found = told(stack, "cache", ok=(0, 1))
    assert 0 < found["used_bytes"] < found["most_bytes"]
    assert found["keys"] > 0
    assert stack.amas("cache", "clear", "--all", check=False).returncode == 2
    assert told(stack, "insights", "cache", decisions[1])["cached"]
    stack.amas("cache", "clear", "--all", "--yes")
    assert not told(stack, "insights", "cache", decisions[1])["cached"]


def test_retention_takes_away_what_it_showed(stack: Stack, decisions: list[str]) -> None:
    columns = "decision_id, occurred_at, user_id, action, duration_ms, state_snapshot, difficulty_factors"
    values = "occurred_at, user_id, action, duration_ms, state_snapshot, difficulty_factors"
    sql(
        stack,
        f"INSERT INTO decision_insights ({columns}, triggers, extra, content_hash, created_at)"  # noqa: S608
        f" SELECT 'old-' || n, {values}, triggers, extra, content_hash, {OLD_DAY}"
        f" FROM decision_insights, generate_series(1, {OLD_ROWS}) AS n"
        f" WHERE decision_id = '{decisions[0]}'",
    )
    shown = told(stack, "retention", "simulate", ok=(0, 1))
    assert (len(shown["due"]), shown["rows"]) == (1, OLD_ROWS)
    assert shown["size_bytes"] == shown["due"][0]["size_bytes"] > 0
    assert stack.amas("retention", "apply", check=False).returncode == 2
    assert told(stack, "retention", "simulate", ok=(0, 1))["rows"] == OLD_ROWS
    assert told(stack, "retention", "apply", "--yes")["applied"]["chunks"] == 1
    after = told(stack, "retention", "simulate")
    assert (after["due"], after["rows"]) == ([], 0)
    assert sql(stack, "SELECT chunks FROM retention_runs ORDER BY finished_at DESC LIMIT 1") == "1"
    assert sql(stack, f"SELECT count(*) FROM decision_insights WHERE run_id = '{RUN}'") == str(len(decisions))  # noqa: S608


def test_overload_stops_what_can_wait_and_puts_it_back(stack: Stack) -> None:
    found = told(stack, "overload", ok=(0, 1))
    assert {one["name"] for one in found["canWait"]} >= {"scheduler", "host-exporter"}
    assert len(found["loads"]) == 2
    exporter = f"amas-{stack.name}-host-exporter"
    assert stack.amas("overload", "host-exporter", "--relieve", check=False).returncode == 2
    stack.amas("overload", "host-exporter", "--relieve", "--yes")
    assert state(exporter) == "exited"
    stack.amas("overload", "--undo")
    eventually(lambda: state(exporter) == "running healthy", within_s=90, what="the exporter back")


def state(container: str) -> str:
    form = '{{.State.Status}}{{if eq .State.Status "running"}} {{.State.Health.Status}}{{end}}'
    return subprocess.check_output(["docker", "inspect", "-f", form, container], text=True).strip()


def test_capacity_names_what_ends_first_and_draws_it(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "capacity.svg"
    found = told(stack, "capacity", "--least-days", "0", "--plot", str(file))
    assert {one["name"] for one in found["limits"]} == {"disk", "connections", "replicas"}
    assert found["days"], "the collector keeps snapshots"
    assert ET.parse(file).getroot().tag.endswith("svg")  # noqa: S314  # our own file
    readable = stack.amas("capacity", "--least-days", "0").stdout
    assert re.search(r"^assumed", readable, re.MULTILINE)


def test_api_is_restarted_replica_by_replica_and_no_request_fails(stack: Stack) -> None:
    over, failed, asked = threading.Event(), list[str](), list[int]()
    url = f"{stack.url}/api/alerts/active"

    def ask() -> None:
        while not over.wait(0.05):
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # our own stack
                    asked.append(answer.status)
            except (urllib.error.URLError, OSError) as reason:
                failed.append(str(reason))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        done = told(stack, "restart", "api")
    finally:
        over.set()
        asking.join()
    # What is asked next sees both, though neither has ended an interval yet.
    assert len(told(stack, "overload", ok=(0, 1))["loads"]) == 2
    assert len(done["restarted"]) == 2
    assert failed == []
    assert len(asked) > 50


def test_restart_refuses_what_is_missed_without_a_consent(stack: Stack) -> None:
    before = state(f"amas-{stack.name}-db")
    refused = stack.amas("restart", "db", check=False)
    assert refused.returncode == 2
    assert "spooled" in refused.stdout
    assert state(f"amas-{stack.name}-db") == before
    assert stack.amas("restart", "nothing", check=False).returncode == 2


@pytest.mark.full
def test_outdated_asks_every_source(stack: Stack) -> None:
    found = told(stack, "outdated", ok=(0, 1))
    assert found["unasked"] == []


@pytest.mark.parametrize(
    "words",
    [("db", "slow"), ("pool",), ("overload",), ("capacity", "--least-days", "0")],
    ids=" ".join,
)
def test_pages_can_be_read_in_60_columns(stack: Stack, words: tuple[str, ...]) -> None:
    shown = stack.shell(f"COLUMNS=60 amas {' '.join(words)} || [ $? = 1 ]").stdout
    assert shown.strip()
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 60
