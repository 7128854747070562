"""A data volume of another PostgreSQL: refused by the database, told by `up`, nothing serves."""

import json
from collections.abc import Callable

import pytest

from tests.faults.conftest import Stack, output

WRITE = "cat >/volume/marker.json <<'E'\n%s\nE\nchown -R 10001:10001 /volume"


@pytest.mark.full
def test_a_first_up_on_it_fails_fast_and_names_both_versions(new_stack: Callable[[], Stack]) -> None:
    stack = new_stack()
    volume = f"amas-{stack.name}-db"
    images = json.loads((stack.state_dir / "images.json").read_text())
    own = output("docker", "run", "--rm", "--entrypoint", "cat", images["db"]["id"], "/etc/amas/marker.json")
    foreign = {**json.loads(own), "postgres_major": 12}
    output("docker", "volume", "create", "--label", f"amas.stack={stack.name}", volume)
    script = WRITE % json.dumps(foreign)
    output("docker", "run", "--rm", "-v", f"{volume}:/volume", images["base"]["id"], "sh", "-c", script)

    failed = stack.up()

    assert failed.returncode == 1
    assert f"amas-{stack.name}-db ended again and again" in failed.stderr
    assert '"postgres_major": 12' in failed.stderr
    assert "this image has" in failed.stderr
    assert "no replica serves" in failed.stderr
    assert f"amas-{stack.name}-db" not in stack.containers().values()
    assert stack.containers("api") == {}

    output("docker", "volume", "rm", volume)
    repeated = stack.up()
    assert repeated.returncode == 0, repeated.stderr
