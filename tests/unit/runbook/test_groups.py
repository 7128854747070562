import pytest

from runbook import cli


def amas(*arguments: str) -> int:
    return cli.run(lambda: cli.app(list(arguments), prog_name="amas", standalone_mode=False), as_json=False)


VERBS = (
    "review", "triage", "storm", "contacts", "doctor", "alerts list", "alerts history", "alerts ack",
    "silence list", "silence add", "silence end", "audit list", "audit thresholds", "incident list",
    "incident new", "incident note", "incident close", "incident show",
)  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_where_it_runs_within_sixty_columns(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert amas(*verb.split(), "--help") == 0
    told = capsys.readouterr().out
    assert "Runs on the host" in " ".join(told.split())
    assert max(map(len, told.splitlines())) <= 60


@pytest.mark.parametrize("arguments", [["incident"], ["incident", "--stack", "local"]])
def test_list_is_meant_when_none_is_named(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert amas(*arguments) == 0
    assert capsys.readouterr().out == "no incident of stack local is recorded\n"


def test_a_group_tells_its_verbs_when_asked_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert amas("alerts", "--help") == 0
    assert "history" in capsys.readouterr().out


def test_a_word_that_is_no_verb_is_wrong_usage() -> None:
    assert amas("alerts", "lst") == 2
