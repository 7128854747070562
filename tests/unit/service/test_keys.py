"""Bearer keys open scopes, and nothing else does."""

import contextlib
import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    "sent",
    [
        "Bearer one, Bearer one",
        "Bearer one two",
        "Bearer one\x00",
        "Bearerone",
        "Bearer\tone",
        "Token one",
        "Bearer ONE",
        "Bearer öne",
        "Bearer " + "one" * 20_000,
        " Bearer one",
        "Bearer one,",
    ],
)
def test_what_only_resembles_a_key_is_401(sent: str) -> None:
    assert refused("ingest", sent).status == 401


@given(st.binary(max_size=2000), st.sampled_from(keys.SCOPES))
def test_whatever_a_header_holds_opens_nothing_but_with_a_key(header: bytes, scope: keys.Scope) -> None:
    text = header.decode("latin-1")
    assume(text.partition(" ")[2].strip() not in ("one", "two", "root"))
    assert refused(scope, text).status == 401
    assert refused(scope, f"Bearer {text}").status == 401


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.sampled_from(keys.SCOPES), max_size=6))
def test_a_key_opens_its_scope_and_no_other_but_admin(scopes: dict[str, keys.Scope]) -> None:
    known = keys.parse("\n".join(line(scope, key) for key, scope in scopes.items()))
    for key, held in scopes.items():
        for scope in keys.SCOPES:
            if held in (scope, "admin"):
                assert known.demand(scope, f"Bearer {key}").startswith(f"{held}:")
            else:
                assert refused(scope, f"Bearer {key}", known).status == 403


def test_who_is_the_scope_and_the_first_digits_of_the_sum() -> None:
    assert KEYS.demand("admin", "Bearer root") == f"admin:{hashlib.sha256(b'root').hexdigest()[:8]}"


def test_each_refusal_is_counted_by_its_reason() -> None:
    counted: list[str] = []
    known = keys.parse(line("ingest", "one"), counted.append)
    for sent in (None, "", "Basic one", "Bearer", "Bearer two", "Bearer one"):
        refused("admin", sent, known)
    assert counted == ["no_key", "no_key", "not_bearer", "unknown_key", "unknown_key", "other_scope"]
    assert set(counted) == set(keys.REFUSALS)


def test_every_sum_is_compared_whichever_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def watched(known: bytes, came: bytes) -> bool:
        compared.append(known)
        return known == came

    monkeypatch.setattr("service.keys.hmac.compare_digest", watched)
    for sent in ("Bearer one", "Bearer root", "Bearer none"):
        with contextlib.suppress(Problem):
            KEYS.demand("ingest", sent)
    assert compared == [known for _, known in KEYS.known] * 3
