"""Two load tests of one stack are never at work at once, wherever they are run from."""

from typing import Any, Self

import pytest

from runbook import sql_session
from runbook.errors import EnvironmentMissing, UsageError
from runbook.load_runs.alone import alone


class Database:
    """Locks as PostgreSQL does: for a session, until that is closed."""

    def __init__(self) -> None:
        self.holders: list[Session] = []


class Session:
    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self in self._database.holders:
            self._database.holders.remove(self)

    def rows(self, name: str) -> list[dict[str, Any]]:
        assert name == "lock_load_test"
        is_ours = not self._database.holders
        if is_ours:
            self._database.holders.append(self)
        return [{"is_ours": is_ours}]


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    made = Database()
    monkeypatch.setattr(sql_session, "of", lambda *_: Session(made))
    return made


def never(message: str) -> None:
    pytest.fail(message)


def test_a_second_one_is_refused_with_what_to_look_at(database: Database) -> None:
    with alone("local", never, {}), pytest.raises(UsageError) as refused, alone("local", never, {}):
        pytest.fail("both hold it")
    assert "another load test of stack `local` is at work" in refused.value.message
    assert refused.value.next_command == "amas logs scheduler"
    assert database.holders == []


@pytest.mark.usefixtures("database")
def test_the_next_one_may_begin_when_the_first_has_ended_in_whatever_way() -> None:
    with pytest.raises(KeyboardInterrupt), alone("local", never, {}):
        raise KeyboardInterrupt
    with alone("local", never, {}):
        pass


def test_a_database_that_is_away_is_told_and_stops_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> Session:
        raise EnvironmentMissing("the database does not let us in")

    monkeypatch.setattr(sql_session, "of", away)
    said: list[str] = []
    with alone("local", said.append, {}):
        assert said == [
            "whether another load test is at work cannot be told: the database does not let us in"
        ]


def test_a_run_at_another_place_asks_no_database_of_this_one(database: Database) -> None:
    with alone("local", never, {"AMAS_ADMIN_KEY_FILE": "/home/me/staging-admin"}):
        assert database.holders == []
