"""What `amas status` tells besides the parts, and that one part of it being away hides no other."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.keys import KEYS, as_text
from runbook import drift, overview
from runbook.drift import Difference
from runbook.errors import CheckFailed
from runbook.overview import Overview, lines, pending
from runbook.releases.record import FAILED, ROLLBACK, UP, UPGRADE, Entry, Release
from runbook.schedule.standing import Standing
from runbook.stack import Setting, Stack
from runbook.switches import Switch
from runbook.testing import MemoryEngine, container

RELEASE = Release(2, "d", "2026-01-02", "0.1.0", "abc", 9, {"lb": "sha256:aa"}, {"replicas": "2"})
ENTRIES = [Entry("2026-01-01", 1, UP), Entry("2026-01-02", 2, UPGRADE)]
JOB = Standing("backup", None, None, None, None, None, "ok", late=False, late_s=0, reason="", detail={})
NOTHING = Overview(RELEASE, ENTRIES, [], [], [], [JOB], [])


def told(**changes: Any) -> list[str]:
    return lines(replace(NOTHING, **changes))


def test_a_stack_as_released_has_a_line_for_each() -> None:
    assert told() == [
        "release   2 (0.1.0, abc), by upgrade at 2026-01-02",
        "          before it 1: amas rollback",
        "burst     0",
        "switches  none thrown",
        "schedule  1 jobs, all well",
        "drift     none: all is as released",
    ]


def test_what_is_not_as_it_should_be_is_named_with_what_mends_it() -> None:
    late = Standing("proof", None, None, None, None, None, "ok", late=True, late_s=9, reason="", detail={})
    found = told(
        entries=[
            *ENTRIES,
            Entry("2026-01-03", 3, UP),
            Entry("", 3, FAILED),
            Entry("2026-01-04", 2, ROLLBACK),
        ],
        pending=["replicas", "image service"],
        burst=["amas-local-burst"],
        switches=[Switch("disable-insight-writes", on=True, reason="disk")],
        schedule=[JOB, late],
        drift=[Difference(f"api-{number}", "is gone") for number in range(22)],
        unknown={"schedule": "503"},
    )
    assert "          rolled back: the next `amas up` goes forward to this checkout" in found
    assert "pending   replicas, image service: in force after the next `amas up`" in found
    assert "burst     1" in found
    assert "switch    disable-insight-writes is ON: disk" in found
    assert "schedule  2 jobs, proof failed or late: amas schedule" in found
    assert "drift     api-19: is gone" in found
    assert "          and 2 more: amas status --json" in found
    assert found[-1] == "unknown   schedule: 503"


def test_without_a_release_written_down_that_is_said() -> None:
    assert told(release=None)[0] == "release   none is written down; the next `amas up` does it"


def test_settings_and_images_that_wait_for_the_next_up_are_pending(tmp_path: Path) -> None:
    lock = tmp_path / "images.json"
    lock.write_text(json.dumps({"lb": {"id": "sha256:bb", "tag": "amas/lb:haproxy3"}}))
    config = {"replicas": Setting("3", secret=False), "keyAdmin": Setting("x", secret=True)}
    settings = {key.name: as_text(key.default) for key in KEYS}
    outputs: dict[str, object] = {"settings": settings, "images": {"lb": "amas/lb:haproxy2"}}
    assert pending(outputs, config, lock) == ["replicas", "image lb"]
    assert pending({**outputs, "images": {"lb": "amas/lb:haproxy3"}}, {}, lock) == []
    assert pending({**outputs, "settings": {**settings, "replicas": "3"}}, config, lock) == ["image lb"]
    assert pending({}, config, lock) == [], "released by a program that does not tell"


def test_what_cannot_be_asked_is_told_beside_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> object:
        raise CheckFailed("pulumi is away")

    for name in ("config", "outputs"):
        monkeypatch.setattr(Stack, name, away)
    monkeypatch.setattr(drift, "look", lambda *_: [Difference("lb", "is gone")])
    engine = MemoryEngine(held=[container("api")])
    found = overview.look(Stack("local"), engine, datetime.now(UTC), with_drift=True)
    assert found.drift == [Difference("lb", "is gone")]
    assert found.switches is None
    assert found.unknown == {"configuration": "pulumi is away", "outputs": "pulumi is away"}
    assert overview.look(Stack("local"), engine, datetime.now(UTC), with_drift=False).drift is None
