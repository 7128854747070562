"""Messages as Slack, Teams and Alertmanager's webhook write them. Pure; alert texts can inject nothing."""

import base64
import hashlib
import hmac
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from service.alerts.alert import Delivery
from service.alerts.digest import Message
from service.alerts.storm import Storm

Format = Literal["slack", "teams", "generic"]
# Whom to call at a level of escalation.
Contacts = Mapping[int, str]
NOBODY: Contacts = MappingProxyType({})

# Teams refuses messages of more than 28 KB; names are the bulk of a digest.
MOST_NAMES_BYTES = 20_000
# What stands around the names of one metric.
GROUP_BYTES = 140
# An alert in Alertmanager's shape is about 700 bytes.
MOST_GENERIC = 300
# Slack's limits: characters of a section, and of a header.
SECTION = 2_900
HEADER = 140
MOST_TEXT = 600
MOST_ADVICE = 1_000

_TEAMS_HOSTS = (".webhook.office.com", ".logic.azure.com", ".powerplatform.com")


def format_of(url: str, wanted: str) -> Format:
    """By the host when `wanted` is auto."""
    if wanted in ("slack", "teams", "generic"):
        return wanted  # type: ignore[return-value]  # one of the three
    host = (urlsplit(url).hostname or "").lower()
    if host == "hooks.slack.com":
        return "slack"
    return "teams" if host.endswith(_TEAMS_HOSTS) else "generic"


def fits(deliveries: Sequence[Delivery], form: Format, halvings: int) -> int:
    """How many of them, from the first on, one message has room for."""
    if form == "generic":
        return max(1, min(len(deliveries), MOST_GENERIC >> halvings))
    room = MOST_NAMES_BYTES >> halvings
    groups: set[tuple[str, str, str]] = set()
    for count, one in enumerate(deliveries):
        room -= len(_name(one)) + 2
        if _group(one) not in groups:
            groups.add(_group(one))
            room -= len(one.alert.metric.encode()) + GROUP_BYTES
        if room < 0:
            return max(1, count)
    return max(1, len(deliveries))


def render(message: Message, form: Format, contacts: Contacts = NOBODY) -> bytes:
    body = {"slack": _slack, "teams": _teams, "generic": _generic}[form](message, contacts)
    return msgspec.json.encode(body)


def headers(message: Message, body: bytes, form: Format, secret: str, now: float) -> dict[str, str]:
    """Of Standard Webhooks: receivers of generic messages can tell who sent them, when, and repetitions."""
    sent = {"Content-Type": "application/json"}
    if form == "generic":
        sent |= {"webhook-id": message.id, "webhook-timestamp": str(int(now))}
        if secret:
            sent["webhook-signature"] = signature(message.id, int(now), body, secret)
    return sent


def signature(message_id: str, timestamp_s: int, body: bytes, secret: str) -> str:
    key = secret.encode()
    if secret.startswith("whsec_"):
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except ValueError:
            key = secret.encode()
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def plain(text: str, most: int = MOST_TEXT) -> str:
    """One line without control characters or such as turn the direction of writing."""
    kept = "".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text)
    return kept if len(kept) <= most else kept[: most - 1] + "…"


def headline(message: Message) -> str:
    if len(message.deliveries) > 1:
        return f"{len(message.deliveries)} alerts, by metric"
    (one,) = message.deliveries
    escalated = f" (L{one.level})" if one.status == "firing" and one.level > 1 else ""
    return f"{_word(one)}{escalated} {one.alert.severity}: {plain(one.alert.message, 100)}"


def lines(message: Message, contacts: Contacts = NOBODY) -> list[str]:
    """What is told below the headline; a digest names every alert in it."""
    if len(message.deliveries) > 1:
        storms = [one.alert.storm for one in message.deliveries if one.status == "firing"]
        return [*_names(message.deliveries), *(_advice(one) for one in storms if one)]
    (one,) = message.deliveries
    alert = one.alert
    value = "no data" if alert.value is None else f"{alert.value:g}"
    told = [
        plain(alert.message),
        f"{alert.metric} = {value}, limit {alert.operator} {alert.threshold:g}",
        f"rule {alert.rule_id}, alert {alert.id}, since {_stamp(alert.fired_at)}",
    ]
    if one.status == "resolved":
        told.append(f"resolved {_stamp(one.at)}" + (f"; {_note(one)}" if one.with_firing else ""))
    if alert.labels:
        told.append(", ".join(f"{plain(key)}={plain(text)}" for key, text in sorted(alert.labels.items())))
    if alert.storm and one.status == "firing":
        told.append(_advice(alert.storm))
    if alert.runbook:
        told.append(f"runbook: {plain(alert.runbook)}")
    call = _call(one, contacts)
    return [*told, f"call {call}"] if call else told


def _call(one: Delivery, contacts: Contacts) -> str:
    """Of an escalation; empty for the first level, which is told by being told."""
    escalated = one.status == "firing" and one.level > 1 and one.level in contacts
    return f"L{one.level}: {plain(contacts[one.level])}" if escalated else ""


def _advice(storm: Storm) -> str:
    silence = msgspec.json.encode(storm.silence()).decode()
    return f"{plain(storm.said())}; to silence it: POST /api/alerts/silences {plain(silence, MOST_ADVICE)}"


def _names(deliveries: Sequence[Delivery]) -> list[str]:
    """In the order they came: the most urgent groups first."""
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in deliveries:
        groups[_group(one)].append(_name(one))
    return [
        f"{word} {severity} {plain(metric)} ({len(names)}): {', '.join(names)}"
        for (word, severity, metric), names in groups.items()
    ]


def _name(one: Delivery) -> str:
    return one.alert.rule_id if one.times == 1 else f"{one.alert.rule_id} ({one.times} times)"


def _group(one: Delivery) -> tuple[str, str, str]:
    return _word(one), str(one.alert.severity), one.alert.metric


def _note(one: Delivery) -> str:
    return "it began and ended untold" + (f", {one.times} times" if one.times > 1 else "")


def _word(one: Delivery) -> str:
    if one.status == "resolved":
        return "Fired and resolved" if one.with_firing else "Resolved"
    return "Firing"


def _slack(message: Message, contacts: Contacts) -> dict[str, Any]:
    """Plain text throughout: nothing in it is a link, a mention or a format."""
    title = headline(message)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": plain(title, HEADER), "emoji": False}}
    ]
    blocks += [
        {"type": "section", "text": {"type": "plain_text", "text": part, "emoji": False}}
        for part in _sections(lines(message, contacts))
    ]
    # Stands where blocks cannot be shown, in a notification for instance.
    return {"text": _slack_escaped(title), "mrkdwn": False, "blocks": blocks}


def _sections(told: Sequence[str]) -> list[str]:
    """As many lines together as a section holds; a line that is longer breaks between two names."""
    sections = [""]
    for line in told:
        for number, name in enumerate(line.split(", ")):
            part = name if number == 0 else f", {name}"
            apart = "\n" if number == 0 and sections[-1] else ""
            if len(sections[-1]) + len(apart) + len(part) > SECTION:
                sections.append(name)
            else:
                sections[-1] += apart + part
    return sections


def _slack_escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(message: Message, contacts: Contacts) -> dict[str, Any]:
    """Text runs are shown as they are, while a TextBlock would read Markdown."""
    body = [_run(headline(message), bold=True), *(_run(line) for line in lines(message, contacts))]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": body,
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": card,
    }
    return {"type": "message", "attachments": [attachment]}


def _run(text: str, *, bold: bool = False) -> dict[str, Any]:
    run: dict[str, Any] = {"type": "TextRun", "text": text}
    if bold:
        run |= {"weight": "Bolder", "size": "Medium"}
    return {"type": "RichTextBlock", "inlines": [run]}


def _generic(message: Message, contacts: Contacts) -> dict[str, Any]:
    """Alertmanager's webhook, version 4."""
    alerts = [_alertmanager(one, contacts) for one in message.deliveries]
    firing = any(one.status == "firing" for one in message.deliveries)
    return {
        "version": "4",
        "groupKey": f"amas:{message.id}" if len(alerts) > 1 else f"amas:{message.deliveries[0].alert.id}",
        "truncatedAlerts": 0,
        "status": "firing" if firing else "resolved",
        "receiver": message.deliveries[0].destination,
        "groupLabels": {},
        "commonLabels": _common([one["labels"] for one in alerts]),
        "commonAnnotations": _common([one["annotations"] for one in alerts]),
        "externalURL": "",
        "alerts": alerts,
    }


def _alertmanager(one: Delivery, contacts: Contacts) -> dict[str, Any]:
    alert = one.alert
    labels = {plain(key): plain(text) for key, text in alert.labels.items()}
    labels |= {"alertname": alert.rule_id, "metric": plain(alert.metric), "severity": str(alert.severity)}
    annotations = {
        "summary": plain(alert.message),
        "value": "" if alert.value is None else f"{alert.value:g}",
        "threshold": f"{alert.operator} {alert.threshold:g}",
        "alertId": alert.id,
        "escalation": str(max(1, one.level)),
    }
    if alert.runbook:
        annotations["runbook"] = plain(alert.runbook)
    call = _call(one, contacts)
    if call:
        annotations["call"] = call
    if alert.storm and one.status == "firing":
        annotations["storm"] = _advice(alert.storm)
    if one.with_firing:
        annotations["note"] = _note(one)
    if one.times > 1:
        annotations["times"] = str(one.times)
    return {
        "status": one.status,
        "labels": labels,
        "annotations": annotations,
        "startsAt": _stamp(alert.fired_at),
        "endsAt": _stamp(one.at) if one.status == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": hashlib.blake2s(
            msgspec.json.encode(labels, order="deterministic"), digest_size=8
        ).hexdigest(),
    }


def _common(each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first, *others = each
    return {key: text for key, text in first.items() if all(one.get(key) == text for one in others)}


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
