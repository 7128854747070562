"""A pipeline's summary goes where pipelines look, and a stack that stands is left as it is."""

from pathlib import Path
from typing import cast

import pytest

from loadtests.flow import Outcome, Place
from loadtests.plan import Order
from runbook.ci import command
from runbook.ci.tell import summary
from runbook.errors import AmasError
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container
from runbook.up import flow
from tests.unit.loadtests.testing_facts import outcome

# Nothing is asked of it here.
PLACE = cast("Place", None)


def test_the_summary_is_kept_and_added_to_that_of_the_job(tmp_path: Path) -> None:
    job = tmp_path / "step-summary"
    job.write_text("# An earlier step\n")
    command.show_summary("# Load test: passed\n", tmp_path, {"GITHUB_STEP_SUMMARY": str(job)})
    assert job.read_text() == "# An earlier step\n# Load test: passed\n"
    assert (tmp_path / "summary.md").read_text() == "# Load test: passed\n"


def test_without_a_jobs_summary_the_folder_has_it(tmp_path: Path) -> None:
    command.show_summary("# Load test: passed\n", tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["summary.md"]


@pytest.mark.parametrize(("running", "brought_up"), [(2, []), (0, ["local"])])
def test_a_stack_is_brought_up_only_where_none_stands(
    running: int, brought_up: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(command, "connect", lambda: MemoryEngine([container("api")] * running))
    monkeypatch.setattr(flow, "bring_up", lambda plan, _: done.append(plan.stack))
    command.stand_up("local", Progress())
    assert done == brought_up


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[Outcome | AmasError]:
    """What each run comes to, in order."""
    coming: list[Outcome | AmasError] = []

    def load_test(*_: object) -> Outcome:
        end = coming.pop(0)
        if isinstance(end, AmasError):
            raise end
        return end

    monkeypatch.setattr("loadtests.flow.load_test", load_test)
    monkeypatch.setattr(command, "keep_all", lambda _, runs: [f"kept {len(runs)}"])
    return coming


def test_a_run_that_breaks_off_takes_none_before_it_along(
    tmp_path: Path, ends: list[Outcome | AmasError]
) -> None:
    ends += [outcome(tmp_path), AmasError("the service is away")]
    series = command.run_all("local", Order("mixed", "smoke", ""), PLACE, 3)
    assert (series.outcomes[0].verdict.word, series.said) == ("passed", ["kept 1"])
    text = summary([series.outcomes[0].facts()], "same", [], series.missing)
    assert text.startswith("# Load test: broken off\n\nWithout a verdict, run 2: the service is away\n")


def test_a_first_run_that_breaks_off_is_the_error(ends: list[Outcome | AmasError]) -> None:
    ends.append(AmasError("the service is away"))
    with pytest.raises(AmasError, match="is away"):
        command.run_all("local", Order("mixed", "smoke", ""), PLACE, 3)
