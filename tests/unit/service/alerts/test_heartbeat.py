"""The heartbeat beats while the monitor lives, and not a moment longer."""

import pytest

from service.alerts.heartbeat import Heartbeat
from service.alerts.post import Answer
from tests.unit.service.alerts.world import START, Gauge

pytestmark = pytest.mark.anyio


class Watchdog:
    """Answers as told; `alive` and `now` are the monitor's."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.status, self.alive, self.now = 200, True, START
        self.gauge = Gauge()

    async def get(self, url: str) -> Answer:
        assert url == "https://outside.example/beat"
        self.asked.append(self.now - START)
        return Answer(self.status)

    def heartbeat(self, url: str = "https://outside.example/beat") -> Heartbeat:
        return Heartbeat(self, url, lambda: self.alive, lambda: self.now, self.gauge)

    async def run(self, beat: Heartbeat, seconds: int) -> None:
        for _ in range(seconds):
            await beat.step()
            self.now += 1


async def test_it_beats_each_minute_while_evaluation_is_fresh() -> None:
    watchdog = Watchdog()
    beat = watchdog.heartbeat()
    await watchdog.run(beat, 130)
    assert watchdog.asked == [0, 60, 120]
    assert beat.age_s() == 10
    watchdog.alive = False
    await watchdog.run(beat, 200)
    assert len(watchdog.asked) == 3
    assert beat.age_s() is None


async def test_failures_age_it_and_are_counted() -> None:
    watchdog = Watchdog()
    watchdog.status = 500
    beat = watchdog.heartbeat()
    await watchdog.run(beat, 130)
    assert beat.age_s() == 130
    assert watchdog.gauge.counts == {"heartbeat failed": 3}


async def test_without_an_address_there_is_none() -> None:
    watchdog = Watchdog()
    beat = watchdog.heartbeat("")
    await watchdog.run(beat, 5)
    assert watchdog.asked == []
    assert beat.age_s() is None
