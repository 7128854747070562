"""What the logs say of known troubles: the runbook's phrases, counted. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from runbook.engine import LogLine
from runbook.logs import json_fields
from runbook.triage.cause import Facts

# In lines of the service; its messages.
SERVICE = {
    "log.write_failed": "Failed to write decision insight",
    "log.webhook_failed": "Webhook failed after 3 retries",
    "log.webhook_retried": "Webhook failed; it is tried again",
    "log.unforeseen": "unforeseen error",
}
# In lines of the database.
DATABASE = {
    "log.statement_timeout": re.compile(r"canceling statement due to statement timeout"),
    "log.disk_full": re.compile(r"No space left on device"),
    "log.duplicate_key": re.compile(r"duplicate key value violates unique constraint"),
    "log.chunk_failed": re.compile(r"\b(ERROR|FATAL):.*\b(chunk|hypertable|dimension slice)"),
    "log.slow_statements": re.compile(r"\bduration: \d{4,}\.\d+ ms"),
}
WEBHOOK = ("log.webhook_failed", "log.webhook_retried")
# What the receiver answered, or why it was not asked, to the kind of trouble.
STATUSES = {
    "webhook.unknown": (401, 403, 404, 410),
    "webhook.limited": (429,),
    "webhook.refused": (400, 413, 422),
}
NOT_ALLOWED = re.compile(r"must be https|is at no public address|the address (must|cannot)")
STATUS = re.compile(r"\bstatus (\d{3})\b")
MOST_QUOTES = 5


def facts_of(service: Iterable[LogLine], database: Iterable[LogLine]) -> Facts:
    """How often each was said; what was never said is 0, since the logs were read."""
    counts: Counter[str] = Counter(dict.fromkeys([*SERVICE, *DATABASE], 0))
    for line in service:
        fields = json_fields(line.text)
        if fields is not None:
            counts.update(_said(fields))
    for line in database:
        counts.update(name for name, pattern in DATABASE.items() if pattern.search(line.text))
    return {name: float(count) for name, count in counts.items()}


def _said(fields: Mapping[str, object]) -> list[str]:
    message = str(fields.get("message", ""))
    found = [name for name, phrase in SERVICE.items() if phrase in message]
    if any(name in WEBHOOK for name in found):
        found.append(trouble(str(fields.get("reason", ""))))
    return found


def trouble(reason: str) -> str:
    """Of the notifier's reasons: a receiver's status, an address that is refused, or no answer at all."""
    answered = STATUS.search(reason)
    if answered:
        status = int(answered[1])
        return next((name for name, known in STATUSES.items() if status in known), "webhook.failing")
    return "webhook.not_allowed" if NOT_ALLOWED.search(reason) else "webhook.unreachable"


def quotes(service: Iterable[LogLine], phrases: Iterable[str]) -> list[str]:
    """The last lines that hold one of them, each reason once."""
    found: dict[str, str] = {}
    for line in service:
        fields = json_fields(line.text)
        if fields is None or not any(SERVICE[name] in str(fields.get("message", "")) for name in phrases):
            continue
        text = f"{fields.get('message')}: {fields.get('reason') or fields.get('path') or ''}".rstrip(": ")
        found.pop(text, None)
        found[text] = f"{line.stamp[:19]} {text}"
    return list(found.values())[-MOST_QUOTES:]
