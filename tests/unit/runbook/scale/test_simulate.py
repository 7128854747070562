"""The whole story of each trace, with the rules a stack has by default."""

import functools
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from runbook.scale.decide import Action, Rules
from runbook.scale.picture import page, svg
from runbook.scale.simulate import Model, Verdict, judged, simulated
from runbook.scale.traces import TRACES

RULES = Rules(least=2, most=6)
POINTS = {name: simulated(trace, RULES) for name, trace in TRACES.items()}


@functools.cache
def verdict(name: str) -> Verdict:
    return judged(TRACES[name], RULES, POINTS[name])


@pytest.mark.parametrize("name", TRACES)
def test_no_trace_leaves_the_bounds_or_turns_within_the_cooldown(name: str) -> None:
    assert all(RULES.least <= one.replicas <= RULES.most for one in POINTS[name])
    shortest_s = verdict(name).shortest_turn_s
    assert shortest_s is None or shortest_s >= RULES.cooldown_s


def test_a_step_is_met_and_left_again() -> None:
    found = verdict("step")
    assert (found.most_replicas, found.last_replicas, found.turns) == (5, 2, 1)
    assert found.slow_s < 900
    assert found.slow_s_unscaled >= 7200


def test_a_spike_is_over_before_a_replica_would_help() -> None:
    assert verdict("spike").changes == 0


def test_a_day_goes_up_once_and_down_once() -> None:
    found = verdict("diurnal")
    assert (found.turns, found.last_replicas) == (1, 2)
    assert found.slow_s == 0 < found.slow_s_unscaled
    assert found.replica_hours < found.replica_hours_at_most


def test_a_leak_is_restarted_one_at_a_time_and_adds_no_replica() -> None:
    found, points = verdict("leak"), POINTS["leak"]
    assert (found.changes, found.most_replicas) == (0, 2)
    assert found.restarts == 8
    assert max(one.memory_percent for one in points) < 83
    assert min(one.serving for one in points) == 1
    assert all(one.serving == 2 for one in points if one.decision.action is Action.RESTART)


def test_nothing_is_changed_while_nothing_is_seen() -> None:
    found = verdict("outage")
    assert (found.blind_changes, found.last_replicas) == (0, 2)
    blind = [one.replicas for one in POINTS["outage"] if TRACES["outage"].is_blind(one.at)]
    assert set(blind) == {5}


def test_without_room_the_simulation_stays_at_the_floor() -> None:
    points = simulated(TRACES["step"], replace(RULES, most=2))
    assert {one.replicas for one in points} == {2}


@pytest.mark.parametrize("name", TRACES)
def test_a_picture_is_whole_xml_with_every_curve(name: str) -> None:
    root = ET.fromstring(svg(TRACES[name], RULES, POINTS[name]))  # noqa: S314 - ours
    texts = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"replicas", "p95, ms", "requests a second"} <= set(texts)


def test_the_report_escapes_and_holds_what_it_is_given() -> None:
    made = page(["<svg/>"], [["trace"], ["a<b"]], Model())
    assert "<td>a&lt;b</td>" in made
    assert "<th>trace</th>" in made
    assert "<svg/>" in made
