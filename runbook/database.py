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
    answer = _ask(engine, require_part(engine, stack, "db"), "count_run.sql", {"run_id": run_id})
    return int(answer.strip())


def psql_command(arguments: Sequence[str]) -> list[str]:
    """A shell only to take the database's name from the container's own environment."""
    return ["sh", "-c", f'exec psql -U {OWNER} -d "${{AMAS_DATABASE:-danci}}" "$@"', "psql", *arguments]


def _ask(engine: Engine, container: Container, script: str, variables: dict[str, str]) -> str:
    statement = (SQL / script).read_text()
    quoted = [f"--set={name}={value}" for name, value in variables.items()]
    # psql expands :'name' only in what it reads from stdin, not in --command.
    feed = ["sh", "-c", 'printf "%s" "$0" | "$@"', statement]
    exit_code, output = engine.run_inside(container, [*feed, *psql_command(["-XqAt", *quoted])])
    if exit_code != 0:
        raise CheckFailed(
            f"psql in {container.name} ended with {exit_code}: {output.strip()}", "amas logs db"
        )
    return output
