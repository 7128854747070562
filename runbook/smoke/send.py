"""Sends the requests over a few kept-alive connections and sorts the answers."""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from runbook.api import Answer, Api
from runbook.smoke.traces import Batch, Trace
from runbook.smoke.verdict import Sent

CONNECTIONS = 8
ACKNOWLEDGED = frozenset({200, 201, 202})  # 200 too: a request that was retried finds itself stored already
DUPLICATE = 200
SPOOLED = 202
DRAINED_WITHIN_S = 30.0
LOOK_EVERY_S = 0.5
CONFLICT = 409

Outcome = tuple[str, int, str]


def send(
    api: Api, run_id: str, batches: Sequence[Batch], again: Sequence[Trace], conflicting: Sequence[Trace]
) -> Sent:
    """First every trace; then some once more as they were; then some with other content under a known id."""
    sent = Sent()
    spooled = False
    for decision_id, status, reason in _all(api, run_id, batches):
        spooled = spooled or status == SPOOLED
        if status in ACKNOWLEDGED:
            sent.stored.add(decision_id)
        else:
            sent.refused[decision_id] = reason
    if spooled:
        _until_drained(api, run_id, len(sent.stored))
    repeated = _all(api, run_id, [Batch(tuple(again), single=False)])
    sent.duplicate = sum(status == DUPLICATE for _, status, _ in repeated)
    refused = _all(api, run_id, [Batch((trace,), single=True) for trace in conflicting])
    sent.conflict = sum(status == CONFLICT for _, status, _ in refused)
    return sent


def _until_drained(api: Api, run_id: str, rows: int) -> None:
    """What follows compares with rows, not with a spool; what never comes is told by the counts."""
    deadline = time.monotonic() + DRAINED_WITHIN_S
    while api.stored_of_run(run_id) < rows and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)


def _all(api: Api, run_id: str, batches: Iterable[Batch]) -> list[Outcome]:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return [
            outcome
            for answers in pool.map(lambda batch: _post(api, run_id, batch), batches)
            for outcome in answers
        ]


def _post(api: Api, run_id: str, batch: Batch) -> list[Outcome]:
    if batch.single:
        return [_outcome_of_one(batch.traces[0], api.post_trace(batch.traces[0], run_id))]
    return outcomes_of_many(batch.traces, api.post_traces(batch.traces, run_id))


def _outcome_of_one(trace: Trace, answer: Answer) -> Outcome:
    return trace["decisionId"], answer.status, f"{answer.status} {answer.text[:120]}"


def outcomes_of_many(traces: Sequence[Trace], answer: Answer) -> list[Outcome]:
    """Per line, by its number: a line that was not answered for counts as refused."""
    body = answer.json()
    results = body.get("results", []) if isinstance(body, dict) else []
    by_line = {result["line"]: result for result in results}
    whole = f"{answer.status} {answer.text[:120]}"
    return [
        (trace["decisionId"], int(result["status"]), str(result)[:120])
        if (result := by_line.get(number))
        else (trace["decisionId"], 0, whole)
        for number, trace in enumerate(traces, start=1)
    ]
