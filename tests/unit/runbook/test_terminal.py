import json

import pytest

from runbook import terminal
from runbook.errors import CheckFailed


@pytest.mark.parametrize(
    ("elapsed_s", "said"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (12.7, "12 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (360_000, "4 d 4 h"),
    ],
)
def test_elapsed_time_reads_as_a_person_says_it(elapsed_s: float, said: str) -> None:
    assert terminal.seconds(elapsed_s) == said


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (2_000_000_000, "2.0 GB"), (5 * 10**15, "5000.0 TB")],
)
def test_sizes_have_a_unit(size_bytes: int, said: str) -> None:
    assert terminal.size(size_bytes) == said


def test_control_characters_from_elsewhere_do_not_drive_the_terminal() -> None:
    assert terminal.printable("\x1b[2Jgone\tslöw 注") == "\N{REPLACEMENT CHARACTER}[2Jgone\tslöw 注"


def test_a_table_fits_sixty_columns_and_cuts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_table(["part", "state", "image"], [["api", "unhealthy", "amas/service:" + "x" * 90]])
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 60
    assert printed.count("x") == 90
    assert "\x1b" not in printed


def test_steps_are_named_with_their_elapsed_time(capsys: pytest.CaptureFixture[str]) -> None:
    ticks = iter([0.0, 2.5])
    progress = terminal.Progress(clock=lambda: next(ticks))
    with progress.step("images"):
        progress.say("built db")
    assert progress.finished == [("images", 2.5)]
    assert capsys.readouterr().err == "· images\n    built db\nok     images  2.5 s\n"


def test_a_failed_step_is_named_and_its_reason_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    progress = terminal.Progress(clock=lambda: 1.0)
    with pytest.raises(CheckFailed), progress.step("tools"):
        raise CheckFailed("no compiler")
    assert capsys.readouterr().err == "· tools\nfailed tools  0.0 s\n"


def test_facts_as_json_keep_their_letters(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.show_json({"word": "слово"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"word": "слово"}
    assert "слово" in printed
