import hashlib
import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from email.utils import formatdate
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.amas_sender import (
    MOST_BATCH_BYTES,
    MOST_TRACE_BYTES,
    NotDelivered,
    Outcome,
    Sender,
    Surroundings,
    TraceRefused,
)
from tests.unit.clients.flaky_server import BUSY_RETRY_AFTER_S, Canned, Fault, Flaky, serving

# What a stall of the server costs for real.
IMPATIENT_S = 0.05
DEADLINE_S = 120
KEY = "canary-ingest-key"
NOW_S = 1_733_220_000.123
V7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
FAULTS = st.lists(st.sampled_from(Fault), max_size=5)
FEW = settings(max_examples=10, deadline=None)


@dataclass
class Around:
    """A clock that only sleeping moves, and random bytes that are the same in each run."""

    elapsed_s: float = 0.0
    pauses_s: list[float] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)

    def sleep(self, seconds: float) -> None:
        self.pauses_s.append(seconds)
        self.elapsed_s += seconds

    def random_bytes(self, size: int) -> bytes:
        return hashlib.sha256(str(next(self.numbers)).encode()).digest()[:size]

    def surroundings(self, random_bytes: Callable[[int], bytes] | None = None) -> Surroundings:
        return Surroundings(
            wall_s=lambda: NOW_S + self.elapsed_s,
            monotonic_s=lambda: self.elapsed_s,
            sleep=self.sleep,
            random_bytes=random_bytes or self.random_bytes,
        )


@dataclass
class Bench:
    """A flaky server with a sender before it."""

    server: Flaky
    around: Around
    sender: Sender


def sender_to(url: str, around: Around, timeout_s: float) -> Sender:
    return Sender(url, KEY, timeout_s, DEADLINE_S, around.surroundings())


@pytest.fixture
def bench() -> Iterator[Bench]:
    around = Around()
    with serving() as server, closing(sender_to(server.url, around, timeout_s=10)) as sender:
        yield Bench(server, around, sender)


def trace(number: int = 0, **fields: Any) -> dict[str, Any]:
    return {"userId": f"u{number}", "action": "étude", "durationMs": 1.5, "number": number, **fields}


def sized(size_bytes: int, number: int = 0) -> dict[str, Any]:
    """A trace with an id that is written in exactly that many bytes."""
    base = {"decisionId": f"id:{number:06d}", "occurredAt": "2024-12-03T10:00:00Z", "pad": ""}
    empty = len(json.dumps(base, separators=(",", ":")))
    return base | {"pad": "x" * (size_bytes - empty)}


def assert_each_stored_once(server: Flaky, outcomes: list[Outcome], sent: int) -> None:
    assert all(outcome.delivered for outcome in outcomes)
    assert [server.stored[outcome.decision_id]["number"] for outcome in outcomes] == list(range(sent))
    assert len(server.stored) == len(outcomes) == sent
    for forms in server.attempts().values():
        assert all(form == forms[0] for form in forms)


@FEW
@given(faults=FAULTS, sent=st.integers(1, 3))
def test_single_traces_survive_any_faults_each_stored_once(faults: list[Fault], sent: int) -> None:
    around = Around()
    with serving() as server, closing(sender_to(server.url, around, IMPATIENT_S)) as sender:
        server.faults.extend(faults)
        outcomes = [sender.send(trace(number)) for number in range(sent)]
        assert_each_stored_once(server, outcomes, sent)
        assert all(V7.fullmatch(outcome.decision_id) for outcome in outcomes)


@FEW
@given(faults=FAULTS, sent=st.integers(1, 9))
def test_batches_survive_any_faults_each_stored_once(faults: list[Fault], sent: int) -> None:
    around = Around()
    with serving() as server, closing(sender_to(server.url, around, IMPATIENT_S)) as sender:
        server.faults.extend(faults)
        outcomes = sender.send_many(trace(number) for number in range(sent))
        assert_each_stored_once(server, outcomes, sent)


@pytest.mark.parametrize("fault", Fault)
def test_each_fault_ends_in_one_stored_trace(bench: Bench, fault: Fault) -> None:
    bench.sender._timeout_s = IMPATIENT_S
    bench.server.faults.append(fault)
    assert bench.sender.send(trace()).delivered
    assert len(bench.server.stored) == 1
    assert bench.server.keys == {f"Bearer {KEY}"}
    assert set(bench.server.paths) == {"/api/decisions"}


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_trouble_is_tried_again(bench: Bench, status: int) -> None:
    bench.server.faults.extend([Canned(status), Canned(status)])
    assert bench.sender.send(trace()).state == "stored"
    assert len(bench.around.pauses_s) == 2


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 409, 413, 415])
def test_final_answers_are_reported_in_the_service_words_and_not_repeated(bench: Bench, status: int) -> None:
    problem = b'{"status":999,"title":"No","detail":"userId is needed","field":"userId"}'
    bench.server.faults.append(Canned(status, problem, {"Location": bench.server.url + "/elsewhere"}))
    outcome = bench.sender.send(trace())
    assert (outcome.status, outcome.detail, outcome.field) == (status, "userId is needed", "userId")
    assert outcome.state == ("conflict" if status == 409 else "refused")
    assert not outcome.delivered
    assert bench.server.paths == ["/api/decisions"]


def test_a_final_answer_to_a_whole_batch_stands_for_each_line(bench: Bench) -> None:
    bench.server.faults.append(Canned(401, b"<html>"))
    outcomes = bench.sender.send_many([trace(0), trace(1)])
    assert [outcome.status for outcome in outcomes] == [401, 401]
    assert "401" in outcomes[0].detail
    assert len({outcome.decision_id for outcome in outcomes}) == 2


def test_the_three_successes_are_told_apart(bench: Bench) -> None:
    spooled = Canned(202, b'{"decisionId":"own:1","state":"spooled"}')
    bench.server.faults.append(spooled)
    own = trace(decisionId="own:1", occurredAt="2024-12-03T10:00:00Z")
    assert [bench.sender.send(own).state for _ in range(3)] == ["spooled", "stored", "duplicate"]


@pytest.mark.parametrize(
    "canned",
    [
        Canned(200, b"<html>please log in</html>"),
        Canned(201, b'{"decisionId":"another"}'),
        Canned(201, b'["decisionId"]'),
        Canned(200, b'{"results":[{"line":[]},{"line":1,"status":true},3]}'),
        Canned(206, b'{"decisionId":"own:1"}'),
        Canned(204),
    ],
)
def test_a_success_that_does_not_name_the_trace_is_none(bench: Bench, canned: Canned) -> None:
    """A proxy's page in front of a service that is away also comes with 200."""
    bench.server.faults.append(canned)
    assert bench.sender.send(trace(decisionId="own:1")).state == "stored"
    assert len(bench.server.requests) == 2


def test_retry_after_is_waited_for(bench: Bench) -> None:
    date = formatdate(NOW_S + BUSY_RETRY_AFTER_S + 40, usegmt=True)
    bench.server.faults.extend([Fault.BUSY, Canned(503, headers={"Retry-After": date})])
    bench.sender.send(trace())
    first_s, second_s = bench.around.pauses_s
    assert BUSY_RETRY_AFTER_S <= first_s < BUSY_RETRY_AFTER_S + 1
    assert 39 <= second_s < 41


@pytest.mark.parametrize(
    ("byte", "longest_s"), [(b"\x00", [0] * 8), (b"\xff", [0.4, 0.8, 1.6, 3.2, 6.4, 10, 10, 10])]
)
def test_pauses_grow_to_a_limit_with_full_jitter(bench: Bench, byte: bytes, longest_s: list[float]) -> None:
    bench.server.faults.extend([Fault.FAILS] * len(longest_s))
    around = bench.around.surroundings(lambda size: byte * size)
    with closing(Sender(bench.server.url, KEY, around=around)) as sender:
        sender.send(trace())
    assert bench.around.pauses_s == pytest.approx(longest_s)


def test_only_lines_that_may_still_be_stored_are_sent_again(bench: Bench) -> None:
    own = [trace(n, decisionId=f"own:{n}", occurredAt="2024-12-03T10:00:00Z") for n in range(7)]
    for number, statuses in {1: [503, 429], 2: [400], 3: [500], 5: [409]}.items():
        bench.server.statuses[f"own:{number}"] = deque(statuses)
    outcomes = bench.sender.send_many(own)
    assert [outcome.decision_id for outcome in outcomes] == [one["decisionId"] for one in own]
    assert [outcome.status for outcome in outcomes] == [201, 201, 400, 201, 201, 409, 201]
    assert (outcomes[2].detail, outcomes[2].field) == ("line says 400", "userId")
    sent_again = [[one["number"] for one in request] for request in bench.server.requests[1:]]
    assert sent_again == [[1, 3], [1]]


def test_lines_without_a_result_are_sent_again(bench: Bench) -> None:
    bench.server.faults.append(Fault.ANSWERS_EVERY_SECOND)
    outcomes = bench.sender.send_many(trace(number) for number in range(5))
    assert [outcome.state for outcome in outcomes] == ["stored", "duplicate"] * 2 + ["stored"]
    assert [one["number"] for one in bench.server.requests[1]] == [1, 3]


def test_results_in_a_refusal_of_the_whole_count_for_their_lines(bench: Bench) -> None:
    result = {"line": 1, "status": 201, "decisionId": "own:1"}
    canned = Canned(413, json.dumps({"detail": "too many", "results": [result]}).encode())
    bench.server.faults.append(canned)
    outcomes = bench.sender.send_many([trace(decisionId="own:1"), trace(decisionId="own:2")])
    assert [(outcome.status, outcome.detail) for outcome in outcomes] == [(201, ""), (413, "too many")]


def test_what_is_undelivered_at_the_deadline_is_handed_back_and_can_be_sent_again(bench: Bench) -> None:
    own = [trace(n, decisionId=f"own:{n}", occurredAt="2024-12-03T10:00:00Z") for n in range(5)]
    bench.server.statuses = {"own:1": deque([503] * 999), "own:2": deque([400]), "own:3": deque([500] * 999)}
    with pytest.raises(NotDelivered, match=r"2 of 5 .* line says 503") as caught:
        bench.sender.send_many(own)
    assert caught.value.traces == [own[1], own[3]]
    assert [outcome.decision_id for outcome in caught.value.outcomes] == ["own:0", "own:2", "own:4"]
    assert bench.around.elapsed_s <= DEADLINE_S
    bench.server.statuses.clear()
    assert [outcome.state for outcome in bench.sender.send_many(caught.value.traces)] == ["stored"] * 2
    assert set(bench.server.stored) == {"own:0", "own:1", "own:3", "own:4"}


def test_a_trace_handed_back_has_the_id_and_time_it_was_sent_with(bench: Bench) -> None:
    bench.server.faults.extend([Fault.CLOSES_AFTER_STORING] * 999)
    with pytest.raises(NotDelivered, match="no answer") as caught:
        bench.sender.send(trace())
    (kept,) = caught.value.traces
    assert bench.server.stored == {kept["decisionId"]: kept}
    bench.server.faults.clear()
    bench.around.elapsed_s += 3600
    assert bench.sender.send(kept).state == "duplicate"


def test_nothing_waits_for_a_retry_after_past_the_deadline(bench: Bench) -> None:
    bench.server.faults.append(Canned(503, b'{"detail":"spool full"}', {"Retry-After": str(DEADLINE_S)}))
    with pytest.raises(NotDelivered, match=r"503 .*spool full"):
        bench.sender.send(trace())
    assert bench.around.pauses_s == []


def test_batches_not_begun_at_the_deadline_are_handed_back(bench: Bench) -> None:
    bench.sender._around = Surroundings(monotonic_s=lambda: DEADLINE_S * float(len(bench.server.requests)))
    with pytest.raises(NotDelivered, match=r"1 of 128 .* no time was left") as caught:
        bench.sender.send_many(sized(MOST_TRACE_BYTES, number) for number in range(128))
    assert [one["decisionId"] for one in caught.value.traces] == ["id:000127"]
    assert [one.decision_id for one in caught.value.outcomes] == list(bench.server.stored)


@pytest.mark.parametrize(
    ("size_bytes", "sent", "lengths"), [(70, 10_001, [10_000, 1]), (65_536, 129, [127, 2])]
)
def test_batches_are_split_at_the_limits(
    bench: Bench, size_bytes: int, sent: int, lengths: list[int]
) -> None:
    outcomes = bench.sender.send_many(sized(size_bytes, number) for number in range(sent))
    assert [len(request) for request in bench.server.requests] == lengths
    assert [outcome.decision_id for outcome in outcomes] == list(bench.server.stored)
    assert bench.server.most_body_bytes <= MOST_BATCH_BYTES


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (sized(MOST_TRACE_BYTES + 1), "65537 bytes, at most 65536"),
        (trace(value=float("nan")), "JSON"),
        (trace(value="\ud800"), "surrogates"),
        (trace(value=object()), "JSON"),
    ],
)
def test_what_cannot_be_taken_is_refused_before_anything_is_sent(
    bench: Bench, bad: dict[str, Any], why: str
) -> None:
    with pytest.raises(TraceRefused, match=rf"trace 2 \(decisionId .*{why}.*nothing was sent"):
        bench.sender.send_many([trace(), bad])
    assert bench.server.paths == []


def test_no_traces_make_no_request(bench: Bench) -> None:
    assert bench.sender.send_many([]) == []
    assert bench.server.paths == []


def test_one_connection_is_kept(bench: Bench) -> None:
    for number in range(5):
        bench.sender.send(trace(number))
    assert bench.server.connections == 1


def test_a_connection_closed_while_idle_is_replaced_without_a_pause(bench: Bench) -> None:
    bench.server.closes_after_answer = True
    for number in range(3):
        assert bench.sender.send(trace(number)).state in ("stored", "duplicate")
    assert bench.around.pauses_s == []
    assert len(bench.server.stored) == 3


def test_threads_may_share_a_sender(bench: Bench) -> None:
    outcomes: list[Outcome] = []

    def send_ten(start: int) -> None:
        outcomes.extend(bench.sender.send(trace(start + number)) for number in range(10))

    threads = [threading.Thread(target=send_ten, args=(start,)) for start in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {outcome.state for outcome in outcomes} == {"stored"}
    assert {one["number"] for one in bench.server.stored.values()} == set(range(40))


def test_the_key_stands_in_no_text_of_the_sender(bench: Bench) -> None:
    bench.server.faults.extend([Fault.CLOSES_UNREAD] * 999)
    with pytest.raises(NotDelivered) as caught:
        bench.sender.send(trace())
    texts = [repr(bench.sender), str(bench.sender), str(caught.value), repr(caught.value)]
    assert not any(KEY in text for text in texts)
