"""Sends the lines, many requests at a time, and holds every answer against what was due."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from runbook.traffic.check import ACKNOWLEDGED, Answer, Sent, judge
from runbook.traffic.line import STATUS, Line, Outcome
from runbook.traffic.patience import Patience, at_a_time
from runbook.traffic.requests import Request, batch, in_waves
from runbook.traffic.wire import Reply, Wire

# What fits one buffer of the load balancer it may send again by itself.
LB_REPEATS_BYTES = 98_304


@dataclass(frozen=True)
class Progress:
    """Where a step is: what is done, of how much, for how long."""

    done: int
    count: int
    elapsed_s: float

    @property
    def rate(self) -> float:
        return self.done / self.elapsed_s if self.elapsed_s else 0.0


@dataclass(frozen=True)
class Pace:
    """How fast and how long.

    With a rate, lines leave on time however slow the answers are, while a connection is free; without, as
    fast as they are answered.
    """

    connections: int = 32
    rate: float | None = None
    time_limit_s: float = 900.0
    patience: Patience = field(default_factory=Patience)
    clock: Callable[[], float] = time.monotonic


class Drive:
    """One run of sending; `acknowledged[number]` is 1 for a stored line with a 2xx."""

    def __init__(self, wire: Wire, count: int, pace: Pace, on_progress: Callable[[Progress], None]) -> None:
        self.sent = Sent()
        self.acknowledged = bytearray(count + 1)
        self.elapsed_s = 0.0
        self.most_behind_s = 0.0
        self.wire = wire
        self.pace = pace
        self.on_progress = on_progress
        self._count = count
        self._started = pace.clock()
        self._left = 0

    async def send(self, lines: Iterable[Line], seed: int) -> Sent:
        """A wave begins when all of the one before is answered. Takes every line, also after a stop."""
        for requests in in_waves(lines, seed):
            await at_a_time(self.pace.connections, requests, self._one)
        self.elapsed_s = self.pace.clock() - self._started
        return self.sent

    async def _one(self, request: Request) -> None:
        if self.sent.stopped_because:
            return
        await self._on_time(len(request.lines))
        if self.pace.clock() - self._started > self.pace.time_limit_s:
            self.sent.stopped_because = f"the time limit of {self.pace.time_limit_s:g} s was reached"
            return
        await self._deliver(request)
        self.on_progress(Progress(self.sent.lines, self._count, self.pace.clock() - self._started))

    async def _on_time(self, lines: int) -> None:
        if self.pace.rate is None:
            return
        wait_s = self._started + self._left / self.pace.rate - self.pace.clock()
        self._left += lines
        self.most_behind_s = max(self.most_behind_s, -wait_s)
        if wait_s > 0:
            await self.pace.patience.sleep(wait_s)

    async def _deliver(self, request: Request) -> None:
        """What is not answered for is sent again; whoever never answers ends the run."""
        patience = self.pace.patience
        for attempt in range(patience.attempts):
            reply = await self.wire.post(request)
            self.sent.requests += 1
            self.sent.resent += attempt > 0
            self.sent.size_bytes += len(request.body)
            waiting = self._settle(request, reply, perhaps_again=attempt > 0)
            if not waiting:
                return
            request = request if request.single else batch(waiting)
            if attempt + 1 < patience.attempts:
                await patience.pause(attempt, reply.after_s)
        came = f"{reply.status} " if reply.status else ""
        self.sent.stopped_because = (
            f"no answer after {patience.attempts} tries: {came}{reply.body[:160].decode(errors='replace')}"
        )
        for line in request.lines:
            self._note(line, None, perhaps_again=True)

    def _settle(self, request: Request, reply: Reply, *, perhaps_again: bool) -> list[Line]:
        """The lines that have to be sent again."""
        if reply.come_back_later:
            self.sent.again[reply.status] += 1
            return list(request.lines)
        answers = answers_of(request, reply)
        perhaps_again = perhaps_again or len(request.body) < LB_REPEATS_BYTES
        waiting: list[Line] = []
        for line, answer in zip(request.lines, answers, strict=True):
            if answer is not None and Reply(answer.status, b"").come_back_later:
                waiting.append(line)
                self.sent.again[answer.status] += 1
            else:
                self._note(line, answer, perhaps_again=perhaps_again)
        return waiting

    def _note(self, line: Line, answer: Answer | None, *, perhaps_again: bool) -> None:
        sent = self.sent
        sent.deviations.add(judge(line, answer, perhaps_again=perhaps_again))
        if answer is None:
            return
        sent.lines += 1
        sent.statuses[answer.status] += 1
        if line.expected.outcome is Outcome.STORED and answer.status in ACKNOWLEDGED:
            self.acknowledged[line.number] = 1
            sent.acknowledged += 1
            sent.twice += answer.status == STATUS[Outcome.DUPLICATE]


def answers_of(request: Request, reply: Reply) -> list[Answer | None]:
    """One for each line; None where the answer says nothing of it."""
    body = reply.json()
    if not isinstance(body, dict):
        body = {"detail": reply.body[:160].decode(errors="replace")}
    if request.single:
        return [_answer(reply.status, body)]
    listed = body.get("results", []) if reply.status == 200 else None
    if not isinstance(listed, list):
        return [_answer(reply.status, body)] * len(request.lines)
    by_place = {
        one.get("line"): _answer(one.get("status", 0), one) for one in listed if isinstance(one, dict)
    }
    return [by_place.get(place) for place in request.places]


def _answer(status: int, fields: dict[str, Any]) -> Answer:
    return Answer(status, fields.get("decisionId"), fields.get("field"), str(fields.get("detail", "")))
