"""The JSON schema of a rules file, made from the types, for editors that check while one writes."""

import json
from typing import Any

import msgspec

from service.alerts.rule import Rule
from service.alerts.vocabulary import METRICS


def schema() -> str:
    _, definitions = msgspec.json.schema_components([Rule], ref_template="#/$defs/{name}")
    definitions["Rule"]["properties"]["metric"]["enum"] = list(METRICS)
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Alert rules",
        "type": "object",
        "properties": {"rules": {"type": "array", "items": {"$ref": "#/$defs/Rule"}}},
        "required": ["rules"],
        "additionalProperties": False,
        "$defs": {name: _tidy(one) for name, one in sorted(definitions.items())},
    }
    return json.dumps(whole, indent=2) + "\n"


def _tidy(one: dict[str, Any]) -> dict[str, Any]:
    """Docstrings speak to readers of the code, and a struct's order of keys to nobody."""
    return {name: value for name, value in one.items() if name != "description"}
