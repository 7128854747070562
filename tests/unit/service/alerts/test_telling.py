"""An hour in a moment: what people are told while receivers and rules do their worst."""

import asyncio
import json
from collections import Counter

import pytest
from msgspec.structs import replace

from service.alerts import alert as alerts
from service.alerts import routes, storm
from service.alerts.book import decode, encode
from service.alerts.desk import Changed
from service.alerts.post import Answer
from service.alerts.rule import Rule, Severity
from service.alerts.shelf import Query
from service.alerts.silence import Silence, made, silenced
from tests.unit.service.alerts.world import START, World, rule

pytestmark = pytest.mark.anyio

QUERY = Query()
HIGH, LOW = (900.0, 10), (100.0, 10)


def many(count: int, every_critical: int = 50) -> list[Rule]:
    return [
        rule(
            f"rule-{number:04}",
            metric=f"metric.{number % 7}.{number}",
            severity=Severity.CRITICAL if number % every_critical == 0 else Severity.MEDIUM,
        )
        for number in range(count)
    ]


async def test_a_firing_and_its_end_are_told_once_each() -> None:
    world = World([rule("slow")])
    for _ in range(3):
        world.add()
    await world.run(10)
    assert world.receiver.came == []
    world.samples = {"http.latency.p99": HIGH}
    await world.run(600)
    assert [(one.names("firing"), one.names("resolved")) for one in world.receiver.came] == [(["slow"], [])]
    world.samples = {"http.latency.p99": LOW}
    await world.run(600)
    assert [one.names("resolved") for one in world.receiver.came] == [[], ["slow"]]
    assert [event.status for event in await world.database.history(QUERY)] == ["resolved", "firing"]


async def test_a_thousand_alerts_with_a_receiver_that_is_never_pleased() -> None:
    """Three of four attempts are turned away for ten seconds: all is told within the bound all the same."""
    world = World(many(1000))
    answers = iter([429, 429, 200, 429] * 1000)

    def answer() -> Answer:
        status = next(answers)
        return Answer(status, "10" if status == 429 else None)

    world.receiver.answer = answer
    one = world.add()
    began: dict[str, float] = {}
    for step in range(12):
        fire = [each for number, each in enumerate(world.rules) if number % 12 == step]
        world.samples |= {each.metric: HIGH for each in fire}
        began |= {each.id: world.now_s for each in fire}
        await world.run(5)
    await world.run(240, until=lambda: not one.desk.book.outbox)
    critical = {each.id for each in world.rules if each.severity is Severity.CRITICAL}
    named: dict[str, float] = {}
    for message in world.receiver.taken:
        for name in message.names("firing"):
            named.setdefault(name, message.at)
    assert named.keys() == began.keys()
    assert max(named[name] - began[name] for name in critical) <= 60.0
    assert world.receiver.most_in_a_minute() <= 12
    world.samples = dict.fromkeys(world.samples, LOW)
    await world.run(10)
    await world.run(290, until=lambda: not one.desk.book.outbox)
    assert Counter(world.receiver.told("resolved")) == Counter(list(began))
    assert Counter(world.receiver.told("firing")) == Counter(list(began))
    assert world.receiver.most_in_a_minute() <= 12


@pytest.mark.parametrize("form", ["slack", "teams"])
async def test_every_one_of_a_thousand_is_named_within_the_limits_of(form: str) -> None:
    world = World(many(1000), form=form)
    one = world.add()
    world.samples = {each.metric: HIGH for each in world.rules}
    await world.run(10)
    await world.run(290, until=lambda: not one.desk.book.outbox)
    said = " ".join(message.text for message in world.receiver.taken)
    assert all(each.id in said for each in world.rules)
    assert all(len(message.text) < 28_000 for message in world.receiver.taken)
    assert world.receiver.most_in_a_minute() <= 12
    assert len(world.receiver.taken) <= 12


@pytest.mark.parametrize("form", ["slack", "teams", "generic"])
async def test_a_storm_says_what_its_alerts_share_and_how_to_silence_them(form: str) -> None:
    watch = rule("alert-storm", metric=storm.METRIC, threshold=50.0)
    slow = [rule(f"slow-{number}", metric="db.up") for number in range(45)]
    world = World([watch, *slow, *many(15)], form=form)
    one = world.add()
    world.samples = {each.metric: HIGH for each in world.rules}
    await world.run(30)
    (told,) = [alert for alert in one.desk.book.alerts.values() if alert.rule_id == "alert-storm"]
    shown = routes.shown(told, one.desk.book, world.now_s)["storm"]
    assert isinstance(shown, dict)
    assert (shown["firings"], shown["common"], shown["value"], shown["sharing"]) == (
        60,
        "metric",
        "db.up",
        45,
    )
    taken = made(json.dumps(shown["silence"]).encode(), world.now_s)
    held = [alert.rule_id for alert in one.desk.book.alerts.values() if silenced(alert, [taken], world.now_s)]
    assert sorted(held) == sorted(each.id for each in slow)
    said = " ".join(message.text for message in world.receiver.taken)
    assert "45 of 60 alerts share metric = db.up" in said
    assert "POST /api/alerts/silences" in said


async def test_a_storm_that_many_rules_share_with_no_other_names_the_first() -> None:
    world = World([rule("alert-storm", metric=storm.METRIC, threshold=3.0), *many(5)])
    one = world.add()
    world.samples = {each.metric: HIGH for each in world.rules}
    await world.run(30)
    (told,) = [alert for alert in one.desk.book.alerts.values() if alert.rule_id == "alert-storm"]
    assert told.storm is not None
    assert (told.storm.firings, told.storm.sharing) == (5, 1)
    assert decode(encode(one.desk.book)) == one.desk.book


async def test_a_receiver_that_is_down_for_ten_minutes_misses_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World([rule(f"rule-{number}", metric=f"m{number}") for number in range(20)])
    world.receiver.answer = lambda: Answer(0, reason="one.example: ConnectError", sent=False)
    world.add()
    for number in range(20):
        world.samples[f"m{number}"] = HIGH
        if number >= 10:
            world.samples[f"m{number - 10}"] = LOW
        await world.run(30)
    assert world.receiver.taken == []
    assert world.leader.notifier.failing()
    assert 590 <= world.leader.notifier.oldest_s() <= 600
    assert "Webhook failed after 3 retries" in caplog.text
    assert "https" not in caplog.text
    world.receiver.answer = lambda: Answer(200)
    await world.run(65)
    # What ended untold is told as both at once.
    assert sorted(world.receiver.told("resolved")) == sorted(f"rule-{number}" for number in range(10))
    assert sorted(world.receiver.told("firing")) == sorted(f"rule-{number}" for number in range(10, 20))
    assert "it began and ended untold" in world.receiver.taken[0].text
    assert not world.leader.notifier.failing()
    assert world.leader.notifier.oldest_s() == 0


async def test_three_retries_then_rests_then_again() -> None:
    world = World([rule("slow")])
    world.receiver.answer = lambda: Answer(503)
    world.add()
    world.samples = {"http.latency.p99": HIGH}
    await world.run(60)
    pauses = [b.at - a.at for a, b in zip(world.receiver.came, world.receiver.came[1:], strict=False)]
    assert pauses[:3] == [1.0, 2.0, 3.0]
    assert all(pause >= 15 for pause in pauses[3:])
    ids = [one.headers["webhook-id"] for one in world.receiver.came]
    assert len(set(ids[:4])) == 1


async def test_retry_after_is_waited_for() -> None:
    world = World([rule("slow")])
    answers = iter([Answer(429, "37"), Answer(200)])
    world.receiver.answer = lambda: next(answers)
    world.add()
    world.samples = {"http.latency.p99": HIGH}
    await world.run(60)
    assert [one.at - START for one in world.receiver.came] == [0.0, 37.0]


async def test_what_a_receiver_refuses_is_kept_and_does_not_stop_the_others() -> None:
    world = World([rule("bad", metric="m1"), rule("good", metric="m2")])
    pending: list[str] = []
    original = world.receiver.post

    async def post(url: str, body: bytes, headers: dict[str, str]) -> Answer:
        pending[:] = [body.decode()]
        return await original(url, body, headers)

    world.receiver.answer = lambda: Answer(400 if '"bad"' in pending[0] else 200)
    world.receiver.post = post  # type: ignore[method-assign, assignment]
    one = world.add()
    world.samples = {"m1": HIGH, "m2": HIGH}
    await world.run(1200)
    assert world.receiver.told("firing") == ["good"]
    assert [delivery.alert.rule_id for delivery in one.desk.book.outbox.values()] == ["bad"]


async def test_critical_ones_and_ends_come_first() -> None:
    world = World(
        [
            rule("low", metric="m1", severity=Severity.LOW),
            rule("ends", metric="m2", severity=Severity.LOW),
            rule("critical", metric="m3", severity=Severity.CRITICAL),
        ]
    )
    world.add()
    world.samples = {"m2": HIGH}
    await world.run(5)
    world.samples = {"m1": HIGH, "m2": LOW, "m3": HIGH}
    await world.run(5)
    told = [one.names("firing") or one.names("resolved") for one in world.receiver.came]
    assert told == [["ends"], ["critical"], ["ends"], ["low"]]


async def test_nobody_answers_so_it_climbs() -> None:
    world = World([rule("slow")], urls={1: "https://one", 2: "https://two", 3: "https://three"})
    world.add()
    world.samples = {"http.latency.p99": HIGH}
    await world.run(2 * 3600)
    assert [(one.url, one.at - START) for one in world.receiver.came] == [
        ("https://one", 0.0),
        ("https://two", 1800.0),
        ("https://three", 3600.0),
    ]
    world.samples = {"http.latency.p99": LOW}
    await world.run(60)
    assert sorted(one.url for one in world.receiver.came[3:]) == [
        "https://one",
        "https://three",
        "https://two",
    ]


async def test_an_emergency_is_told_once_where_one_receiver_is_all_there_is() -> None:
    world = World([rule("lost", severity=Severity.CRITICAL, labels={"class": "data-loss"})])
    world.add()
    world.samples = {"http.latency.p99": HIGH}
    await world.run(600)
    assert len(world.receiver.came) == 1


async def test_acknowledged_it_climbs_no_more_and_its_end_is_told() -> None:
    world = World([rule("slow")], urls={1: "https://one", 2: "https://two"})
    one = world.add()
    world.samples = {"http.latency.p99": HIGH}
    await world.run(10)
    (alert_id,) = one.desk.book.alerts
    ack = alerts.Ack(by="me", at=world.now_s)
    await one.desk.commit(lambda book: Changed(replace(book, acks={alert_id: ack})))
    await world.run(3600)
    assert len(world.receiver.came) == 1
    world.samples = {"http.latency.p99": LOW}
    await world.run(60)
    assert world.receiver.told("resolved") == ["slow"]
    assert one.desk.book.acks == {}


async def test_silenced_it_is_recorded_and_told_only_if_it_outlasts_the_silence() -> None:
    world = World([rule("short", metric="m1"), rule("long", metric="m2")])
    one = world.add()
    silences = [
        Silence(
            id=metric,
            matchers={"metric": metric},
            comment="",
            created_by="me",
            starts_at=START,
            ends_at=START + 600,
        )
        for metric in ("m1", "m2")
    ]
    await one.desk.commit(lambda book: Changed(replace(book, silences={one.id: one for one in silences})))
    world.samples = {"m1": HIGH, "m2": HIGH}
    await world.run(300)
    world.samples["m1"] = LOW
    await world.run(290)
    assert world.receiver.came == []
    assert len(await world.database.history(QUERY)) == 3
    await world.run(60)
    assert world.receiver.told("firing") == ["long"]


async def test_switched_off_it_waits_and_is_told_when_switched_on() -> None:
    world = World([rule("slow")], muted=True)
    one = world.add()
    world.samples = {"http.latency.p99": HIGH}
    await world.run(300)
    assert world.receiver.came == []
    assert one.desk.book.alerts
    assert one.notifier.oldest_s() == 0
    world.muted = False
    await world.run(5)
    assert world.receiver.told("firing") == ["slow"]


async def test_without_an_address_alerts_go_on() -> None:
    world = World([rule("slow")], urls={})
    one = world.add()
    world.samples = {"http.latency.p99": HIGH}
    await world.run(60)
    assert one.desk.book.alerts
    assert not one.desk.book.outbox


async def test_a_cooldown_delays_the_word_and_never_swallows_it() -> None:
    world = World([rule("flaps", cooldown_ms=300_000)])
    world.add()
    for _ in range(4):
        world.samples = {"http.latency.p99": HIGH}
        await world.run(20)
        world.samples = {"http.latency.p99": LOW}
        await world.run(20)
    assert world.receiver.told("firing") == ["flaps"]
    world.samples = {"http.latency.p99": HIGH}
    await world.run(300)
    assert world.receiver.told("firing") == ["flaps", "flaps"]


async def test_one_bad_rule_stops_no_other() -> None:
    bad = rule("bad")
    broken = replace(bad, operator="?")
    world = World([broken, rule("good")])
    one = world.add()
    world.samples = {"http.latency.p99": HIGH}
    await world.run(5)
    assert world.receiver.told("firing") == ["good"]
    assert "bad: KeyError" in str(one.engine.status()["lastError"])


async def test_a_rule_that_leaves_the_file_ends_what_it_fired() -> None:
    world = World([rule("old"), rule("new", metric="m2")])
    one = world.add()
    world.samples = {"http.latency.p99": HIGH}
    await world.run(10)
    one.rules.rules = [rule("new", metric="m2")]
    await world.run(10)
    assert world.receiver.told("resolved") == ["old"]
    assert one.desk.book.alerts == {}


async def test_a_destination_that_hangs_holds_up_no_other() -> None:
    world = World([rule("slow")], urls={1: "https://one", 2: "https://two"})
    one = world.add()
    original, hung, two_came = world.receiver.post, asyncio.Event(), asyncio.Event()

    async def post(url: str, body: bytes, headers: dict[str, str]) -> Answer:
        if url == "https://one":
            hung.set()
            await asyncio.Event().wait()
        two_came.set()
        return await original(url, body, headers)

    world.receiver.post = post  # type: ignore[method-assign, assignment]
    world.rules = one.rules.rules = [rule("slow", severity=Severity.CRITICAL)]
    world.samples = {"http.latency.p99": HIGH}
    await one.engine.round()
    running = asyncio.create_task(one.notifier.run())
    async with asyncio.timeout(5):
        await hung.wait()
        world.now_s += 1800
        await one.engine.round()
        await two_came.wait()
    running.cancel()
    assert [message.url for message in world.receiver.came] == ["https://two"]


async def test_a_clock_that_goes_back_does_not_silence_a_destination() -> None:
    world = World([rule("first", metric="m1"), rule("second", metric="m2")], most=1)
    world.receiver.answer = lambda: Answer(429, "900")
    one = world.add()
    world.samples = {"m1": HIGH, "m2": LOW}
    await world.run(5)
    assert len(world.receiver.came) == 1
    (delivery,) = one.desk.book.outbox.values()
    claimed = replace(delivery, message_id="msg_1", claimed_by="another", claimed_at=world.now_s)
    await one.desk.commit(lambda book: Changed(replace(book, outbox={claimed.id: claimed})))
    world.receiver.answer = lambda: Answer(200)
    world.now_s -= 3600
    await world.run(130)
    assert world.receiver.told("firing") == ["first"]
    world.samples = {"m1": HIGH, "m2": HIGH}
    await world.run(130)
    assert world.receiver.told("firing") == ["first", "second"]
