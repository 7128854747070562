"""A package that its registry no longer has ends a real build, and is named."""

from contextlib import closing

import pytest

from runbook.errors import CheckFailed
from runbook.terminal import Progress
from runbook.up import images
from runbook.up.image_plan import Input, Lock, Recipe, plan

DOCKERFILE = """ARG PARENT
FROM ${PARENT}
RUN amas-install postgresql-99
"""


def test_the_build_names_image_step_and_package_and_leaves_no_image(lock: Lock) -> None:
    recipe = Recipe("missing-package", {})
    wanted = plan(recipe, [Input("Dockerfile", DOCKERFILE.encode())], lock["base"]["tag"])
    with pytest.raises(CheckFailed) as failed:
        images._ensure(wanted, lock, {}, Progress())
    told = failed.value.message
    assert (
        "image missing-package was not built: package postgresql-99 cannot be had from the package source"
        in told
    )
    assert "RUN amas-install postgresql-99" in told
    assert failed.value.next_command == f"less {images._log_path('missing-package')}"
    with closing(images._connect()) as engine:
        assert images._find(engine, wanted) is None
