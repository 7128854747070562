"""What is generated, held against the service's own parser."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook.traffic.bad import BAD, Bad
from runbook.traffic.generate import LARGEST_PLAIN_BYTES, generate, wave_of
from runbook.traffic.ids import milliseconds, uuid7
from runbook.traffic.line import Line, Outcome
from runbook.traffic.meaning import content_hash, instant
from runbook.traffic.odd import ODD
from runbook.traffic.words import WORDS
from service.insights.decision import Decision, Refusal
from service.insights.trace import parse

SEEDED = random.Random(1)  # noqa: S311 - variety, not secrecy
NOW = datetime(2026, 11, 23, 19, 30, tzinfo=UTC)
SHORTEST_RETENTION = timedelta(days=1)
LONGEST_RUN = timedelta(hours=1)
COUNT = 1_200


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return list(generate(1, COUNT, NOW))


def differing(lines: Sequence[Line], now: datetime = NOW) -> list[str]:
    """Every line goes through the parser, in order, as if there were no database but a dict."""
    known: dict[str, str] = {}
    return [problem for line in lines if (problem := _differing(line, now, known))]


def _differing(line: Line, now: datetime, known: dict[str, str]) -> str:
    expected, parsed = line.expected, parse(line.raw, now, SHORTEST_RETENTION)
    if isinstance(parsed, Refusal):
        due = (expected.outcome, expected.status, expected.field)
        came = (Outcome.REFUSED, parsed.status, parsed.field)
        return "" if due == came else f"{expected}: {parsed.sentence()}"
    outcome = _stored(parsed, known)
    same = (outcome, parsed.decision_id) == (expected.outcome, line.decision_id)
    return "" if same else f"{expected}: {outcome.name} {parsed.decision_id}"


def _stored(decision: Decision, known: dict[str, str]) -> Outcome:
    if decision.decision_id not in known:
        known[decision.decision_id] = decision.content_hash
        return Outcome.STORED
    same = known[decision.decision_id] == decision.content_hash
    return Outcome.DUPLICATE if same else Outcome.CONFLICT


def test_the_same_seed_count_and_time_make_the_same_lines(lines: list[Line]) -> None:
    assert list(generate(1, COUNT, NOW)) == lines


def test_another_seed_says_something_else(lines: list[Line]) -> None:
    assert [line.raw for line in islice(generate(2, COUNT, NOW), 50)] != [line.raw for line in lines[:50]]


def test_another_time_shares_no_id(lines: list[Line]) -> None:
    """Rows of a run that were kept never make a later run of the same seed fail."""
    later = generate(1, COUNT, NOW + timedelta(milliseconds=1))
    assert not {line.decision_id for line in lines if line.decision_id} & {line.decision_id for line in later}


def test_the_service_does_with_every_line_what_is_expected(lines: list[Line]) -> None:
    assert differing(lines) == []


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 2**32), count=st.integers(1, 150), after=st.timedeltas(timedelta(), timedelta(36_500))
)
def test_so_it_does_for_any_seed_count_and_time(seed: int, count: int, after: timedelta) -> None:
    now = datetime(2000, 1, 2, tzinfo=UTC) + after
    lines = list(generate(seed, count, now))
    assert [line.number for line in lines] == list(range(1, count + 1))
    assert differing(lines, now) == []


def test_a_long_run_changes_no_expectation(lines: list[Line]) -> None:
    """Bad times must be bad still, and good ones within the shortest retention there is."""
    assert differing(lines, NOW + LONGEST_RUN) == []


def test_within_a_wave_no_id_stands_twice(lines: list[Line]) -> None:
    """So the order within a wave cannot matter, however many are sent at a time."""
    for wave in {line.wave for line in lines}:
        ids = [line.decision_id for line in lines if line.wave == wave and line.decision_id]
        assert len(ids) == len(set(ids))


def test_repeats_and_conflicts_refer_to_earlier_waves(lines: list[Line]) -> None:
    stored = [line for line in lines if line.expected.outcome is Outcome.STORED]
    first = {line.decision_id: line.wave for line in stored}
    again = [line for line in lines if line.expected.outcome in {Outcome.DUPLICATE, Outcome.CONFLICT}]
    assert len(again) > 30
    assert all(first[line.decision_id] < line.wave for line in again)
    assert [line.wave for line in lines] == [wave_of(number, COUNT) for number in range(1, COUNT + 1)]


def test_every_kind_is_in_a_thousand_lines(lines: list[Line]) -> None:
    reasons = {line.expected.reason for line in lines[:1_000]}
    assert {one.name for one in ODD} | {one.name for one in BAD} <= reasons
    assert len({one.name for one in BAD}) == len(BAD) >= 30


def test_plain_traces_are_as_varied_as_real_ones(lines: list[Line]) -> None:
    plain = [line.raw for line in lines if line.expected.reason == "plain"]
    sizes = sorted(map(len, plain))
    assert 300 <= sizes[0] < 400
    assert sizes[len(sizes) // 2] < 1_500
    assert 8_000 < sizes[len(sizes) * 99 // 100] < sizes[-1] <= LARGEST_PLAIN_BYTES
    traces = [json.loads(raw) for raw in plain]
    actions = Counter(trace["action"] for trace in traces)
    assert {"show-word", "adjust-difficulty", "schedule-review", "hint", "rest"} <= set(actions)
    assert len({trace["stateSnapshot"]["word"]["language"] for trace in traces}) > 0.8 * len(WORDS)
    assert len({trace["userId"] for trace in traces}) >= 20
    assert 0.15 < sum("occurredAt" not in trace for trace in traces) / len(traces) < 0.25
    assert sum(not raw.isascii() for raw in plain) > 500
    assert sum("clientVersion" in trace for trace in traces) > 100


def test_ids_are_of_all_sorts(lines: list[Line]) -> None:
    ids = [line.decision_id for line in lines if line.expected.reason == "plain"]
    assert len(ids) == len(set(ids))
    assert 0.5 < sum(len(one) == 36 and one[14] == "7" for one in ids) / len(ids) < 0.7
    assert sum(len(one) == 36 and one[14] == "4" for one in ids) > 50
    assert max(map(len, ids)) == 128


def test_times_come_out_of_order(lines: list[Line]) -> None:
    times = [instant(trace["occurredAt"]) for line in lines if line.expected.reason == "plain"
             if "occurredAt" in (trace := json.loads(line.raw))]  # fmt: skip
    assert sum(later < sooner for sooner, later in pairwise(times)) > 50


def test_the_hash_is_of_what_is_stored(lines: list[Line]) -> None:
    for line in lines:
        due = content_hash(line.raw) if line.expected.outcome is Outcome.STORED else ""
        assert line.content_hash == due


@pytest.mark.parametrize("kind", BAD, ids=lambda kind: kind.name)
def test_a_bad_line_is_refused_for_its_own_reason(kind: Bad) -> None:
    good = {
        "decisionId": uuid7(SEEDED, milliseconds(NOW)),
        "userId": "u",
        "occurredAt": NOW.isoformat(),
        "action": "rest",
        "durationMs": 1,
    }
    assert isinstance(parse(json.dumps(good).encode(), NOW, SHORTEST_RETENTION), Decision)
    refusal = parse(kind.make(good, NOW), NOW, SHORTEST_RETENTION)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.field) == (kind.status, kind.field), refusal.sentence()


def test_only_lines_that_go_alone_hold_a_line_end(lines: list[Line]) -> None:
    for line in lines:
        assert line.alone or b"\n" not in line.raw
        assert line.alone or line.raw.strip()
