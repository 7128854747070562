"""Bearer keys open scopes, and nothing else does."""

import hashlib

import pytest

from service import keys
from service.errors import Problem


def line(scope: str, key: str) -> str:
    return f"{scope} {hashlib.sha256(key.encode()).hexdigest()}"


KEYS = keys.parse(
    "# comment\n\n" + "\n".join([line("ingest", "one"), line("ingest", "two"), line("admin", "root")])
)


def refused(scope: keys.Scope, authorization: str | None, known: keys.Keys = KEYS) -> Problem:
    with pytest.raises(Problem) as caught:
        known.demand(scope, authorization)
    return caught.value


@pytest.mark.parametrize("sent", ["Bearer one", "bearer two", "Bearer  one "])
def test_every_live_key_of_the_scope_opens_it(sent: str) -> None:
    KEYS.demand("ingest", sent)


@pytest.mark.parametrize("scope", keys.SCOPES)
def test_admin_opens_every_scope(scope: keys.Scope) -> None:
    KEYS.demand(scope, "Bearer root")


@pytest.mark.parametrize("sent", [None, "", "one", "Basic one", "Bearer", "Bearer three", "Bearer \udcff"])
def test_anything_else_is_401_with_a_challenge(sent: str | None) -> None:
    problem = refused("ingest", sent)
    assert problem.status == 401
    assert problem.headers["WWW-Authenticate"].startswith('Bearer realm="amas"')


def test_a_key_of_another_scope_is_403_and_names_the_scopes() -> None:
    problem = refused("admin", "Bearer one")
    assert problem.status == 403
    assert "scope is ingest; this route needs admin" in problem.detail


def test_without_keys_nobody_comes_in() -> None:
    assert refused("ingest", "Bearer one", keys.parse("")).status == 401


@pytest.mark.parametrize("text", ["ingest", "ingest abc", f"root {'0' * 64}", f"ingest {'0' * 63}"])
def test_a_malformed_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line 1"):
        keys.parse(text)
