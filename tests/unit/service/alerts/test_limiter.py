"""The bound over a minute, whatever is asked for."""

from hypothesis import given
from hypothesis import strategies as st

from service.alerts import limiter


@given(
    st.integers(1, 60),
    st.lists(st.floats(0, 30, allow_nan=False), max_size=150),
)
def test_no_minute_ever_has_more_than_its_share(most: int, pauses: list[float]) -> None:
    now, sent = 1_700_000_000.0, list[float]()
    for pause in pauses:
        now += pause
        for _ in range(limiter.permits(sent, now, most)):
            sent.append(now)
    for start in sent:
        assert sum(start <= one < start + 60.0 for one in sent) <= most


@given(st.integers(2, 60), st.floats(0, 600))
def test_asked_always_the_bound_is_used_up_every_minute(most: int, offset: float) -> None:
    now, sent = 1_700_000_000.0 + offset, list[float]()
    for _ in range(130):
        sent += [now] * limiter.permits(sent, now, most)
        now += 1.0
    assert sum(one >= now - 61.0 for one in sent) >= most * 2 // 3


def test_two_thirds_go_at_once_and_the_rest_evenly() -> None:
    sent = [0.0] * limiter.permits([], 0.0, 12)
    assert len(sent) == 8
    at = 0.0
    while at < 60.0:
        at += 0.5
        sent += [at] * limiter.permits(sent, at, 12)
    assert sent[8:] == [15.5, 31.0, 46.5]


def test_one_a_minute_is_one_a_minute() -> None:
    assert limiter.permits([], 0.0, 1) == 1
    assert limiter.permits([0.0], 60.0, 1) == 0
    assert limiter.permits([0.0], 61.0, 1) == 1


def test_a_share_is_never_nothing() -> None:
    assert limiter.share(12, 3) == 4
    assert limiter.share(12, 5) == 2
    assert limiter.share(12, 40) == 1
    assert limiter.share(12, 0) == 12


def test_what_no_longer_counts_is_forgotten() -> None:
    assert limiter.recent([0.0, 30.0, 60.0], 70.0) == [30.0, 60.0]


@given(st.integers(1, 60), st.floats(limiter.APART_S + 1, 1e7), st.integers(0, 60))
def test_a_clock_that_went_back_silences_nobody(most: int, back_s: float, count: int) -> None:
    before = 1_700_000_000.0
    sent = [before] * count
    now = before - back_s
    assert limiter.permits(sent, now, most) >= 1
    assert limiter.recent([*sent, now], now) == [now]


def test_clocks_that_differ_a_little_count_together() -> None:
    assert limiter.permits([1.0] * 12, 0.0, 12) == 0
    assert limiter.recent([1.0, 6.0], 0.0) == [1.0]


def test_the_next_may_go_at_the_very_end_of_its_pause() -> None:
    sent = [0.0] * limiter.burst_of(12)
    assert limiter.permits(sent, 15.249, 12) == 0
    assert limiter.permits(sent, 15.25, 12) == 1


def test_both_ways_of_counting_forget_at_the_same_moment() -> None:
    assert limiter.recent([0.0, 0.5], limiter.WINDOW_S) == [0.5]
    assert limiter.permits([0.0, 0.5], limiter.WINDOW_S, 2) == limiter.permits([0.5], limiter.WINDOW_S, 2)
