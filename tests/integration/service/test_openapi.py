"""The description is true of the running service, as far as many generated requests can tell."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.service.conftest import Cache, Database
from tests.integration.service.standing import environ, process

HERE = Path(__file__).parent
TOOL = Path(sys.executable).with_name("schemathesis")
FULL = pytest.mark.skipif(
    not os.environ.get("AMAS_TEST_FULL"), reason="takes minutes; set AMAS_TEST_FULL=1 to run it"
)


@pytest.mark.parametrize(
    ("seed", "examples"),
    [(1, 5), *(pytest.param(seed, 200, marks=(pytest.mark.full, FULL)) for seed in (2, 3))],
)
def test_no_generated_request_is_answered_otherwise_than_described(
    database: Database, cache: Cache, queue: Cache, tmp_path: Path, seed: int, examples: int
) -> None:
    with process(environ(database, cache, QUEUE_URL=queue.url), tmp_path) as service:
        done = subprocess.run(
            [
                TOOL,
                *("--config-file", HERE / "schemathesis.toml"),
                *("run", f"{service.url}/openapi.json"),
                *("--phases", "examples,coverage,fuzzing", "--max-examples", str(examples)),
                *("--seed", str(seed), "--header", "Authorization: Bearer admin", "--request-timeout", "10"),
                *("--warnings", "off", "--continue-on-failure", "--generation-database", "none"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        log = service.log.read_text()
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert "Traceback" not in log
    assert "unforeseen error" not in log
