"""Readiness: what is required decides, and knowledge has an age."""

import asyncio

import pytest

from service.ready import PROBE_EVERY_S, Dependency, Readiness

pytestmark = pytest.mark.anyio


class Asked:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.times = 0

    async def __call__(self) -> None:
        self.times += 1
        await asyncio.sleep(0)
        if self.error:
            raise self.error


async def test_a_required_dependency_down_is_not_ready_and_an_optional_one_is() -> None:
    down = Dependency("cache", required=False, ask=Asked(OSError("redis://:s3cret@cache")))
    readiness = Readiness([down], lambda: 0.0)
    ready, report = await readiness.report()
    assert ready
    assert "s3cret" not in str(report)
    down.required = True
    assert not (await readiness.report())[0]


async def test_many_who_ask_share_one_probe_a_second() -> None:
    now, asked = [0.0], Asked()
    readiness = Readiness([Dependency("database", required=True, ask=asked)], lambda: now[0])
    await asyncio.gather(*(readiness.report() for _ in range(10)))
    await readiness.report()
    assert asked.times == 1
    now[0] += PROBE_EVERY_S
    await readiness.report()
    assert asked.times == 2


async def test_draining_is_not_ready_whatever_is_up() -> None:
    readiness = Readiness([], lambda: 0.0, draining=True)
    assert await readiness.report() == (False, {"status": "draining", "dependencies": {}})


async def test_a_dependency_that_hangs_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.ready.PROBE_TIMEOUT_S", 0.01)

    async def hang() -> None:
        await asyncio.Event().wait()

    readiness = Readiness([Dependency("database", required=True, ask=hang)], lambda: 0.0)
    ready, report = await readiness.report()
    assert not ready
    assert "no answer within" in str(report)


async def test_a_question_that_hangs_is_asked_once_and_its_late_answer_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To cancel a question to a frozen database takes as long as the database: nobody waits for that."""
    monkeypatch.setattr("service.ready.PROBE_TIMEOUT_S", 0.01)
    now, thawed, asked = [0.0], asyncio.Event(), [0]

    async def frozen() -> None:
        asked[0] += 1
        await thawed.wait()

    one = Dependency("database", required=True, ask=frozen)
    readiness = Readiness([one], lambda: now[0])
    for _ in range(3):
        assert not (await readiness.report())[0]
        now[0] += PROBE_EVERY_S
    assert asked == [1]
    thawed.set()
    assert (await readiness.report())[0]
