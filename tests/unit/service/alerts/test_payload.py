"""What receivers get; no alert text may become anything but text."""

import base64
import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.alerts import payload
from service.alerts.alert import Delivery
from service.alerts.digest import Message, message_of
from service.alerts.rule import Severity
from service.alerts.testing import alert

NOW = 1_700_000_000.0
HOSTILE = "<!channel> [x](https://evil) *b* `c` & \u202e\x00\n@all"


def delivery(number: int = 1, status: str = "firing", **fields: object) -> Delivery:
    return Delivery(
        id=f"d{number}",
        destination="l1",
        status="resolved" if status == "resolved" else "firing",
        level=1,
        at=NOW + 60,
        alert=alert(number, **fields),
    )


def sent(message: Message, form: payload.Format) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(payload.render(message, form))
    return body


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://hooks.slack.com/services/x", "slack"),
        ("https://corp.webhook.office.com/webhookb2/x", "teams"),
        ("https://prod-1.westeurope.logic.azure.com:443/workflows/x", "teams"),
        ("https://x.environment.api.powerplatform.com/x", "teams"),
        ("https://hooks.slack.com.evil.example/x", "generic"),
        ("https://alerts.example/x", "generic"),
    ],
)
def test_the_host_tells_the_format(url: str, form: str) -> None:
    assert payload.format_of(url, "auto") == form
    assert payload.format_of(url, "generic") == "generic"


def test_slack_gets_plain_text_alone() -> None:
    body = sent(message_of([delivery(message=HOSTILE, labels={"a": HOSTILE})]), "slack")
    assert "<" not in str(body["text"])
    for block in body["blocks"]:
        assert block["text"]["type"] == "plain_text"
    assert body["mrkdwn"] is False


def test_teams_gets_runs_of_text_alone() -> None:
    body = sent(message_of([delivery(message=HOSTILE)]), "teams")
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.2")
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}


@given(st.text(max_size=900))
def test_no_text_keeps_a_control_character(text: str) -> None:
    told = payload.plain(text)
    assert len(told) <= payload.MOST_TEXT
    assert told.isprintable()


def test_generic_is_alertmanagers_webhook() -> None:
    body = sent(message_of([delivery(1), delivery(2, "resolved", metric="queue.size")]), "generic")
    assert (body["version"], body["status"], body["truncatedAlerts"]) == ("4", "firing", 0)
    assert body["commonLabels"] == {"severity": "high"}
    first, second = body["alerts"]
    assert first["labels"] == {"alertname": "rule-0001", "metric": "http.latency.p99", "severity": "high"}
    assert (first["status"], first["endsAt"]) == ("firing", "0001-01-01T00:00:00Z")
    assert (second["status"], second["startsAt"]) == ("resolved", "2023-11-14T22:13:22.000Z")
    assert second["endsAt"] == "2023-11-14T22:14:20.000Z"
    assert first["fingerprint"] != second["fingerprint"]
    wanted = {"receiver", "groupKey", "groupLabels", "commonAnnotations", "externalURL"}
    assert wanted <= body.keys()


def test_a_fingerprint_is_the_same_at_the_end() -> None:
    begins, ends = (sent(message_of([delivery(1, one)]), "generic") for one in ("firing", "resolved"))
    assert begins["alerts"][0]["fingerprint"] == ends["alerts"][0]["fingerprint"]
    assert begins["groupKey"] == ends["groupKey"]


@pytest.mark.parametrize("secret", ["plain secret", "whsec_" + base64.b64encode(b"raw key").decode()])
def test_generic_is_signed_by_standard_webhooks(secret: str) -> None:
    message = message_of([delivery()])
    body = payload.render(message, "generic")
    headers = payload.headers(message, body, "generic", secret, NOW + 0.9)
    key = b"raw key" if secret.startswith("whsec_") else secret.encode()
    signed = f"{message.id}.1700000000.".encode() + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (message.id, "1700000000")
    assert "webhook-signature" not in payload.headers(message, body, "generic", "", NOW)
    assert "webhook-id" not in payload.headers(message, body, "slack", secret, NOW)


def test_a_digest_names_all_by_metric() -> None:
    some = [delivery(1), delivery(2), delivery(3, "resolved", severity=Severity.LOW)]
    message = message_of(some)
    assert payload.headline(message) == "3 alerts, by metric"
    assert payload.lines(message) == [
        "Firing high http.latency.p99 (2): rule-0001, rule-0002",
        "Resolved low http.latency.p99 (1): rule-0003",
    ]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=700), st.integers(0, 3))
def test_what_fits_is_within_the_limits(sizes: list[int], halvings: int) -> None:
    some = [
        delivery(number, rule_id=f"{number:03}-" + "r" * size, metric="m" * (number % 90 + 1))
        for number, size in enumerate(sizes)
    ]
    forms: tuple[payload.Format, ...] = ("slack", "teams")
    for form in forms:
        count = payload.fits(some, form, halvings)
        body = payload.render(message_of(some[:count]), form)
        assert len(body) <= 28_000
        for one in some[:count]:
            assert one.alert.rule_id in body.decode()
    blocks = sent(message_of(some), "slack")["blocks"]
    assert all(len(block["text"]["text"]) <= 3000 for block in blocks)


@pytest.mark.parametrize("form", ["slack", "teams", "generic"])
def test_an_escalation_says_whom_to_call(form: payload.Format) -> None:
    second = msgspec.structs.replace(delivery(), level=2)
    people = {1: "Ada +49 30 1", 2: "Bob +49 30 2"}
    assert "call L2: Bob +49 30 2" in payload.lines(message_of([second]), people)
    assert "Bob +49 30 2" in payload.render(message_of([second]), form, people).decode()


def test_nobody_is_called_for_what_is_not_escalated_or_has_ended() -> None:
    people = {1: "Ada", 2: "Bob"}
    over = msgspec.structs.replace(delivery(1, "resolved"), level=2)
    third = msgspec.structs.replace(delivery(), level=3)
    for one in (delivery(), over, third):
        assert not any(line.startswith("call") for line in payload.lines(message_of([one]), people))
