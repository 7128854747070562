"""Breaks the core of the service in every small way, one at a time, and counts what the unit tests notice.

`python -m tests.mutation` (about a quarter of an hour) breaks a copy of the checkout by mutmut, which lives
in an environment of its own under the cache folder. What is broken, and which tests have to notice, stands
in pyproject.toml under [tool.mutmut]. A change that makes a test hang counts as noticed.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from runbook.places import ROOT, cache_dir

LEAST_PERCENT = 85.0
PINS = ROOT / "requirements/mutation.txt"
# Speaks to Redis alone: held to the spool's contract by tests/integration against a real one.
LEFT_OUT = "xǁRedisSpoolǁ"
NOTICED = frozenset({"killed", "timeout"})


def main() -> int:
    tool = installed(cache_dir() / "mutation")
    with tempfile.TemporaryDirectory(prefix="amas-mutation-") as folder:
        copy(Path(folder))
        told = broken(tool, Path(folder))
    statuses = by_file(told.splitlines(), mutated_files())
    figures = {file: figure(counts) for file, counts in statuses.items()}
    kept = {"files": figures, "survived": [line.strip() for line in told.splitlines() if missed(line)]}
    sys.stdout.write(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write(table(figures) + "\n")
    return 0 if all(one["reached"] for one in figures.values()) else 1


def mutated_files() -> list[str]:
    files = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]["only_mutate"]
    return [str(file) for file in files]


def installed(folder: Path) -> Path:
    """The tool, installed once for every set of pins."""
    pins = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    place = folder / pins
    tool = place / "bin/mutmut"
    if not (place / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([place / "bin/pip", "install", *options, "-r", PINS], check=True)
        (place / "complete").touch()
    return tool


def copy(folder: Path) -> None:
    """What git would keep, as it is now: the tool writes beside the code."""
    listing = ["git", "ls-files", "-z", "-co", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())


def broken(tool: Path, folder: Path) -> str:
    """What became of every change, a line each."""
    run = [str(tool), "run", "--max-children", "1", *patterns(mutated_files())]
    subprocess.run(run, cwd=folder, stdout=sys.stderr, check=True)
    results = [str(tool), "results", "--all", "true"]
    return subprocess.run(results, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout


def patterns(files: Sequence[str]) -> list[str]:
    """All of each file, and of the spool only what is no method of a class."""
    wanted = {"service/insights/spool.py": "x_*"}
    return [f"{module(file)}.{wanted.get(file, 'x*')}" for file in files]


def module(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def by_file(lines: Sequence[str], files: Sequence[str]) -> dict[str, Counter[str]]:
    """How many changes of each file ended how; a line is `service.part.module.x_name__mutmut_7: killed`."""
    statuses: dict[str, Counter[str]] = {file: Counter() for file in files}
    names = {module(file): file for file in files}
    for line in lines:
        name, _, status = line.strip().rpartition(": ")
        file = names.get(name.rpartition(".")[0])
        if file is not None and LEFT_OUT not in name:
            statuses[file][status] += 1
    return statuses


def missed(line: str) -> bool:
    return LEFT_OUT not in line and line.rpartition(": ")[2] not in NOTICED


def figure(counts: Counter[str]) -> dict[str, object]:
    """What was never tried counts against the file, and so does a file of which nothing was changed."""
    noticed, changes = sum(counts[status] for status in NOTICED), counts.total()
    percent = round(100 * noticed / changes, 1) if changes else 0.0
    return {
        "changes": changes,
        "noticed": noticed,
        # Of those: on a machine that is busy with other work some may only have been slow.
        "hung": counts["timeout"],
        "percent": percent,
        "reached": percent >= LEAST_PERCENT,
    }


def table(figures: Mapping[str, Mapping[str, object]]) -> str:
    rows = [
        f"{'file':<32} {'changes':>7} {'noticed':>7} {'hung':>5} {'percent':>7}  at least {LEAST_PERCENT:g}"
    ]
    for file, one in figures.items():
        reached = "ok" if one["reached"] else "MISS"
        counts = f"{one['changes']:>7} {one['noticed']:>7} {one['hung']:>5} {one['percent']:>7}"
        rows.append(f"{file:<32} {counts}  {reached}")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
