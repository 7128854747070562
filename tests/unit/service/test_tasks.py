import asyncio
import logging

import pytest

from service.tasks import end

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def deaf(times: int) -> None:
    """Loses so many cancellations, as a client does that cleans up after itself."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not times:
                raise
            times -= 1


async def started(times: int) -> asyncio.Task[None]:
    task = asyncio.create_task(deaf(times))
    await asyncio.sleep(0)
    return task


async def test_a_task_that_loses_a_cancellation_is_told_again() -> None:
    tasks = [await started(0), await started(2)]
    await end(tasks, again_s=0.001)
    assert all(task.cancelled() for task in tasks)


async def test_one_that_never_ends_is_named_and_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    task = await started(50)
    task.set_name("stubborn")
    with caplog.at_level(logging.ERROR):
        await end([task], within_s=0.01, again_s=0.001)
    assert caplog.records[0].__dict__["tasks"] == ["stubborn"]
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)


async def test_those_that_have_ended_are_passed_over() -> None:
    failed = asyncio.create_task(asyncio.sleep(0))
    await failed
    await end([failed])
