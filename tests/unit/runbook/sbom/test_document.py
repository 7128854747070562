"""The document is CycloneDX by its own schema, and the same for the same image."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cyclonedx.schema
import jsonschema_rs
import pytest

from runbook.errors import EnvironmentMissing, UsageError
from runbook.sbom.command import chosen, locked
from runbook.sbom.document import document
from runbook.sbom.packages import Package

SCHEMAS = Path(cyclonedx.schema.__file__).parent / "_res"
MADE = datetime(2026, 3, 6, tzinfo=UTC)
IMAGE_ID = "sha256:" + "ab" * 32
HELD = [
    Package("deb", "libc6", "2.41-12+deb13u5", architecture="amd64"),
    Package("pypi", "typing-extensions", "4.13.2", "PSF-2.0"),
    Package("pypi", "odd", "1.0", "see the file LICENSE"),
    Package("golang", "go.k6.io/k6/v2", "v2.2.0"),
    Package("golang", "stdlib", "1.26.8"),
    Package("npm", "uplot", "1.6.32"),
]


def made(held: list[Package] = HELD) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(document("amas/runbook:0.1.0-ab", IMAGE_ID, MADE, held))
    return loaded


def schema() -> jsonschema_rs.Validator:
    def read(name: str) -> Any:
        return json.loads((SCHEMAS / f"{name}.SNAPSHOT.schema.json").read_text())

    others = [
        (f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json", read(name))
        for name in ("spdx", "jsf-0.82")
    ]
    return jsonschema_rs.validator_for(read("bom-1.6"), registry=jsonschema_rs.Registry(others))


def test_it_is_valid_and_the_check_can_fail() -> None:
    found = made()
    schema().validate(found)
    found["components"][0]["type"] = "nonsense"
    assert not schema().is_valid(found)


def test_an_image_without_packages_is_valid_too() -> None:
    schema().validate(made([]))


def test_the_same_image_gives_the_same_text_whatever_the_order() -> None:
    again = document("amas/runbook:0.1.0-ab", IMAGE_ID, MADE, HELD[::-1])
    assert json.loads(again) == made()
    assert (
        made()["serialNumber"]
        != json.loads(document("a:b", "sha256:" + "cd" * 32, MADE, HELD))["serialNumber"]
    )


def test_packages_are_named_by_their_urls() -> None:
    assert {one["purl"] for one in made()["components"]} == {
        "pkg:deb/debian/libc6@2.41-12%2Bdeb13u5?arch=amd64&distro=debian-13",
        "pkg:pypi/typing-extensions@4.13.2",
        "pkg:pypi/odd@1.0",
        "pkg:golang/go.k6.io/k6/v2@v2.2.0",
        "pkg:golang/stdlib@1.26.8",
        "pkg:npm/uplot@1.6.32",
    }


def test_a_licence_stands_there_where_it_is_one() -> None:
    licences = {one["name"]: one.get("licenses") for one in made()["components"]}
    assert licences["typing-extensions"] == [{"expression": "PSF-2.0"}]
    assert licences["odd"] is None


def test_the_image_itself_is_what_the_document_is_about() -> None:
    about = made()["metadata"]["component"]
    assert (about["name"], about["version"], about["bom-ref"]) == ("amas/runbook", "0.1.0-ab", IMAGE_ID)


def test_an_image_that_is_none_of_the_release_is_refused_and_a_missing_lock_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be one of db, lb"):
        chosen({"lb": {}, "db": {}}, "grafana")
    with pytest.raises(EnvironmentMissing) as raised:
        locked(tmp_path / "images.json")
    assert raised.value.next_command == "amas up --prepare-only"
