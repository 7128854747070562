"""A bill of materials says what the image's own tools say."""

import re
import subprocess

from runbook.sbom.export import contents
from runbook.sbom.packages import packages
from runbook.up.image_plan import Lock

DISTRIBUTIONS = """
import importlib.metadata
for one in importlib.metadata.distributions():
    print(one.name.replace("_", "-").replace(".", "-").lower(), one.version)
"""


def told(image: str, *command: str) -> str:
    """What a program of the image prints."""
    lonely = ["docker", "run", "--rm", "--network", "none", "--entrypoint", command[0], image, *command[1:]]
    return subprocess.run(lonely, capture_output=True, text=True, check=True).stdout


def pairs(text: str) -> set[tuple[str, str]]:
    return {(name, version) for name, version in map(str.split, text.splitlines())}


def test_the_runbooks_packages_are_those_that_dpkg_python_and_k6_name(lock: Lock) -> None:
    image = lock["runbook"]["id"]
    found: dict[str, set[tuple[str, str]]] = {}
    for one in packages(contents(image).files):
        found.setdefault(one.kind, set()).add((one.name, one.version))
    assert found["deb"] == pairs(told(image, "dpkg-query", "-W", "-f", "${Package} ${Version}\\n"))
    assert found["pypi"] == pairs(told(image, "/opt/venv/bin/python", "-c", DISTRIBUTIONS))
    (k6,) = re.findall(r"^k6\S* (v[\d.]+)", told(image, "k6", "version"), re.MULTILINE)
    assert ("go.k6.io/k6/v2", k6) in found["golang"]
