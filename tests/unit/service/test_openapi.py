"""The description names every route, and nothing that is not so; its examples fit its schemas."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from service.app import OPENAPI
from tests.unit.service.standing import standing

pytestmark = pytest.mark.anyio

DOCUMENT: dict[str, Any] = json.loads(OPENAPI.read_text())
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def schemas(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of the paths, and each of those that have a name."""
    if place == "":
        yield from ((name, one) for name, one in DOCUMENT["components"]["schemas"].items())
        node = DOCUMENT["paths"]
    if isinstance(node, dict):
        if "schema" in node:
            yield place, node["schema"]
        for key, inner in node.items():
            yield from schemas(inner, f"{place}/{key}")
    elif isinstance(node, list):
        for number, inner in enumerate(node):
            yield from schemas(inner, f"{place}/{number}")


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema | {"components": DOCUMENT["components"]})


async def test_it_names_every_route_and_no_other() -> None:
    async with standing() as up:
        served = {
            f"{method} {route.path}"
            for route in up.service.routes
            for method in route.methods or ()
            if method != "HEAD"
        } | {"POST /api/decisions"}
        assert set(OPERATIONS) == served
        assert (await up.client.get("/openapi.json")).json() == DOCUMENT


async def test_a_route_needs_the_key_that_it_says() -> None:
    async with standing(READS_NEED_KEY="true") as up:
        for name, operation in OPERATIONS.items():
            method, path = name.split()
            status = (await up.client.request(method, path)).status_code
            assert (status == 401) is ("401" in operation["responses"]), name
            assert ("401" in operation["responses"]) is bool(operation["security"]), name
    async with standing() as up:
        for name, operation in OPERATIONS.items():
            method, path = name.split()
            status = (await up.client.request(method, path)).status_code
            assert (status == 401) is (operation["security"] == [{"key": []}]), name


def test_every_schema_is_one() -> None:
    for _, schema in schemas(None):
        jsonschema_rs.meta.validate(schema)
        # Also resolves what it refers to.
        validator(schema)


def test_the_examples_fit() -> None:
    examples = [
        (media["example"], media["schema"])
        for operation in OPERATIONS.values()
        for part in (operation.get("requestBody", {}), *operation["responses"].values())
        for media in part.get("content", {}).values()
        if "example" in media
    ]
    assert len(examples) >= 4
    for example, schema in examples:
        validator(schema).validate(example)


def test_every_error_is_a_problem() -> None:
    for name, operation in OPERATIONS.items():
        for status, response in operation["responses"].items():
            if status >= "400" and name != "GET /ready":
                assert list(response["content"]) == ["application/problem+json"], (name, status)


def test_every_operation_has_a_summary_and_describes_its_path() -> None:
    for name, operation in OPERATIONS.items():
        assert operation["summary"], name
        in_path = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert in_path == {part[1:-1] for part in name.split("/") if part.startswith("{")}, name
