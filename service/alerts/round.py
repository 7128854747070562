"""One evaluation of all rules, and what follows from it for the book. Pure: it may be done again."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from service.alerts import escalation, storm
from service.alerts.alert import Alert, Delivery, Event, Status, begun, event_of
from service.alerts.book import Book, pruned
from service.alerts.escalation import Destinations
from service.alerts.evaluate import evaluate, restored
from service.alerts.fold import folded
from service.alerts.rule import Measured, Rule, State, Transition
from service.alerts.silence import silenced
from service.alerts.storm import Firing, Storm

Samples = Mapping[str, Measured]
Evaluate = Callable[[Rule, State, Measured | None, float], tuple[State, Transition | None]]
InCommon = Callable[[Iterable[tuple[float, str]], float], Storm | None]

_NEVER = State()


@dataclass(frozen=True)
class Round:
    """What one evaluation came to; `errors` by rule id."""

    book: Book
    events: Sequence[Event] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    # Something that a restart must not forget: a status changed, not only a clock.
    matters: bool = False
    evaluation_s: float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """What stays the same from round to round."""

    rules: Sequence[Rule]
    destinations: Destinations
    # A longer time without evaluation counts as nobody having looked.
    gap_s: float
    evaluate: Evaluate = evaluate
    clock: Callable[[], float] = time.perf_counter

    def of(self, book: Book, samples: Samples, now: float) -> Round:
        began = self.clock()
        looked = self._looked(book, samples, now)
        took_s = self.clock() - began
        after = folded(notified(pruned(looked.book, now), self.destinations, now), now)
        matters = looked.matters or after.outbox.keys() != book.outbox.keys() or after.alerts != book.alerts
        return replace_round(looked, book=after, matters=matters, evaluation_s=took_s)

    def _looked(self, book: Book, samples: Samples, now: float) -> Round:
        """Errors stay with their rule: it keeps its state, and the others go on."""
        book = self._resumed(book, now)
        states, errors = dict(book.states), {}
        transitions: list[tuple[Rule, Transition]] = []
        matters = False
        for rule in self.rules:
            before = states.get(rule.id, _NEVER)
            try:
                after, transition = self.evaluate(rule, before, samples.get(rule.metric), now)
            except Exception as error:  # whatever it is, the other rules go on
                errors[rule.id] = f"{type(error).__name__}: {error}"
                continue
            if after is before:
                continue
            states[rule.id] = after
            matters = matters or after.status is not before.status or transition is not None
            if transition is not None:
                transitions.append((rule, transition))
        book = replace(book, states=states, evaluated_at=now)
        book, events = _recorded(book, transitions, self._storm)
        book, ended = _retired(book, {rule.id for rule in self.rules}, now)
        return Round(book, [*events, *ended], errors, matters or bool(ended))

    def _storm(self, fired: Iterable[tuple[float, str]], now: float) -> Storm | None:
        """Whatever number its rule has for a limit."""
        known = {rule.id: rule for rule in self.rules}
        firings = [
            Firing(at, rule_id, known[rule_id].metric, known[rule_id].labels)
            for at, rule_id in fired
            if rule_id in known
        ]
        return storm.storm(firings, now, most=0)

    def _resumed(self, book: Book, now: float) -> Book:
        if not book.evaluated_at or now - book.evaluated_at <= self.gap_s:
            return book
        last = book.evaluated_at
        states = {key: restored(state, now, last_evaluated_at=last) for key, state in book.states.items()}
        return replace(book, states=states)


def replace_round(one: Round, *, book: Book, matters: bool, evaluation_s: float) -> Round:
    return Round(book, one.events, one.errors, matters, evaluation_s)


def _recorded(
    book: Book, transitions: Sequence[tuple[Rule, Transition]], in_common: InCommon
) -> tuple[Book, list[Event]]:
    """The firings and the ends among them. One told late was recorded before."""
    events: list[Event] = []
    alerts, outbox = dict(book.alerts), dict(book.outbox)
    new = [(one.at, rule.id) for rule, one in transitions if _begins(one, book)]
    fired = (*book.fired, *new)
    for rule, transition in transitions:
        if transition.kind == "resolved":
            alert = alerts.pop(transition.alert_id, None) or begun(rule, transition)
            events.append(event_of(replace(alert, value=transition.value), "resolved", transition.at))
            _end(book, outbox, alert, transition.at)
        elif _begins(transition, book):
            alert = begun(rule, transition)
            if rule.metric == storm.METRIC:
                alert = replace(alert, storm=in_common(fired, transition.at))
            alerts[alert.id] = alert
            events.append(event_of(alert, "firing", transition.at))
    return replace(book, alerts=alerts, outbox=outbox, fired=fired), events


def _begins(transition: Transition, book: Book) -> bool:
    return transition.kind == "firing" and transition.alert_id not in book.alerts


def _retired(book: Book, known: set[str], now: float) -> tuple[Book, list[Event]]:
    """What a rule fired that is no longer there ends now."""
    alerts, outbox, events = dict(book.alerts), dict(book.outbox), []
    for alert in book.alerts.values():
        if alert.rule_id not in known:
            del alerts[alert.id]
            events.append(event_of(alert, "resolved", now))
            _end(book, outbox, alert, now)
    states = {key: state for key, state in book.states.items() if key in known}
    return replace(book, alerts=alerts, outbox=outbox, states=states), events


def _end(book: Book, outbox: dict[str, Delivery], alert: Alert, at: float) -> None:
    """Whoever was told, or is being told, of the firing is told of its end; who was not is told both at once.

    A silence holds back the end as well; an acknowledgement does not: without it a firing that was told
    would stay open at the receiver for ever.
    """
    if silenced(alert, book.silences.values(), at):
        for key in [key for key, one in outbox.items() if one.alert.id == alert.id and not one.message_id]:
            del outbox[key]
        return
    for destination in alert.told_to:
        untold = [
            one.id
            for one in outbox.values()
            if one.alert.id == alert.id and one.destination == destination and not one.message_id
        ]
        for key in untold:
            del outbox[key]
        end = delivery_of(alert, "resolved", destination, alert.told, at)
        told_before = any(key in book.delivered for key in firings(end))
        if end.id not in book.delivered:
            outbox[end.id] = replace(end, with_firing=bool(untold) and not told_before)


def notified(book: Book, destinations: Destinations, now: float) -> Book:
    """With deliveries for everything that somebody should know by now and was not told."""
    outbox, alerts = dict(book.outbox), dict(book.alerts)
    held = {
        alert.id
        for alert in book.alerts.values()
        if silenced(alert, book.silences.values(), now) or alert.id in book.acks
    }
    for key, one in book.outbox.items():
        if one.status == "firing" and one.alert.id in held and not one.message_id:
            del outbox[key]
            alerts[one.alert.id] = _untold(alerts[one.alert.id], one)
    for alert in book.alerts.values():
        state = book.states.get(alert.rule_id, _NEVER)
        if alert.id in held or not state.notified:
            continue
        due = escalation.level(alert, now, acknowledged=False)
        if due <= alert.told:
            continue
        to = destinations.upto(alert.told, due)
        told = replace(alert, told=due, told_to=tuple(dict.fromkeys([*alert.told_to, *to])))
        alerts[alert.id] = told
        for destination in to:
            one = delivery_of(told, "firing", destination, due, now)
            if one.id not in book.delivered:
                outbox.setdefault(one.id, one)
    return replace(book, outbox=outbox, alerts=alerts)


def _untold(alert: Alert, dropped: Delivery) -> Alert:
    """As if it had not been said that this would be told: it will be, when the silence has ended."""
    told_to = tuple(name for name in alert.told_to if name != dropped.destination)
    return replace(alert, told=min(alert.told, dropped.level - 1), told_to=told_to)


def delivery_id(alert: Alert, status: Status, destination: str, level: int) -> str:
    return f"{alert.id}:{status}:{destination}:{level if status == 'firing' else 0}"


def firings(end: Delivery) -> list[str]:
    """The ids under which its destination may have been told of the firing."""
    return [delivery_id(end.alert, "firing", end.destination, level) for level in escalation.LEVELS]


def delivery_of(alert: Alert, status: Status, destination: str, level: int, at: float) -> Delivery:
    return Delivery(
        id=delivery_id(alert, status, destination, level),
        destination=destination,
        status=status,
        level=level,
        at=at,
        alert=alert,
    )
