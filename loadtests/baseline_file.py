"""Baselines as files: where one lies, whether what lies there is one, and how it is replaced."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from loadtests import results
from loadtests.baseline import HEADLINES, LEAST_RUNS, differing, mark
from loadtests.catalog import HERE, TESTS, catalog
from runbook.errors import EnvironmentMissing, UsageError

FOLDER = HERE / "baselines"
SET = "amas loadtest baseline set RESULT..."


@dataclass(frozen=True)
class Place:
    """Where those of one kind of target lie, for one machine: figures of one mean nothing on another."""

    kind: str
    machine: str
    folder: Path = FOLDER

    def file(self, test: str, profile: str) -> Path:
        """Checked, since names become a path."""
        known = catalog()
        known.rules(self.kind)
        known.profile(profile)
        if test not in TESTS:
            raise UsageError(f"test {test!r}: must be one of {', '.join(TESTS)}", "amas loadtest list")
        return self.folder / self.kind / f"{test}.{profile}.{self.machine}.json"


def of(run: Mapping[str, Any], folder: Path = FOLDER) -> Path:
    """Where the baseline of such a run lies."""
    plan = run["plan"]
    place = Place(plan["kind"], mark(run["fingerprint"]), folder)
    return place.file(plan["test"], plan["profile"])


def read(path: Path) -> dict[str, Any]:
    """Raises EnvironmentMissing where there is none."""
    held = read_if_there(path)
    if held is None:
        raise EnvironmentMissing(f"there is no baseline {path}", SET)
    return held


def read_if_there(path: Path) -> dict[str, Any] | None:
    """A broken one is not none: raises UsageError, since to pass over it would compare with nothing."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _broken(path, str(error)) from None
    if wrong := next(_wrongs(held), None):
        raise _broken(path, wrong)
    found: dict[str, Any] = held
    return found


def _broken(path: Path, why: str) -> UsageError:
    return UsageError(f"{path} is no baseline: {why}; put it right, or remove it and set another", SET)


def _wrongs(held: Any) -> Iterator[str]:
    if not isinstance(held, dict):
        yield f"must be an object, not {_short(held)}"
        return
    for name in ("reason", "set"):
        if not isinstance(held.get(name), str):
            yield f"`{name}` must be a text, not {_short(held.get(name))}"
    runs = held.get("runs")
    if not isinstance(runs, list) or not runs:
        yield f"`runs` must be a list of one run or more, not {_short(runs)}"
        return
    for at, one in enumerate(runs):
        yield from _wrongs_of_run(f"runs[{at}]", one)


def _wrongs_of_run(name: str, one: Any) -> Iterator[str]:
    if not isinstance(one, dict) or one.get("verdict") != "passed":
        yield f"`{name}` must be a run that passed, not {_short(one)}"
        return
    result = one.get("result")
    for _, figure, _ in HEADLINES:
        if not isinstance(result, dict) or not _is_figure(result.get(figure)):
            yield f"`{name}.result.{figure}` must be a number"
    if isinstance(result, dict) and not _is_figure(result.get("error_share") or 0):
        yield f"`{name}.result.error_share` must be a number or null"
    held = one.get("fingerprint")
    if not isinstance(held, dict) or not all(isinstance(value, str) for value in held.values()):
        yield f"`{name}.fingerprint` must be names with texts, not {_short(held)}"


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: Any) -> str:
    return repr(value)[:60]


def keep(runs: Sequence[Mapping[str, Any]], reason: str, now: datetime, folder: Path = FOLDER) -> Path:
    """Only what passed, and is alike; replaces the one there is."""
    if not reason.strip():
        raise UsageError("--reason: say why the baseline changes", "amas loadtest baseline set --help")
    if against := reasons_against(runs):
        raise UsageError("\n".join(against), f"amas loadtest run TEST --repeat {LEAST_RUNS}")
    path = of(runs[0], folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [{name: one[name] for name in ("verdict", "result", "fingerprint")} for one in runs]
    text = {"reason": reason, "set": now.isoformat(timespec="seconds"), "runs": kept}
    results.write(path, json.dumps(text, indent=2) + "\n")
    return path


def reasons_against(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why these runs are no baseline."""
    bad = [f"{one['plan']['runId']} {one['verdict']}" for one in runs if one["verdict"] != "passed"]
    found = [f"only runs that passed make a baseline: {', '.join(bad)}"] if bad else []
    if len(runs) < LEAST_RUNS:
        found.append(f"{len(runs)} runs: {LEAST_RUNS} or more make a baseline, since fewer tell of no change")
    unlike = differing(runs[0]["fingerprint"], runs[1:]) if runs else []
    return [*found, *(f"the runs are not alike: {one}" for one in unlike)]
