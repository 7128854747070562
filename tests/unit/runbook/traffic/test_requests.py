import random
from datetime import datetime

from runbook.traffic.generate import generate
from runbook.traffic.requests import LARGEST_BATCH, MOST_BATCH_BYTES, batch, in_waves


def test_every_line_is_in_one_request_of_its_wave(now: datetime) -> None:
    lines = list(generate(1, 500, now))
    waves = [list(wave) for wave in in_waves(lines, seed=1)]
    assert len(waves) == 10
    sent = [line for wave in waves for request in wave for line in request.lines]
    assert sorted(line.number for line in sent) == [line.number for line in lines]
    for number, wave in enumerate(waves):
        assert {line.wave for request in wave for line in request.lines} == {number}


def test_most_go_in_batches_of_mixed_sizes_a_share_alone(now: datetime) -> None:
    requests = [request for wave in in_waves(generate(1, 1_000, now), seed=1) for request in wave]
    sizes = [len(request.lines) for request in requests if not request.single]
    assert len(set(sizes)) > 10
    assert max(sizes) <= LARGEST_BATCH
    assert max(len(request.body) for request in requests) < MOST_BATCH_BYTES + 4 * 65_536
    assert 40 < sum(request.single for request in requests) < 100
    assert all(request.single for request in requests if any(line.alone for line in request.lines))


def test_places_are_the_lines_of_the_body(now: datetime) -> None:
    """A blank line counts, and is answered by nothing."""
    lines = [line for line in generate(1, 300, now) if not line.alone]
    request = batch(lines, random.Random(1))  # noqa: S311 - variety, not secrecy
    parts = request.body.split(b"\n")
    assert [parts[place - 1] for place in request.places] == [line.raw for line in lines]
    assert len(parts) > len(lines)
