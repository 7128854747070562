"""Log lines are JSON and keep what `extra` names."""

import json
import logging
import sys

import pytest

from service.log import JsonLines, configure


def line(**extra: object) -> dict[str, object]:
    record = logging.makeLogRecord(
        {"name": "DecisionRecorder", "levelname": "ERROR", "msg": "said %s", "args": ("so",)}
    )
    vars(record).update(extra)
    parsed: dict[str, object] = json.loads(JsonLines().format(record))
    return parsed


def test_a_line_has_time_level_component_and_message() -> None:
    parsed = line()
    assert parsed.pop("time")
    assert parsed == {"level": "error", "component": "DecisionRecorder", "message": "said so"}


def test_extra_facts_stand_in_the_line() -> None:
    assert line(requestId="r1", decisionId="d1")["decisionId"] == "d1"


def test_an_exception_is_one_line_of_json() -> None:
    try:
        raise ValueError("broken")  # noqa: TRY301  # the trace is what is wanted
    except ValueError:
        parsed = line(exc_info=sys.exc_info())
    assert "ValueError: broken" in str(parsed["exception"])


def test_the_level_of_the_settings_is_what_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    before, level = logging.root.handlers[:], logging.root.level
    try:
        configure("error")
        logging.getLogger("Service").warning("quiet")
        logging.getLogger("Service").error("loud")
    finally:
        logging.root.handlers[:], logging.root.level = before, level
    assert [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()] == ["loud"]
