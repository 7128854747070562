"""Who may import whom, and which file alone may import a library."""

import ast
import functools
from pathlib import Path

import pytest

import service

ROOT = Path(service.__file__).parent
FLOWS = ("collector", "insights", "alerts", "admin")
SOLE_IMPORTERS = {
    "psycopg": "db.py",
    "psycopg_pool": "db.py",
    "redis": "redisdb.py",
    "prometheus_client": "metrics.py",
    "httpx": "alerts/post.py",
    "yaml": "alerts/rules.py",
    "uvicorn": "__main__.py",
}


@functools.cache
def imports() -> list[tuple[str, str]]:
    """Pairs of a file and a dotted name it imports."""
    found = []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            file = path.relative_to(ROOT).as_posix()
            if isinstance(node, ast.Import):
                found += [(file, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found += [(file, f"{node.module}.{alias.name}") for alias in node.names]
    return found


@pytest.mark.parametrize(("library", "owner"), SOLE_IMPORTERS.items())
def test_a_library_has_one_importer(library: str, owner: str) -> None:
    assert {file for file, name in imports() if name.split(".")[0] == library} == {owner}


@pytest.mark.parametrize("flow", FLOWS)
def test_flows_never_import_one_another(flow: str) -> None:
    others = {f"service.{other}" for other in FLOWS if other != flow}
    wrong = [
        (file, name)
        for file, name in imports()
        if file.startswith(f"{flow}/") and any(name.startswith(other) for other in others)
    ]
    assert wrong == []


def test_only_main_imports_app() -> None:
    assert {file for file, name in imports() if name.startswith("service.app")} == {"__main__.py"}


def test_nothing_outside_the_service_is_imported() -> None:
    outside = {"infra", "runbook", "loadtests", "dashboards", "tests"}
    assert [(file, name) for file, name in imports() if name.split(".")[0] in outside] == []


def test_middleware_that_costs_six_times_is_not_used() -> None:
    assert [file for file, name in imports() if name.endswith("BaseHTTPMiddleware")] == []
