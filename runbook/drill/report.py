"""What drills showed, dated, for people and for programs."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from runbook import places, terminal
from runbook.drill.verdict import Drilled


def facts(stack: str, began: datetime, drills: Sequence[Drilled]) -> dict[str, Any]:
    return {
        "stack": stack,
        "began": began.isoformat(timespec="seconds"),
        "passed": all(one.passed for one in drills),
        "drills": [one.as_json() for one in drills],
    }


def page(stack: str, began: datetime, drills: Sequence[Drilled]) -> str:
    """In markdown."""
    verdict = "passed" if all(one.passed for one in drills) else "failed"
    return f"# Drill of {began:%Y-%m-%d %H:%M} UTC: {verdict}\n\nStack `{stack}`.\n\n" + "\n".join(
        _section(one) for one in drills
    )


def written(stack: str, began: datetime, drills: Sequence[Drilled], folder: Path | None = None) -> Path:
    """The page's place; the facts lie beside it."""
    folder = folder or places.state_dir() / "drills"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = drills[0].fault.name if len(drills) == 1 else "all"
    path = folder / f"{began:%Y-%m-%dT%H%M%SZ}-{names}.md"
    path.write_text(page(stack, began, drills), encoding="utf-8")
    path.with_suffix(".json").write_text(
        json.dumps(facts(stack, began, drills), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return path


def rows(drills: Sequence[Drilled]) -> list[list[str]]:
    """For the terminal: what failed, else the figures."""
    return [
        [one.fault.name, "ok" if one.passed else "failed", "; ".join(_failures(one)) or _figures(one)]
        for one in drills
    ]


def _section(one: Drilled) -> str:
    checks = "".join(
        f"| {check.name} | {'ok' if check.ok else '**failed**'} | {check.found} | {check.target} |\n"
        for check in one.checks
    )
    return (
        f"## {one.fault.name}: {'passed' if one.passed else 'failed'}\n\n"
        f"At {one.observed.began:%H:%M:%S} UTC {one.fault.what}. {_figures(one)}.\n\n"
        f"| check | | found | target |\n| --- | --- | --- | --- |\n{checks}"
    )


def _figures(one: Drilled) -> str:
    seen = one.observed
    return (
        f"{len(seen.acknowledged)} of {len(seen.answers)} posts acknowledged, "
        f"{len(seen.acknowledged - set(seen.stored))} lost, alert {one.fault.alert} after "
        f"{_span(seen.told_after_s)}, well again after {_span(seen.recovered_after_s)}"
    )


def _failures(one: Drilled) -> list[str]:
    return [f"{check.name}: {check.found} ({check.target})" for check in one.checks if not check.ok]


def _span(seconds: float | None) -> str:
    return "never" if seconds is None else terminal.seconds(seconds)
