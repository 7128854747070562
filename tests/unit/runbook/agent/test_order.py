"""What can be said to the agent, and that nothing else can."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.agent.order import (
    MOST_BYTES,
    WORDS,
    BurstDown,
    BurstUp,
    Look,
    Order,
    Refused,
    Restart,
    read,
    written,
)

ORDERS: list[Order] = [Look(), BurstUp(), BurstDown(), Restart("0123456789ab")]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: type(order).__name__)
def test_each_order_is_read_as_it_was_written(order: Order) -> None:
    assert read(written(order)) == order


def test_the_vocabulary_is_four_words_and_one_of_them_has_one_field() -> None:
    assert WORDS == ("look", "burst-up", "burst-down", "restart")
    assert [vars(one) for one in ORDERS] == [{}, {}, {}, {"replica": "0123456789ab"}]


# As the engine's own API spells them: what would make a container root on the host.
DANGERS = {
    "image": "alpine",
    "Image": "sha256:" + "0" * 64,
    "binds": ["/:/host"],
    "HostConfig": {"Binds": ["/:/host"], "Privileged": True},
    "mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}],
    "privileged": True,
    "command": ["sh"],
    "env": {"LD_PRELOAD": "x"},
    "user": "0:0",
    "network": "host",
    "name": "x",
    "count": 100,
}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("field", DANGERS)
def test_a_mount_a_flag_or_another_image_cannot_be_said(word: str, field: str) -> None:
    said: dict[str, object] = {"do": word, field: DANGERS[field]}
    said |= {"replica": "0123456789ab"} if word == "restart" else {}
    with pytest.raises(Refused, match=r"unknown field|at most 256 bytes"):
        read(json.dumps(said).encode())


@given(
    word=st.sampled_from(WORDS), field=st.text(max_size=20).filter(lambda name: name not in {"do", "replica"})
)
def test_no_order_takes_a_field_of_any_name(word: str, field: str) -> None:
    said = {"do": word, field: 1, **({"replica": "0123456789ab"} if word == "restart" else {})}
    with pytest.raises(Refused):
        read(json.dumps(said).encode())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"burst-up",
        b"[]",
        b'"burst-up"',
        b"{}",
        b'{"do": "create"}',
        b'{"do": ["burst-up"]}',
        b'{"do": "look", "do": "burst-up"}',
        b'{"do": "look", "replica": "0123456789ab"}',
        b'{"do": "restart"}',
        b'{"do": "restart", "replica": "api-0"}',
        b'{"do": "restart", "replica": "../../images"}',
        b'{"do": "restart", "replica": "0123456789AB"}',
        b'{"do": "restart", "replica": 12}',
        b'{"do": "look"}' + b" " * MOST_BYTES,
        b"[" * MOST_BYTES,
        b'{"do": "look"}{"do": "look"}',
    ],
)
def test_what_is_no_order_is_refused(line: bytes) -> None:
    with pytest.raises(Refused):
        read(line)


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_be_an_order_or_be_refused(line: bytes) -> None:
    try:
        order = read(line)
    except Refused:
        return
    assert isinstance(order, Look | BurstUp | BurstDown | Restart)
