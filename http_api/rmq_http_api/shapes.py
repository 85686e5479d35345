"""How answers are described: objects with named keys, and tables of figures by name; mypy and OpenAPI read the same.

A ``TypedDict`` is a plain dictionary when it is served, so that keys may be left out (``NotRequired``); pydantic wants
the one of typing_extensions before Python 3.12.
"""

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

__all__ = ["JsonSchema", "TypedDict", "table_schema"]

JsonSchema = dict[str, Any]


def table_schema(always: Mapping[str, str], sometimes: Mapping[str, str]) -> JsonSchema:
    """The schema of whole numbers by name: each name with its meaning. A node of another version may have others."""
    named = {**sometimes, **always}
    return {
        "type": "object",
        "properties": {name: {"type": "integer", "description": meaning} for name, meaning in sorted(named.items())},
        "required": sorted(always),
        "additionalProperties": {"type": "integer"},
    }
