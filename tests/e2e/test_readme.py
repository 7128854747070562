"""What the README tells people to type is typed here."""

import re

import pytest

from tests.e2e.conftest import ROOT, Stack

README = (ROOT / "README.md").read_text()


def blocks(heading: str) -> list[str]:
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


@pytest.mark.parametrize("block", blocks("Start"))
def test_the_readmes_start_can_be_typed_as_it_stands(stack: Stack, block: str) -> None:
    """Only the port differs, and `up` has already run: see the other tests for it."""
    typed = block.replace("./scripts/up\n", "").replace("http://localhost:3000", stack.url)
    told = stack.shell(f"set -e\n{typed}").stdout
    expected = (
        ['{"status":"ok"', "all healthy"] if "amas status" in block else ['"state":"stored"', '"demo-1"']
    )
    assert [words for words in expected if words not in told] == []


def test_the_start_has_commands() -> None:
    assert len(blocks("Start")) == 2
