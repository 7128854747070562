from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Self

import pytest

from runbook import consent, sql_session
from runbook.errors import CheckFailed, UsageError
from runbook.retention import command
from runbook.retention.apply import PRUNE_ROWS, VACUUM, Applied, apply
from runbook.retention.plan import Chunk, plan
from runbook.sql_session import Row
from runbook.terminal import Progress

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)


def chunk(place: int) -> Chunk:
    start = START + timedelta(days=place)
    return Chunk(start, start + timedelta(days=1), size_bytes=1000, about_rows=10)


class Database:
    """Drops what it is told to; `busy` while another session does."""

    def __init__(self, chunks: int, keys: int = 0, *, busy: bool = False) -> None:
        self.chunks = [chunk(place) for place in range(chunks)]
        self.keys, self.busy = keys, busy
        self.asked: list[str] = []
        self.recorded: dict[str, object] = {}

    def run(self, text: str, called: str, _: Mapping[str, object] | None = None) -> list[Row]:
        raise AssertionError(called, text)

    def rows(self, name: str, **parameters: object) -> list[Row]:
        self.asked.append(name)
        match name:
            case "retention_drop_chunks":
                before = parameters["before"]
                gone = [] if self.busy else [one for one in self.chunks if one.end == before]
                self.chunks = [one for one in self.chunks if one not in gone]
                return [{"chunk": str(one.start)} for one in gone]
            case "retention_prune_keys":
                gone_keys = min(self.keys, PRUNE_ROWS)
                self.keys -= gone_keys
                return [{"gone": gone_keys}]
            case "retention_prune_letters":
                return [{"gone": 0}]
            case "retention_record":
                self.recorded = parameters
        return []


def test_chunks_go_one_a_step_then_keys_then_the_run_is_recorded_and_vacuumed() -> None:
    database = Database(3, keys=2 * PRUNE_ROWS + 1)
    wanted = plan(NOW, database.chunks, 90)
    assert apply(database, wanted, Progress()) == Applied(3, 2 * PRUNE_ROWS + 1, 0)
    assert database.chunks == []
    assert database.recorded == {
        "cutoff": wanted.cutoff,
        "chunks": 3,
        "keys": 2 * PRUNE_ROWS + 1,
        "letters": 0,
    }
    assert database.asked[:3] == ["retention_drop_chunks"] * 3
    assert tuple(database.asked[-3:]) == VACUUM


def test_keys_that_fill_a_step_exactly_are_all_pruned() -> None:
    database = Database(0, keys=PRUNE_ROWS)
    assert apply(database, plan(NOW, [], 90), Progress()).keys == PRUNE_ROWS


def test_while_another_session_drops_no_key_goes_and_nothing_is_recorded() -> None:
    database = Database(2, keys=5, busy=True)
    with pytest.raises(CheckFailed, match="was not dropped"):
        apply(database, plan(NOW, database.chunks, 90), Progress())
    assert database.asked == ["retention_drop_chunks"]
    assert database.keys == 5


class Standing(Database):
    """Answers what `look_at` asks besides."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def rows(self, name: str, **parameters: object) -> list[Row]:
        match name:
            case "chunk_sizes":
                return [
                    {
                        "hypertable": "decision_insights",
                        "range_start": one.start,
                        "range_end": one.end,
                        "size_bytes": one.size_bytes,
                        "about_rows": one.about_rows,
                    }
                    for one in self.chunks
                ]
            case "retention_last":
                return []
            case "retention_rows":
                return [{"rows": 10 * len(self.chunks)}]
            case "retention_beside":
                return [{"keys": self.keys, "letters": 0}]
        return super().rows(name, **parameters)


def test_what_is_shown_is_counted() -> None:
    seen = command.look_at(Standing(3, keys=4), 90, NOW)
    assert (len(seen.plan.due), seen.rows, seen.keys, seen.late, seen.nothing) == (3, 30, 4, True, False)


def test_without_a_consent_nothing_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    database = Standing(3)
    monkeypatch.setattr(sql_session, "of", lambda *_, **__: database)

    def refuse(*_: object, **__: object) -> None:
        raise UsageError("no")

    monkeypatch.setattr(consent, "demand", refuse)
    with pytest.raises(UsageError):
        command.apply("local", days=90)
    assert len(database.chunks) == 3


def test_with_nothing_due_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sql_session, "of", lambda *_, **__: Standing(0))
    command.apply("local", days=90)
    assert capsys.readouterr().out == "nothing is older than 90 days\n"
