"""A pipeline's summary goes where pipelines look, and a stack that stands is left as it is."""

from pathlib import Path

import pytest

from runbook.ci import command
from runbook.terminal import Progress
from runbook.testing import MemoryEngine, container
from runbook.up import flow


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
