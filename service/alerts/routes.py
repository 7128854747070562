"""The alerts over HTTP. Any replica answers alike: from the database, else the queue's copy, else memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from service.alerts.alert import Ack, Alert, Event
from service.alerts.book import Book
from service.alerts.desk import Changed, Desk
from service.alerts.force import RulesInForce
from service.alerts.rule import Rule, Severity, State
from service.alerts.shelf import MOST_RECENT, Query
from service.alerts.silence import MOST_NAME, MOST_TEXT, Silence, check_text, made, silenced
from service.alerts.storm import Storm
from service.alerts.trial import Trial
from service.alerts.view import View
from service.errors import Problem
from service.http import TARGET, json_response, read_body

# The longest texts, escaped, and room.
MOST_BODY_BYTES = 16 * 1024
FILTERS = ("metric", "status", "severity", "limit")

Demand = Callable[[Request], None]


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a request to acknowledge."""

    by: str
    comment: str = ""


@dataclass(frozen=True)
class Alerts:
    """Its methods are the routes."""

    desk: Desk
    view: View
    rules: RulesInForce
    trial: Trial
    now: Callable[[], float]
    may_read: Demand
    may_administer: Demand

    def routes(self) -> list[Route]:
        return [
            Route("/api/alerts/active", self.active),
            Route("/api/alerts/history", self.history),
            Route("/api/alerts/silences", self.silences),
            Route("/api/alerts/silences", self.silence, methods=["POST"]),
            Route("/api/alerts/silences/{id}", self.unsilence, methods=["DELETE"]),
            Route("/api/alerts/rules", self.rules_in_force),
            Route("/api/alerts/rules/reload", self.reload, methods=["POST"]),
            Route("/api/alerts/test", self.test, methods=["POST"]),
            Route("/api/alerts/{id}/ack", self.acknowledge, methods=["POST"]),
        ]

    async def active(self, request: Request) -> Response:
        """The most severe first, then the oldest."""
        self.may_read(request)
        book = await self.view.book()
        order = list(Severity)
        alerts = sorted(
            book.alerts.values(), key=lambda one: (-order.index(one.severity), one.fired_at, one.id)
        )
        return json_response([shown(one, book, self.now()) for one in alerts])

    async def history(self, request: Request) -> Response:
        self.may_read(request)
        events = await self.view.history(_query(request.query_params))
        return json_response([_past(one) for one in events])

    async def acknowledge(self, request: Request) -> Response:
        self.may_administer(request)
        alert_id = request.path_params["id"]
        try:
            asked = msgspec.json.decode(
                await read_body(request.scope, request.receive, MOST_BODY_BYTES), type=Acknowledgement
            )
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise Problem(
                400, "Bad acknowledgement", f"the body is not an acknowledgement: {error}"
            ) from None
        check_text("Bad acknowledgement", "by", asked.by, MOST_NAME, empty=False)
        check_text("Bad acknowledgement", "comment", asked.comment, MOST_TEXT, empty=True)
        ack = Ack(by=asked.by, at=self.now(), comment=asked.comment)

        def change(book: Book) -> Changed:
            if alert_id not in book.alerts:
                raise _not_found("id", f"no alert {alert_id[:80]!r} is firing")
            return Changed(replace(book, acks=book.acks | {alert_id: ack}))

        book = await self.desk.commit(change)
        return json_response(shown(book.alerts[alert_id], book, self.now()))

    async def silences(self, request: Request) -> Response:
        """Those that hold and those that will; the first to end first."""
        self.may_read(request)
        book, now = await self.view.book(), self.now()
        lasting = sorted((one for one in book.silences.values() if one.ends_at > now), key=_end)
        return json_response([_silence(one) for one in lasting])

    async def silence(self, request: Request) -> Response:
        self.may_administer(request)
        new = made(await read_body(request.scope, request.receive, MOST_BODY_BYTES), self.now())
        request.scope[TARGET] = new.id
        await self.desk.commit(lambda book: Changed(replace(book, silences=book.silences | {new.id: new})))
        return json_response(_silence(new), 201)

    async def unsilence(self, request: Request) -> Response:
        self.may_administer(request)
        silence_id = request.path_params["id"]

        def change(book: Book) -> Changed:
            found, now = book.silences.get(silence_id), self.now()
            if found is None or found.ends_at <= now:
                raise _not_found("id", f"no silence {silence_id[:80]!r} lasts")
            ended = replace(found, ends_at=now)
            return Changed(replace(book, silences=book.silences | {silence_id: ended}))

        await self.desk.commit(change)
        return Response(status_code=204, headers={"Cache-Control": "no-store"})

    async def rules_in_force(self, request: Request) -> Response:
        self.may_read(request)
        book = await self.view.book()
        return json_response(
            {
                "source": self.rules.source,
                "loadedAt": _time(self.rules.loaded_at),
                "rules": [_rule(one, book.states.get(one.id, State())) for one in self.rules.rules],
            }
        )

    async def reload(self, request: Request) -> Response:
        """On this replica at once, on the others with their next evaluation."""
        self.may_administer(request)
        mark = await self.rules.reload()
        await self.desk.commit(lambda book: Changed(replace(book, rules_mark=mark)))
        return json_response({"rules": len(self.rules.rules)})

    async def test(self, request: Request) -> Response:
        """To every receiver, whatever level it has."""
        self.may_administer(request)
        return json_response({"destinations": await self.trial.run()})


def shown(alert: Alert, book: Book, now: float) -> dict[str, object]:
    """With the value of now, where the rule's last evaluation had one."""
    state, ack = book.states.get(alert.rule_id, State()), book.acks.get(alert.id)
    current = state.value if state.alert_id == alert.id and state.value is not None else alert.value
    fields: dict[str, object] = {
        "id": alert.id,
        "ruleId": alert.rule_id,
        "metric": alert.metric,
        "status": "firing",
        "severity": alert.severity,
        "value": current,
        "threshold": alert.threshold,
        "operator": alert.operator,
        "occurredAt": _time(alert.fired_at),
        "message": alert.message,
        "labels": alert.labels,
        "runbook": alert.runbook,
        "acknowledged": None if ack is None else {"by": ack.by, "at": _time(ack.at), "comment": ack.comment},
        "silenced": silenced(alert, book.silences.values(), now),
        "escalation": max(1, alert.told),
    }
    return fields if alert.storm is None else fields | {"storm": _storm(alert.storm)}


def _storm(one: Storm) -> dict[str, object]:
    return {
        "firings": one.firings,
        "common": one.common,
        "value": one.value,
        "sharing": one.sharing,
        "ruleIds": one.rule_ids,
        "cooldown": one.cooldown_ms,
        "silence": one.silence(),
    }


def _past(event: Event) -> dict[str, object]:
    alert = event.alert
    return {
        "id": alert.id,
        "ruleId": alert.rule_id,
        "metric": alert.metric,
        "status": event.status,
        "severity": alert.severity,
        "value": alert.value,
        "threshold": alert.threshold,
        "occurredAt": _time(event.at),
        "message": alert.message,
    }


def _silence(one: Silence) -> dict[str, object]:
    return {
        "id": one.id,
        "matchers": one.matchers,
        "comment": one.comment,
        "createdBy": one.created_by,
        "startsAt": _time(one.starts_at),
        "endsAt": _time(one.ends_at),
    }


def _rule(rule: Rule, state: State) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(rule)
    since = state.fired_at if state.status == "firing" else state.active_at
    return fields | {
        "state": state.status,
        "value": state.value,
        "since": None if since is None or state.status == "inactive" else _time(since),
    }


def _query(parameters: Mapping[str, str]) -> Query:
    """Raises Problem 400 naming the parameter, what came and what is allowed."""
    unknown = sorted(set(parameters) - set(FILTERS))
    if unknown:
        raise _bad(unknown[0], f"is not known here; there are {', '.join(FILTERS)}")
    status, severity = parameters.get("status"), parameters.get("severity")
    if status not in (None, "firing", "resolved"):
        raise _bad("status", "must be firing or resolved")
    if severity not in (None, *Severity):
        raise _bad("severity", f"must be one of {', '.join(Severity)}")
    metric = parameters.get("metric")
    if metric is not None and (not 0 < len(metric) <= MOST_NAME or "\0" in metric):
        raise _bad("metric", f"must be text of 1 to {MOST_NAME} characters")
    text = parameters.get("limit", str(MOST_RECENT))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_RECENT):
        raise _bad("limit", f"must be a whole number from 1 to {MOST_RECENT}")
    return Query(metric, status, severity, int(text))


def _bad(name: str, allowed: str) -> Problem:
    return Problem(400, "Bad parameter", f"{name} {allowed}", name)


def _not_found(field: str, detail: str) -> Problem:
    return Problem(404, "Not found", detail, field)


def _end(one: Silence) -> tuple[float, str]:
    return one.ends_at, one.id


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
