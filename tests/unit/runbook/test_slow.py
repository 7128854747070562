from collections.abc import Mapping
from dataclasses import replace

import pytest

from runbook.errors import CheckFailed
from runbook.slow import Slow, advice, can_be_planned, plan_of, statement_of
from runbook.sql_session import Row

ONE = Slow(1, "amas_app", 10, 1000.0, 100.0, 300.0, 10, 0.5, 0.99, 0, "SELECT a FROM t WHERE b = $1")


class Planner:
    """Answers every EXPLAIN alike and remembers it."""

    def __init__(self, *plan: str, refused: bool = False) -> None:
        self.plan, self.refused, self.texts = plan, refused, list[str]()

    def rows(self, name: str, **_: object) -> list[Row]:
        raise AssertionError(name)

    def run(self, text: str, called: str, _: Mapping[str, object] | None = None) -> list[Row]:
        self.texts.append(text)
        if self.refused:
            raise CheckFailed(f"{called}: could not determine data type of parameter $1")
        return [{"QUERY PLAN": line} for line in self.plan]


@pytest.mark.parametrize(
    "query",
    ["SELECT 1", "select 1;", "WITH a AS (SELECT 1) SELECT a", "INSERT INTO t VALUES ($1)",
     "-- why\nSELECT 1", "/* a */ DELETE FROM t"],
)  # fmt: skip
def test_a_single_statement_of_data_can_be_planned(query: str) -> None:
    assert can_be_planned(query)


@pytest.mark.parametrize(
    "query", ["SELECT 1; DROP TABLE t", "VACUUM", "CREATE TABLE t ()", "", "-- SELECT 1"]
)
def test_nothing_else_is_put_behind_explain(query: str) -> None:
    assert not can_be_planned(query)
    planner = Planner("never")
    assert plan_of(planner, replace(ONE, query=query))[0].startswith("no plan")
    assert planner.texts == []


def test_the_plan_is_generic_and_never_runs_the_statement() -> None:
    planner = Planner("Index Scan using t_b on t")
    assert plan_of(planner, ONE) == ["Index Scan using t_b on t"]
    assert planner.texts == ["EXPLAIN (GENERIC_PLAN) SELECT a FROM t WHERE b = $1"]


def test_a_statement_the_planner_refuses_is_shown_with_the_reason() -> None:
    assert plan_of(Planner(refused=True), ONE) == [
        "no plan: EXPLAIN: could not determine data type of parameter $1"
    ]


def test_a_statement_that_touched_no_block_has_no_hit_share() -> None:
    row = {
        "id": -5, "role": "amas_app", "calls": 2, "total_ms": 1.23456, "mean_ms": 0.6, "max_ms": 1.0,
        "rows": 2, "blocks_hit": 0, "blocks_read": 0, "temp_blocks": 0, "share": None, "query": " SELECT $1 ",
    }  # fmt: skip
    found = statement_of(row)
    assert (found.hit_share, found.share, found.total_ms, found.query) == (None, 0.0, 1.235, "SELECT $1")


def test_many_chunks_read_whole_want_a_bound_on_time() -> None:
    plan = ["Append", "->  Seq Scan on _hyper_1_1_chunk d_1", "->  Seq Scan on _hyper_1_2_chunk d_2"]
    assert advice(ONE, plan) == ["reads 2 chunks from end to end: give it a bound on created_at"]


def test_a_quick_statement_may_read_a_small_table_whole() -> None:
    assert advice(ONE, ["Seq Scan on alert_book b"]) == []


def test_memory_disk_and_time_are_each_told() -> None:
    notes = advice(replace(ONE, hit_share=0.5, temp_blocks=7, mean_ms=250.0), ["Seq Scan on t"])
    assert [one.split(":")[0].split()[0] for one in notes] == ["reads", "only", "sorted", "takes"]
