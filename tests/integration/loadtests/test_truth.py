"""The verdict against what is known to be true: real k6, and a service that misbehaves as told."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loadtests import flow, k6, plan, report
from loadtests.catalog import HERE, TESTS, Hold, Profile, Steps, catalog
from loadtests.flow import Outcome, Place, Wishes
from loadtests.plan import Order
from loadtests.tell import Teller
from runbook.api import Api, Keys
from runbook.errors import UsageError
from runbook.terminal import Progress
from runbook.up.toolchain import tools_bin
from tests.integration.loadtests.stub import Stub

RATE, LENGTH_S = 40.0, 2.5
K6 = k6.find(tools_bin())


@pytest.fixture(autouse=True)
def _one_second_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short runs, in which the first errors count; and a machine that does other work beside."""
    monkeypatch.setattr(plan, "ABORT_AFTER_S", 1)
    monkeypatch.setattr("loadtests.verdict.DRAIN_WITHIN_S", 1.0)
    monkeypatch.setattr("loadtests.aftermath.DRAIN_WITHIN_S", 1.0)
    monkeypatch.setattr("loadtests.aftermath.PURGE_WITHIN_S", 1.0)
    monkeypatch.setattr("loadtests.watch.EVERY_S", 0.3)


def outcome_of(
    stub: Stub, folder: Path, test: str = "ingest", profile: str = "short", steps: Steps | None = None
) -> Outcome:
    """A run of the shape of `average`, so that its limits hold."""
    known = catalog()
    short = Profile(profile, "short", measure=() if steps else (Hold(RATE, LENGTH_S),), steps=steps)
    with stub.standing(), Api(stub.url, Keys(ingest="key", admin="key")) as api:
        place = Place(
            service=api,
            keys=k6.Keys(ingest="the-secret-key"),
            k6=K6,
            results=folder,
            progress=Progress(),
            teller=Teller(),
            url=stub.url,
            catalog=replace(known, profiles={**known.profiles, profile: short}),
        )
        return flow.load_test(Order(test, profile, stub.url), place, datetime.now(UTC), Wishes())


def states(outcome: Outcome, state: str) -> set[str]:
    return {one.name for one in outcome.verdict.checks if one.state == state}


@pytest.mark.parametrize("test", ["ingest", "insights"])
def test_a_good_service_passes(tmp_path: Path, test: str) -> None:
    stub = Stub()
    outcome = outcome_of(stub, tmp_path, test)
    assert outcome.verdict.reasons == []
    assert outcome.verdict.word == "passed"
    assert outcome.result is not None
    assert outcome.result.requests >= RATE * LENGTH_S - 2
    assert outcome.found.stored == outcome.result.accepted == stub.purged
    assert stub.stored == {}
    assert ("DELETE", "/api/cache/insights") in stub.seen


@pytest.mark.parametrize(
    ("stub", "failed"),
    [
        (Stub(stall=(0.5, 1.5)), {"P95 latency", "P99 latency"}),
        (Stub(fail_every=10), {"error rate"}),
        (Stub(fail_every=10, unannounced=True), {"error rate", "broken answers"}),
        (Stub(dead=(1.0, 1.6)), {"error rate", "broken answers"}),
        (Stub(lose_every=20), {"decisions stored", "drained"}),
        (Stub(alert_after_s=1.0), {"alerts fired"}),
        (Stub(keeps_rows=True), {"rows left after the purge"}),
        (Stub(refuses_purge=True), {"rows left after the purge"}),
    ],
    ids=[
        "stalls",
        "refuses",
        "breaks",
        "dies for a while",
        "loses",
        "alerts",
        "keeps the rows",
        "refuses to purge",
    ],
)
def test_a_bad_service_fails(tmp_path: Path, stub: Stub, failed: set[str]) -> None:
    outcome = outcome_of(stub, tmp_path)
    assert outcome.verdict.word == "failed", outcome.verdict.reasons
    assert states(outcome, "failed") == failed


def test_a_service_that_is_hopeless_is_not_loaded_to_the_end(tmp_path: Path) -> None:
    outcome = outcome_of(Stub(fail_every=1, unannounced=True), tmp_path)
    assert outcome.verdict.word == "failed"
    assert outcome.ended.exit_code == k6.CROSSED
    assert states(outcome, "not judged") == {"ended early"}


@pytest.mark.parametrize(("stall", "word"), [((0.5, 0.75), "invalid"), ((0.5, 1.5), "failed")])
def test_a_run_with_dropped_requests_never_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stall: tuple[float, float], word: str
) -> None:
    """Where the limits are broken all the same they are broken; where not, nothing is known."""
    monkeypatch.setattr(plan, "BUSY_S", 0.0)
    monkeypatch.setattr(plan, "MOST_BUSY_S", 0.0)
    monkeypatch.setattr(plan, "SPARE_USERS", 3)
    outcome = outcome_of(Stub(stall=stall), tmp_path)
    assert outcome.verdict.word == word, outcome.verdict.reasons
    assert "requests dropped" in states(outcome, word)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts another script in the place of ingest.js, with our library beside it."""
    folder = tmp_path / "scripts"
    (folder / "k6").mkdir(parents=True)
    (folder / "k6/lib").symlink_to(HERE / "k6/lib")
    monkeypatch.setattr(k6, "HERE", folder)

    def put(body: str, imports: str = "") -> None:
        text = f"""
            import {{ onTime, post }} from './lib/client.js';
            import {{ options }} from './lib/options.js';
            import {{ summary }} from './lib/target.js';
            {imports}
            export {{ options }};
            export default function () {{ {body} }}
            export const handleSummary = summary;
        """
        (folder / "k6/ingest.js").write_text(text)

    return put


def test_a_script_that_throws_makes_it_invalid(tmp_path: Path, script: Callable[[str], None]) -> None:
    script("onTime(); throw new Error('no such thing');")
    outcome = outcome_of(Stub(), tmp_path)
    assert outcome.verdict.word == "invalid"
    assert states(outcome, "invalid") == {"script errors", "requests measured", "answers looked at"}
    assert "Error: no such thing" in outcome.verdict.reasons[0]


def test_a_run_that_measured_nothing_is_invalid(tmp_path: Path, script: Callable[[str], None]) -> None:
    script("onTime();")
    outcome = outcome_of(Stub(), tmp_path)
    assert states(outcome, "invalid") == {"requests measured", "answers looked at"}


def test_a_generator_that_stood_still_makes_it_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = _pausing(monkeypatch, after_s=1.0, for_s=1.2)
    outcome = outcome_of(Stub(), tmp_path)
    assert paused
    assert outcome.verdict.word == "invalid"
    assert "generator's delay" in states(outcome, "invalid")


# Long enough below the last for k6's own start, which costs a slow machine a second or two of a processor.
RISING = Steps(first=12, last=60, by=12, each_s=2.5)
# Three quarters of a processor, however fast it is; half of that, where others take the rest, will do.
BUSY = """
    const until = Date.now() + (exec.scenario.name === 'step_60' ? 12 : 0);
    while (Date.now() < until);
    post([decision(ofIteration(), run.id)]);
"""
BUSY_IMPORTS = """
    import exec from 'k6/execution';
    import { run } from './lib/options.js';
    import { ofIteration } from './lib/random.js';
    import { decision } from './lib/trace.js';
"""


@pytest.mark.parametrize(
    ("cpus", "word", "found"),
    [(0.5, "invalid", "at least 48/s"), (1000.0, "passed", "60/s, nothing gave way")],
    ids=["starved", "not starved"],
)
def test_a_generator_that_was_starved_only_at_the_end_gave_way_and_not_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Callable[[str, str], None],
    cpus: float, word: str, found: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(k6, "cpus", lambda: cpus)
    script(BUSY, BUSY_IMPORTS)
    outcome = outcome_of(Stub(), tmp_path, steps=RISING)
    assert outcome.verdict.word == word, outcome.verdict.reasons
    assert [one.found for one in outcome.verdict.checks if one.name == "highest good rate"] == [found]
    assert outcome.ended.cpu_share < 0.8, "over the whole run nobody sees it"


def _pausing(monkeypatch: pytest.MonkeyPatch, *, after_s: float, for_s: float) -> list[int]:
    paused: list[int] = []
    original = subprocess.Popen

    def start(words: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        process: subprocess.Popen[bytes] = original(words, **options)  # type: ignore[call-overload]

        def stop() -> None:
            os.kill(process.pid, signal.SIGSTOP)
            paused.append(process.pid)
            threading.Timer(for_s, os.kill, (process.pid, signal.SIGCONT)).start()

        if "run" in words:
            threading.Timer(after_s, stop).start()
        return process

    monkeypatch.setattr("loadtests.k6.subprocess.Popen", start)
    return paused


def test_in_production_the_first_alert_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.guard.within", lambda *_: True)
    monkeypatch.setattr("tests.integration.loadtests.test_truth.LENGTH_S", 20.0)
    stub = Stub(environment="production", alert_after_s=0.5)
    outcome = outcome_of(stub, tmp_path, profile="smoke")
    assert outcome.verdict.word == "failed"
    assert outcome.ended.elapsed_s < 15
    assert {"end", "alerts fired"} <= states(outcome, "failed")
    assert ("DELETE", "/api/cache/insights") not in stub.seen
    assert stub.stored == {}


def test_a_key_stands_in_no_file_that_is_kept(tmp_path: Path) -> None:
    outcome = outcome_of(Stub(), tmp_path)
    report.write_all(outcome, None)
    kept = {one.name: one.read_bytes() for one in outcome.folder.iterdir()}
    assert {"summary.json", "load-test-summary.txt", "junit.xml", "comment.md", "report.html"} <= kept.keys()
    assert [name for name, content in kept.items() if b"the-secret-key" in content] == []


def test_what_is_refused_sends_nothing(tmp_path: Path) -> None:
    stub = Stub(environment="production")
    with pytest.raises(UsageError, match="profile 'short'"):
        outcome_of(stub, tmp_path)
    assert not any(one.is_dir() for one in tmp_path.iterdir())
    assert stub.stored == {}


@pytest.mark.parametrize("test", TESTS)
def test_k6_takes_every_script_with_every_profile(tmp_path: Path, test: str) -> None:
    known = catalog()
    for profile in known.profiles:
        order = Order(test, profile, "http://127.0.0.1:1")
        made = plan.plan(order, known, known.target("127.0.0.1"), "development", datetime.now(UTC), "x")
        folder = k6.Folder(tmp_path)
        k6.write_options(made, folder)
        needed = k6.command(K6, made, folder, k6.Keys()).inspect()
        assert made.duration_s <= needed.duration_s <= made.wall_limit_s
