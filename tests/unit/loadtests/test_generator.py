"""A generator that had no time to spare gave way itself, and the rate is not the service's."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from loadtests import generator, live
from loadtests.generator import cpu_s, shares, shares_by_step, used_s
from loadtests.k6 import Ended
from loadtests.live import Sample
from loadtests.summary import Step
from loadtests.verdict import Verdict, judge, reached
from tests.unit.loadtests.testing_facts import ENDED, FOUND, RESULT, planned

STEPS = (Step(100, 3000, 20, 40, 0.0, 0), Step(200, 6000, 30, 60, 0.0, 0), Step(300, 9000, 40, 80, 0.0, 0))
BROKEN = replace(STEPS[2], p95_ms=900.0)


def sample(at_s: float, used: float, step: float | None) -> Sample:
    return Sample(at_s, 0, 0.0, 0.0, 0.0, 0, 0, used, step)


def samples(*used_of_step: float, cpus: float = 2.0) -> list[Sample]:
    """A sample a second, ten a step of 100/s, 200/s and so on; each uses that share."""
    made, used = [], 0.0
    for number, share in enumerate(used_of_step):
        for second in range(10):
            used += share * cpus
            made.append(sample(10 * number + second + 1, used, 100.0 * (number + 1)))
    return made


def ended(*used_of_step: float) -> Ended:
    """Of a run that was cut short, as every rising load is when something gives way."""
    seen = samples(*used_of_step)
    return replace(ENDED, samples=seen, cpus=2.0, elapsed_s=seen[-1].elapsed_s, cpu_s=seen[-1].cpu_s)


def verdict_of(steps: tuple[Step, ...], end: Ended) -> Verdict:
    return judge(planned("breakpoint"), end, replace(RESULT, steps=steps), (), FOUND)


def test_what_a_process_used_is_read_whatever_its_name() -> None:
    line = f"7 (a ) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 {3 * generator.TICKS_A_SECOND} 50 0 0 20 0 9 0 1 2"
    assert cpu_s(line) == pytest.approx(3 + 50 / generator.TICKS_A_SECOND)
    assert 0 < used_s(os.getpid()) < 3600


def test_a_process_that_has_gone_is_an_error() -> None:
    gone = next(pid for pid in range(2**22, 1, -1) if not Path(f"/proc/{pid}").exists())
    with pytest.raises(OSError, match="No such file"):
        used_s(gone)


def test_a_sample_tells_the_highest_step_that_has_requests() -> None:
    counts = {"http_reqs": 9, "http_reqs{step:step_100}": 6, "http_reqs{step:step_200}": 3}
    told = [{"id": name, "attributes": {"sample": {"count": count}}} for name, count in counts.items()]
    told.append({"id": "http_reqs{step:step_300}", "attributes": {"sample": {"count": 0}}})
    assert live.sample({"data": told}, 1.0, 0.5).step == 200
    assert live.sample({"data": []}, 1.0, 0.5).step is None


def test_each_step_has_the_share_that_was_used_in_it() -> None:
    assert shares_by_step(samples(0.1, 0.5, 0.9), 2.0) == pytest.approx({100.0: 0.1, 200.0: 0.5, 300.0: 0.9})
    assert shares(samples(0.25)[:3], 2.0) == [(2.0, 0.25), (3.0, 0.25)]


def test_a_step_that_was_looked_at_once_has_the_share_up_to_there() -> None:
    seen = [sample(0, 0.0, None), sample(1, 1.5, 100.0)]
    assert shares_by_step(seen, 2.0) == {100.0: 0.75}


def test_a_generator_starved_in_its_last_step_only_is_what_gave_way() -> None:
    """Over the whole run it used less than half."""
    found = verdict_of((*STEPS[:2], BROKEN), ended(0.1, 0.2, 0.95))
    assert found.word == "invalid"
    assert found.reasons == [
        "generator's CPU: 95% at 300/s: the generator gave way, not the service; wanted <= 80%"
    ]
    assert [one.found for one in found.checks if one.name == "highest good rate"] == ["at least 200/s"]


def test_a_step_in_which_it_was_starved_is_no_good_rate_though_its_limits_held() -> None:
    assert reached(planned("breakpoint"), ended(0.1, 0.2, 0.95), replace(RESULT, steps=STEPS)).good == 200


def test_a_generator_with_time_to_spare_leaves_the_service_to_be_judged() -> None:
    found = verdict_of((*STEPS[:2], BROKEN), ended(0.1, 0.2, 0.7))
    assert found.word == "passed", found.reasons
    assert "at most 70% in a step" in {one.found for one in found.checks}


def test_starved_after_the_service_gave_way_it_takes_nothing_back() -> None:
    steps = (STEPS[0], replace(STEPS[1], p99_ms=900.0), STEPS[2])
    assert verdict_of(steps, ended(0.1, 0.2, 0.95)).word == "passed"


def test_starved_from_the_first_step_on_no_rate_is_known() -> None:
    assert str(reached(planned("breakpoint"), ended(0.9), replace(RESULT, steps=STEPS[:1]))) == "unknown"


def test_a_step_that_was_over_before_it_was_looked_at_is_judged_by_the_end() -> None:
    """k6 looks every two seconds whether a limit broke, and may have had no time to answer."""
    end = replace(ended(0.1, 0.2), elapsed_s=22.0, cpu_s=samples(0.1, 0.2)[-1].cpu_s + 3.8)
    found = reached(planned("breakpoint"), end, replace(RESULT, steps=(*STEPS[:2], BROKEN)))
    assert (found.good, found.starved) == (200.0, 300.0)
    assert found.cpu_share == pytest.approx(0.95)
