"""A run is kept where its stack's database can be reached, and its verdict stands without that."""

from typing import Any, Self

import pytest

from runbook import sql_session
from runbook.errors import EnvironmentMissing
from runbook.load_runs.keep import keep_all
from tests.unit.runbook.load_runs.test_record import facts


class Session:
    """Remembers what it was asked to write."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        assert name == "record_load_run"
        self.written.append(parameters)
        return []


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    made = Session()
    monkeypatch.setattr(sql_session, "of", lambda *_, **__: made)
    return made


def test_every_run_is_written(session: Session) -> None:
    assert keep_all("local", [facts(), facts(verdict="failed")], {}) == []
    assert [one["verdict"] for one in session.written] == ["passed", "failed"]


def test_inside_the_network_a_run_is_written_with_keys_from_files(session: Session) -> None:
    environ = {"AMAS_ADMIN_KEY_FILE": "/secrets/admin_key", "AMAS_DATABASE_URL_FILE": "/nowhere"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql_session, "inside_network", lambda _: "host=db")
        assert keep_all("local", [facts()], environ) == []
    assert len(session.written) == 1


def test_a_run_at_another_place_leaves_this_database_alone(session: Session) -> None:
    assert keep_all("local", [facts()], {"AMAS_ADMIN_KEY_FILE": "/home/me/staging-admin"}) == []
    assert session.written == []


def test_a_database_that_is_away_is_told_and_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> Session:
        raise EnvironmentMissing("the database does not let us in")

    monkeypatch.setattr(sql_session, "of", away)
    assert keep_all("local", [facts()], {}) == [
        "the result is not kept in the database: the database does not let us in"
    ]
