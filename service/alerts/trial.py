"""A test message to every receiver, asked for by hand: answers at once whether each takes it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from service.alerts import limiter, payload
from service.alerts.alert import Alert, Delivery
from service.alerts.book import Book, Channel
from service.alerts.desk import Changed, Desk
from service.alerts.digest import Message
from service.alerts.notifier import Post, Receivers
from service.alerts.rule import Severity
from service.errors import Problem

RULE_ID = "test-message"


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the message to one destination."""

    destination: str
    delivered: bool
    # The receiver's own answer; None where there was none.
    status: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Trial:
    """Any replica's to make; it counts toward what a destination gets in a minute."""

    desk: Desk
    post: Post
    receivers: Receivers
    muted: Callable[[], bool]
    now: Callable[[], float]

    async def run(self) -> list[Tried]:
        """Raises Problem 409 where nothing would be sent."""
        if not self.receivers.addresses:
            raise _refused("no receiver is configured: pulumi config set --secret amas:alertWebhookUrl")
        if self.muted():
            raise _refused("the switch disable-notifications is on: nothing is sent")
        return [await self._tried(name) for name in sorted(self.receivers.addresses)]

    async def _tried(self, destination: str) -> Tried:
        now = self.now()
        if not await self._permitted(destination, now):
            most = self.receivers.most_per_minute
            return Tried(
                destination=destination,
                delivered=False,
                reason=f"its {most} messages a minute are used up; try again in a minute",
            )
        url, message = self.receivers.address(destination), message_to(destination, now)
        form = payload.format_of(url, self.receivers.form)
        body = payload.render(message, form)
        headers = payload.headers(message, body, form, self.receivers.secret, now)
        answer = await self.post.post(url, body, headers)
        return Tried(
            destination=destination,
            delivered=200 <= answer.status < 300,
            status=answer.status or None,
            reason=answer.reason,
        )

    async def _permitted(self, destination: str, now: float) -> bool:
        permitted = False

        def claim(book: Book) -> Changed:
            nonlocal permitted
            channel = book.channels.get(destination, Channel())
            permitted = limiter.permits(channel.sent_at, now, self.receivers.most_per_minute) > 0
            sent = replace(channel, sent_at=(*limiter.recent(channel.sent_at, now), now))
            return Changed(
                replace(book, channels=book.channels | {destination: sent}) if permitted else book,
                write=permitted,
            )

        await self.desk.commit(claim)
        return permitted


def message_to(destination: str, now: float) -> Message:
    """Begun and ended in one: a receiver that opens a case for a firing alert must not wait for its end."""
    alert = Alert(
        id=f"{RULE_ID}-{hashlib.blake2s(f'{destination} {now}'.encode(), digest_size=6).hexdigest()}",
        rule_id=RULE_ID,
        metric="notifier.test",
        severity=Severity.LOW,
        operator=">",
        threshold=0.0,
        value=None,
        message="A test message, asked for by hand: notifications reach this receiver",
        fired_at=now,
        runbook="amas triage webhooks --test",
    )
    delivery = Delivery(
        id=alert.id,
        destination=destination,
        status="resolved",
        level=1,
        at=now,
        alert=alert,
        with_firing=True,
    )
    return Message(id=alert.id, deliveries=(delivery,))


def _refused(detail: str) -> Problem:
    return Problem(409, "Nothing to test", detail)
