"""psql inside the db container, as the owner over the local socket: no password leaves the container."""

from collections.abc import Sequence
from pathlib import Path

from runbook.engine import Container, Engine, pass_through, require_part
from runbook.errors import CheckFailed

OWNER = "amas_owner"
SQL = Path(__file__).parent / "sql"


def psql(engine: Engine, stack: str, arguments: Sequence[str]) -> int:
    """With the caller's stdin, stdout and terminal; returns psql's own exit code."""
    return pass_through(require_part(engine, stack, "db"), psql_command(arguments))


def count_run(engine: Engine, stack: str, run_id: str) -> int:
    """Rows of a marked run, counted by the database itself."""
    container = require_part(engine, stack, "db")
    answer = _ask(engine, container, "count_run.sql", ["-XqAt", f"--set=run_id={run_id}"])
    return int(answer.strip())


def report(engine: Engine, stack: str, script: str) -> str:
    """What a script's statements answer, as tables for people."""
    return _ask(engine, require_part(engine, stack, "db"), script, ["-X"])


def psql_command(arguments: Sequence[str]) -> list[str]:
    """A shell only to take the database's name from the container's own environment."""
    return ["sh", "-c", f'exec psql -U {OWNER} -d "${{AMAS_DATABASE:-danci}}" "$@"', "psql", *arguments]


def _ask(engine: Engine, container: Container, script: str, options: Sequence[str]) -> str:
    statement = (SQL / script).read_text()
    # psql expands :'name' only in what it reads from stdin, not in --command.
    feed = ["sh", "-c", 'printf "%s" "$0" | "$@"', statement]
    exit_code, output = engine.run_inside(container, [*feed, *psql_command(options)])
    if exit_code != 0:
        raise CheckFailed(
            f"psql in {container.name} ended with {exit_code}: {output.strip()}", "amas logs db"
        )
    return output
