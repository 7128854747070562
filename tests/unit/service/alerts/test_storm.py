"""When many alerts begin at once, one cause is named."""

from service.alerts.storm import Firing, Storm, per_minute, storm

NOW = 1_764_000_000.0


def firings(count: int, metric: str = "db.up", **labels: str) -> list[Firing]:
    return [Firing(NOW - place % 50, f"{metric}-{place % 10}", metric, labels) for place in range(count)]


def storming(given: list[Firing]) -> Storm:
    found = storm(given, NOW)
    assert found is not None
    return found


def test_fifty_in_a_minute_are_no_storm_and_one_more_is() -> None:
    assert storm(firings(50), NOW) is None
    assert storming(firings(51)).firings == 51


def test_only_the_last_minute_counts() -> None:
    old = [Firing(NOW - 60, "a", "db.up")] * 100
    assert storm(old + firings(50), NOW) is None
    assert storm([Firing(NOW - 59.9, "a", "db.up")] * 51, NOW) is not None


def test_a_clock_that_went_back_hides_no_storm() -> None:
    assert storm([Firing(NOW + 3600, "a", "db.up")] * 51, NOW) is not None


def test_names_the_metric_that_most_share_and_proposes_its_silence() -> None:
    found = storming(firings(10, "queue.size") + firings(45))
    assert (found.common, found.value, found.sharing) == ("metric", "db.up", 45)
    assert (found.matchers, found.silence_s, found.cooldown_ms) == ({"metric": "db.up"}, 600, 600_000)
    assert found.began_at == NOW - 44


def test_names_a_label_when_more_share_it_and_silences_its_most_frequent_metric() -> None:
    found = storming(firings(20, "queue.size", zone="b") + firings(30, "db.up", zone="b") + firings(15))
    assert (found.common, found.value, found.sharing) == ("zone", "b", 50)
    assert found.matchers == {"metric": "db.up"}


def test_a_metric_wins_against_a_label_that_as_many_share() -> None:
    found = storming(firings(60, "queue.size", app="x"))
    assert (found.common, found.value) == ("metric", "queue.size")


def test_names_the_rules_that_fired_most_and_not_too_many() -> None:
    many = [Firing(NOW, f"rule-{place:02}", "db.up") for place in range(51)]
    often = [Firing(NOW, "rule-40", "db.up")] * 3
    named = storming(many + often).rule_ids
    assert (named[:2], len(named)) == (["rule-40", "rule-00"], 20)


def test_counts_the_alerts_that_began_within_a_minute() -> None:
    assert per_minute([NOW - 61, NOW - 60, NOW - 59.9, NOW, NOW + 5], NOW) == 3
    assert per_minute([], NOW) == 0
