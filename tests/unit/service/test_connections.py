"""A replica opens DB_CONNECTION_POOL_SIZE connections to the database, and never one more."""

import ast
from pathlib import Path
from typing import Any

import pytest

import service
from infra.keys import KEYS, Between
from service import settings, stores
from service.errors import SettingsInvalid
from service.metrics import Metrics
from tests.unit.service.standing import ENVIRON

ROOT = Path(service.__file__).parent
SETTING = "DB_CONNECTION_POOL_SIZE"


class Counted:
    """A pool or a session that opens nothing: how many connections each may come to."""

    made: list[int]
    is_pool = False

    def __init__(self, _url: str, size: int, *_: Any) -> None:
        """A session has its time limit where a pool has its size."""
        self.made.append(size if self.is_pool else 1)

    def sizes(self) -> tuple[int, int, int]:
        return 0, 0, 0


@pytest.mark.parametrize("size", [6, 7, 20, 500])
def test_all_its_connections_together_are_the_size(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    pool = type("Pool", (Counted,), {"made": made, "is_pool": True})
    session = type("Session", (Counted,), {"made": made})
    monkeypatch.setattr(stores, "Pool", pool)
    monkeypatch.setattr(stores, "Session", session)
    stores.real_stores(settings.load(ENVIRON | {SETTING: str(size)}), "one", Metrics("test"))
    assert sum(made) == size
    assert min(made) == 1


def test_the_least_size_leaves_one_for_reads_here_and_in_the_stack() -> None:
    (key,) = (one for one in KEYS if one.setting == SETTING)
    assert isinstance(key.allowed, Between)
    assert stores.for_reads(key.allowed.low) == 1
    with pytest.raises(SettingsInvalid):
        settings.load(ENVIRON | {SETTING: str(key.allowed.low - 1)})
    assert settings.load(ENVIRON | {SETTING: str(key.allowed.low)})


def test_no_other_file_makes_a_connection() -> None:
    """Running services, that is: a migration has its own, and the process ends with it."""
    makers = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("Pool", "Session"):
                makers.add(path.relative_to(ROOT).as_posix())
    assert makers == {"stores.py"}
