"""Tells the destinations what waits in the outbox: at least once, by one sender, within their limits."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from msgspec.structs import replace

from service.alerts import limiter, payload, retry
from service.alerts.alert import Delivery
from service.alerts.book import Book, Channel
from service.alerts.desk import Changed, Desk
from service.alerts.digest import Message, next_message
from service.alerts.lease import Leadership, Role
from service.alerts.post import Answer
from service.alerts.round import firings
from service.errors import StoreUnavailable

# Whoever claimed a message and has not told its outcome by then is dead.
CLAIM_S = 15.0
LOOK_EVERY_S = 0.25

logger = logging.getLogger("AlertEngine")


class Post(Protocol):
    """post.Poster, or its twin."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer: ...


class Gauge(Protocol):
    """What is counted; service.metrics has the real one."""

    def notified(self, result: str) -> None: ...


@dataclass(frozen=True)
class Receivers:
    """What is known of them all. The addresses are secrets."""

    addresses: Mapping[str, str]
    form: str
    secret: str
    most_per_minute: int
    contacts: payload.Contacts = field(default_factory=dict)

    def address(self, destination: str) -> str:
        """One that is no longer configured is the first level's to hear."""
        return self.addresses.get(destination) or self.addresses.get("l1", "")


@dataclass(frozen=True)
class Surroundings:
    """What a notifier asks of others; `muted` is the switch that holds everything back."""

    muted: Callable[[], bool]
    # As many as live, or None while nobody can tell; and as many as there should be.
    replicas: Callable[[], int | None]
    replicas_expected: int
    now: Callable[[], float]
    random: Callable[[], float]
    gauge: Gauge


class Notifier:
    """One for each replica; only the leader's sends."""

    def __init__(
        self,
        desk: Desk,
        leadership: Leadership,
        post: Post,
        receivers: Receivers,
        surroundings: Surroundings,
        name: str,
    ) -> None:
        self._desk = desk
        self._leadership = leadership
        self._post = post
        self._receivers = receivers
        self._around = surroundings
        self._name = name
        # As it was known last; a leader that is cut off cannot ask.
        self._replicas = surroundings.replicas_expected
        # One for each destination, so that none waits for another that is slow.
        self.lines = tuple(receivers.addresses) or ("l1",)

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(*(self._run(line) for line in self.lines))

    async def _run(self, line: str) -> None:
        while True:
            try:
                while await self.step(line):
                    pass
            except StoreUnavailable as error:
                logger.warning("notifications wait", extra={"reason": str(error)})
            except Exception:
                logger.exception("the notifier failed; it goes on")
            await asyncio.sleep(LOOK_EVERY_S)

    async def step(self, line: str) -> bool:
        """At most one message to each destination of the line; True when there was one."""
        self._count_replicas()
        if not self._leadership.leads or self._around.muted():
            return False
        waiting = {one.destination for one in self._desk.book.outbox.values()}
        told = False
        for name in sorted(name for name in waiting if self._line(name) == line):
            if self._may_try(self._desk.book, name):
                told = await self._tell(name) or told
        return told

    def _line(self, destination: str) -> str:
        """One that is no longer configured waits with the first."""
        return destination if destination in self.lines else self.lines[0]

    def _count_replicas(self) -> None:
        """At every look, whoever leads: when nobody can be asked any more, each must know its share."""
        known = self._around.replicas()
        if known is not None:
            self._replicas = max(1, known)

    def oldest_s(self) -> float:
        """Age of what has waited longest; 0 while notifications are off."""
        if self._around.muted() or not self._receivers.addresses:
            return 0.0
        now = self._around.now()
        return max((now - one.waits_since for one in self._desk.book.outbox.values()), default=0.0)

    def failing(self) -> bool:
        """A destination refused the first attempt and all retries."""
        return any(one.failures > retry.RETRIES for one in self._desk.book.channels.values())

    def _may_try(self, book: Book, destination: str) -> bool:
        """Before anything is read or written for it."""
        channel = book.channels.get(destination, Channel())
        now = self._around.now()
        return (
            bool(self._receivers.address(destination))
            and not self._rests(channel, now)
            and limiter.permits(channel.sent_at, now, self._most()) > 0
        )

    def _rests(self, channel: Channel, now: float) -> bool:
        """No rest is longer than the longest pause: then it was noted before the clock went back."""
        return 0 < channel.not_before - now <= retry.LONGEST_ASKED_S + limiter.APART_S

    def _most(self) -> int:
        most = self._receivers.most_per_minute
        return limiter.share(most, self._replicas) if self._leadership.role is Role.ALONE else most

    async def _tell(self, destination: str) -> bool:
        message = await self._claimed(destination)
        if message is None:
            return False
        if not self._leadership.leads:
            # Held up since; the claim runs out, and the leader of then sends it.
            return False
        url, now = self._receivers.address(destination), self._around.now()
        form = payload.format_of(url, self._receivers.form)
        body = payload.render(message, form, self._receivers.contacts)
        headers = payload.headers(message, body, form, self._receivers.secret, now)
        answer = await self._post.post(url, body, headers)
        await self._desk.commit(lambda book: self._after(book, destination, message, answer))
        return True

    async def _claimed(self, destination: str) -> Message | None:
        """Marked before it is sent, so that whoever leads next knows that it may have arrived."""
        claimed: Message | None = None

        def claim(book: Book) -> Changed:
            nonlocal claimed
            claimed = self._next(book, destination) if self._may_try(book, destination) else None
            if claimed is None:
                return Changed(book, write=False)
            now = self._around.now()
            marks = {
                one.id: replace(one, message_id=claimed.id, claimed_by=self._name, claimed_at=now)
                for one in claimed.deliveries
            }
            channel = book.channels.get(destination, Channel())
            channel = replace(channel, sent_at=(*limiter.recent(channel.sent_at, now), now))
            return Changed(
                replace(book, outbox=book.outbox | marks, channels=book.channels | {destination: channel})
            )

        await self._desk.commit(claim)
        return claimed

    def _next(self, book: Book, destination: str) -> Message | None:
        now, channel = self._around.now(), book.channels.get(destination, Channel())
        form = payload.format_of(self._receivers.address(destination), self._receivers.form)
        waiting = [
            one
            for one in book.outbox.values()
            if one.destination == destination and not self._is_others(one, now)
        ]
        return next_message(
            waiting,
            limiter.permits(channel.sent_at, now, self._most()),
            recovering=channel.failures > 0,
            fits=lambda some: payload.fits(some, form, channel.halvings),
        )

    def _is_others(self, one: Delivery, now: float) -> bool:
        """Another replica sends it at this moment."""
        lasts = limiter.is_past(one.claimed_at, now) and now < one.claimed_at + CLAIM_S
        return bool(one.message_id) and one.claimed_by != self._name and lasts

    def _after(self, book: Book, destination: str, message: Message, answer: Answer) -> Changed:
        if 200 <= answer.status < 300:
            return Changed(self._delivered(book, destination, message))
        return Changed(self._failed(book, destination, message, answer))

    def _delivered(self, book: Book, destination: str, message: Message) -> Book:
        ids = {one.id for one in message.deliveries}
        told = [firing for one in message.deliveries if one.with_firing for firing in firings(one)]
        now = self._around.now()
        self._around.gauge.notified("delivered")
        logger.info(
            "notified", extra={"destination": destination, "alerts": len(ids), "messageId": message.id}
        )
        channel = replace(book.channels.get(destination, Channel()), failures=0, not_before=0.0)
        return replace(
            book,
            outbox={key: one for key, one in book.outbox.items() if key not in ids},
            delivered=book.delivered | dict.fromkeys([*ids, *told], now),
            channels=book.channels | {destination: channel},
        )

    def _failed(self, book: Book, destination: str, message: Message, answer: Answer) -> Book:
        now, before = self._around.now(), book.channels.get(destination, Channel())
        retried = answer.status == 0 or retry.worth_retrying(answer.status)
        failures = before.failures + 1 if retried else max(before.failures, retry.RETRIES) + 1
        asked_s = retry.asked_s(answer.retry_after, now)
        halvings = before.halvings + (answer.status in (400, 413) and len(message.deliveries) > 1)
        channel = replace(
            before,
            failures=failures,
            not_before=now + retry.pause_s(failures, asked_s, self._around.random),
            halvings=min(halvings, 9),
        )
        self._told_failure(destination, failures, answer)
        in_doubt = answer.sent and (answer.status in (0, 408) or answer.status >= 500)
        marks: dict[str, Delivery] = {}
        for one in message.deliveries:
            if one.id in book.outbox:
                kept = in_doubt and failures <= retry.RETRIES
                marks[one.id] = replace(
                    book.outbox[one.id],
                    message_id=message.id if kept else "",
                    refusals=one.refusals + (not retried),
                )
        return replace(book, outbox=book.outbox | marks, channels=book.channels | {destination: channel})

    def _told_failure(self, destination: str, failures: int, answer: Answer) -> None:
        self._around.gauge.notified("failed" if failures > retry.RETRIES else "retried")
        about = {"destination": destination, "failures": failures, "reason": answer.reason}
        if failures > retry.RETRIES:
            logger.error("Webhook failed after 3 retries; it is kept and tried again", extra=about)
        else:
            logger.warning("Webhook failed; it is tried again", extra=about)
