import pytest

from runbook import consent
from runbook.errors import UsageError


def refuse_to_read(question: str) -> str:
    raise AssertionError(f"asked {question!r} in spite of --yes")


def test_yes_asks_nobody() -> None:
    consent.demand("prod", "drop 3 chunks", yes=True, read=refuse_to_read)


def test_the_stacks_name_is_a_consent() -> None:
    asked: list[str] = []

    def read(question: str) -> str:
        asked.append(question)
        return "prod\n"

    consent.demand("prod", "drop 3 chunks", yes=False, read=read)
    assert asked == ["drop 3 chunks in stack `prod`: type its name to go on: "]


@pytest.mark.parametrize("typed", ["local\n", "\n", "", "yes\n"])
def test_anything_else_is_a_refusal(typed: str) -> None:
    with pytest.raises(UsageError, match="nothing was done"):
        consent.demand("prod", "drop 3 chunks", yes=False, read=lambda _: typed)


def test_a_pipe_is_not_asked() -> None:
    with pytest.raises(UsageError, match="nobody is there to ask") as raised:
        consent.demand("prod", "drop 3 chunks", yes=False, asks_somebody=lambda: False)
    assert raised.value.next_command == "the same command with --yes"
