"""A test message by hand: to every receiver, within its limits, and nothing stays open there."""

import pytest

from service.alerts.post import Answer
from service.alerts.trial import Trial, Tried
from service.errors import Problem
from tests.unit.service.alerts.world import Replica, World
from tests.unit.service.standing import problem, standing

pytestmark = pytest.mark.anyio

ADMIN = {"authorization": "Bearer admin"}
SLACK = "https://hooks.slack.com/services/x"


def trial(world: World, replica: Replica) -> Trial:
    return Trial(replica.desk, world.receiver, replica.notifier._receivers, lambda: world.muted, world.now)


async def test_every_receiver_is_told_once_of_something_that_is_over() -> None:
    world = World(urls={1: "https://one.example/hook", 2: "https://two.example/hook"})
    assert [one.destination for one in await trial(world, world.add()).run()] == ["l1", "l2"]
    assert [one.url for one in world.receiver.came] == [
        "https://one.example/hook",
        "https://two.example/hook",
    ]
    assert all(one.body["status"] == "resolved" for one in world.receiver.came)
    assert world.receiver.told("resolved") == ["test-message", "test-message"]
    assert world.receiver.told("firing") == []


async def test_slack_gets_its_own_form() -> None:
    world = World(urls={1: SLACK}, form="auto")
    await trial(world, world.add()).run()
    assert world.receiver.came[0].body["text"].startswith("Fired and resolved low: A test message")


@pytest.mark.parametrize(
    ("answer", "tried"),
    [
        (Answer(200), Tried(destination="l1", delivered=True, status=200)),
        (
            Answer(404, reason="one.example: status 404"),
            Tried(destination="l1", delivered=False, status=404, reason="one.example: status 404"),
        ),
        (
            Answer(0, reason="one.example: ConnectError", sent=False),
            Tried(destination="l1", delivered=False, reason="one.example: ConnectError"),
        ),
    ],
)
async def test_what_the_receiver_answers_is_told(answer: Answer, tried: Tried) -> None:
    world = World()
    world.receiver.answer = lambda: answer
    assert await trial(world, world.add()).run() == [tried]


async def test_a_minutes_messages_are_the_limit_of_tests_too() -> None:
    world = World(most=2)
    replica = world.add()
    first, second = [(await trial(world, replica).run())[0] for _ in range(2)]
    assert first.delivered
    assert not second.delivered
    assert second.reason == "its 2 messages a minute are used up; try again in a minute"
    assert len(world.receiver.came) == 1
    world.now_s += 62
    assert (await trial(world, replica).run())[0].delivered


async def test_where_nothing_would_be_sent_the_reason_is_told() -> None:
    world = World(urls={})
    with pytest.raises(Problem, match="no receiver is configured"):
        await trial(world, world.add()).run()
    world = World(muted=True)
    with pytest.raises(Problem, match="disable-notifications is on"):
        await trial(world, world.add()).run()
    assert world.receiver.came == []


async def test_the_route_is_the_administrators() -> None:
    async with standing() as up:
        problem(await up.client.post("/api/alerts/test"), 401)
        told = problem(await up.client.post("/api/alerts/test", headers=ADMIN), 409)
        assert "no receiver is configured" in str(told["detail"])
