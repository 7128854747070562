"""What a restored server says before it ends, in the words of somebody who wants the data back."""

import pytest

from runbook.backup.scratch import MEANINGS, meaning


@pytest.mark.parametrize(
    ("line", "cause", "following"),
    [
        (
            'FATAL:  could not write to file "pg_wal/xlogtemp.7": No space left on device',
            "the scratch disk is full",
            "df -h",
        ),
        (
            "FATAL:  recovery ended before configured recovery target was reached",
            "the WAL ends before the moment",
            "amas backup now --full",
        ),
        (
            "PANIC:  could not locate required checkpoint record at 0/7000028",
            "the WAL it begins with is missing",
            "amas backup now --full",
        ),
        (
            "ERROR:  invalid page in block 0 of relation base/16384/1259",
            "a page of the data is damaged",
            "amas backup now --full",
        ),
    ],
)
def test_the_cause_is_named_with_the_servers_own_line(line: str, cause: str, following: str) -> None:
    found = meaning(["LOG:  starting", line, "LOG:  shutting down"])
    assert found.message.startswith(cause)
    assert line in found.message
    assert found.next_command == following


def test_words_nobody_knows_are_told_as_they_are() -> None:
    assert "FATAL:  something else" in meaning(["FATAL:  something else"]).message
    assert "it said nothing" in meaning([]).message


def test_every_meaning_names_a_next_command() -> None:
    assert all(following for _, following in MEANINGS.values())
