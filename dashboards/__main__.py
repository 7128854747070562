"""`python -m dashboards` writes the boards; `--check` exits 1 when one is out of date or breaks a rule."""

import sys
from collections.abc import Mapping
from pathlib import Path

from dashboards import alerts, backup, collector, database, insights, known, lint, loadtests, overview
from dashboards.panels import as_json

GENERATED = Path(__file__).parent / "generated"
BOARDS = tuple(one.BOARD for one in (overview, collector, insights, alerts, database, loadtests, backup))


def main(argv: list[str]) -> int:
    made = {board.uid: as_json(board) for board in BOARDS}
    wrong = [problem for uid, text in made.items() for problem in lint.problems(uid, text, known.metrics())]
    if "--check" in argv:
        wrong += drift(made)
    elif not wrong:
        write(made)
    sys.stderr.write("".join(f"{one}\n" for one in wrong))
    return 1 if wrong else 0


def drift(made: Mapping[str, str]) -> list[str]:
    """What is generated and what is kept, where they differ."""
    kept = {path.stem: path.read_text(encoding="utf-8") for path in GENERATED.glob("*.json")}
    differ = sorted(uid for uid in {*made, *kept} if made.get(uid) != kept.get(uid))
    return [f"dashboards/generated/{uid}.json is out of date; next: python -m dashboards" for uid in differ]


def write(made: Mapping[str, str]) -> None:
    for path in GENERATED.glob("*.json"):
        if path.stem not in made:
            path.unlink()
    for uid, text in made.items():
        (GENERATED / f"{uid}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
