"""People are told before and after: by the webhook that gets the alerts too, where there is one."""

from dataclasses import dataclass, field

import httpx

TIMEOUT_S = 5.0


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
                answer = client.post(self.webhook, json={"text": message})
        except httpx.HTTPError as error:
            return f"not told: {type(error).__name__}"
        return "told" if answer.is_success else f"not told: {answer.status_code}"
