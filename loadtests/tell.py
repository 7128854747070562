"""People are told before and after: by the webhook that gets the alerts too, where there is one."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

TIMEOUT_S = 5.0
# Teams takes cards alone; Slack and most others take a text. As in service/alerts/payload.py.
TEAMS_HOSTS = (".webhook.office.com", ".logic.azure.com", ".powerplatform.com")


@dataclass
class Teller:
    """Records each message with what became of it; a receiver that does not answer stops no test."""

    webhook: str | None = field(default=None, repr=False)
    transport: httpx.BaseTransport | None = None
    told: list[dict[str, str]] = field(default_factory=list)

    def tell(self, message: str) -> None:
        self.told.append({"message": message, "webhook": self._sent(message)})

    def _sent(self, message: str) -> str:
        """Never with the address in it: that is a secret."""
        if not self.webhook:
            return "none is set"
        try:
            with httpx.Client(timeout=TIMEOUT_S, transport=self.transport, trust_env=False) as client:
                answer = client.post(self.webhook, json=body(self.webhook, message))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return f"not told: {type(error).__name__}"
        return "told" if answer.is_success else f"not told: {answer.status_code}"


def body(webhook: str, message: str) -> dict[str, Any]:
    """A text run of a card is shown as it is, while a text block would read Markdown."""
    if not (urlsplit(webhook).hostname or "").lower().endswith(TEAMS_HOSTS):
        return {"text": message}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": [{"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": message}]}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None}
    return {"type": "message", "attachments": [{**attachment, "content": card}]}
