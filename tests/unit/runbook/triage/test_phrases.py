import json

import pytest

from runbook.engine import LogLine
from runbook.triage.phrases import facts_of, quotes, trouble


def said(message: str, **fields: str) -> LogLine:
    return LogLine("2026-01-01T00:00:00.1Z", "api-0", json.dumps({"message": message, **fields}))


def of_database(text: str) -> LogLine:
    return LogLine("2026-01-01T00:00:00.1Z", "db", text)


def test_the_runbooks_phrases_are_counted() -> None:
    service = [
        said("[DecisionRecorder] Failed to write decision insight", reason="too long"),
        said("[DecisionSpool] Failed to write decision insight"),
        said("Webhook failed after 3 retries; it is kept and tried again", reason="h: status 404"),
        said("unforeseen error", path="/x"),
        said("stored"),
        LogLine("2026-01-01T00:00:00.1Z", "api-0", "Failed to write decision insight, but no JSON"),
    ]
    found = facts_of(service, [])
    assert (found["log.write_failed"], found["log.webhook_failed"], found["log.unforeseen"]) == (2, 1, 1)
    assert found["webhook.unknown"] == 1


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("[1] ERROR:  canceling statement due to statement timeout", "log.statement_timeout"),
        ('PANIC:  could not write to file "pg_wal/x": No space left on device', "log.disk_full"),
        ('ERROR:  duplicate key value violates unique constraint "k"', "log.duplicate_key"),
        ('ERROR:  cannot create chunk "_hyper_1_1_chunk"', "log.chunk_failed"),
        ("LOG:  duration: 1502.113 ms  statement: SELECT 1", "log.slow_statements"),
    ],
)
def test_what_the_database_says_is_counted(text: str, fact: str) -> None:
    found = facts_of([], [of_database(text), of_database("LOG:  checkpoint complete")])
    assert {name for name, count in found.items() if count} == {fact}


def test_a_log_that_was_read_and_says_nothing_is_known_to_say_nothing() -> None:
    found = facts_of([], [of_database("LOG:  duration: 12.1 ms")])
    assert found["log.write_failed"] == 0
    assert set(found.values()) == {0}


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("hooks.example: status 404", "webhook.unknown"),
        ("hooks.example: status 410", "webhook.unknown"),
        ("hooks.example: status 429", "webhook.limited"),
        ("hooks.example: status 400", "webhook.refused"),
        ("hooks.example: status 503", "webhook.failing"),
        ("hooks.example: status 302", "webhook.failing"),
        ("hooks.example: must be https, or named in ALERT_WEBHOOK_ALLOWED_HOSTS", "webhook.not_allowed"),
        ("hooks.example: is at no public address", "webhook.not_allowed"),
        ("the address must be https://HOST/…", "webhook.not_allowed"),
        ("hooks.example: ConnectError", "webhook.unreachable"),
        ("hooks.example: its name has no address now", "webhook.unreachable"),
        ("hooks.example: no answer within 10 s", "webhook.unreachable"),
        ("", "webhook.unreachable"),
    ],
)
def test_what_a_receiver_does_is_one_of_a_few_troubles(reason: str, kind: str) -> None:
    assert trouble(reason) == kind


def test_quotes_tell_each_reason_once_the_last_ones_last() -> None:
    lines = [said("unforeseen error", path=f"/{number % 7}") for number in range(20)]
    told = quotes(lines, ["log.unforeseen"])
    assert told == [f"2026-01-01T00:00:00 unforeseen error: /{number}" for number in (1, 2, 3, 4, 5)]
    assert quotes(lines, ["log.webhook_failed"]) == []
