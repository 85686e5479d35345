"""Turns example values into shapes: the types of an answer, without the values of the example."""

from __future__ import annotations

import json
import re
from typing import TypeAlias

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

_ELLIPSIS = re.compile(r",\s*\.\.\.\s*(?=[\]}])")
_TRAILING_COMMA = re.compile(r",\s*(?=[\]}])")


def shape_of(value: Json) -> Json:
    """The value with every scalar replaced by the name of its type; a list holds each different shape once."""
    if isinstance(value, dict):
        return {key: shape_of(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return merged_list([shape_of(item) for item in value])
    if value is None:
        return "null"
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return names[type(value)]


def merged_list(shapes: list[Json]) -> list[Json]:
    """Objects of one list are one shape, whose fields may have several types ("null|string"); others stay apart."""
    objects = [shape for shape in shapes if isinstance(shape, dict)]
    merged: list[Json] = []
    fields: dict[str, Json] = {}
    for fields_of_one in objects:
        for key, item in fields_of_one.items():
            fields[key] = either(fields[key], item) if key in fields else item
    if objects:
        merged.append(fields)
    for shape in shapes:
        if not isinstance(shape, dict) and shape not in merged:
            merged.append(shape)
    return merged


def either(one: Json, other: Json) -> Json:
    if isinstance(one, dict) and isinstance(other, dict):
        return merged_list([one, other])[0]
    if isinstance(one, list) and isinstance(other, list):
        return merged_list([*one, *other])
    if isinstance(one, str) and isinstance(other, str):
        return "|".join(sorted({*one.split("|"), *other.split("|")}))
    return one


def read_json(text: str) -> tuple[bool, Json]:
    """The JSON value that text starts with, forgiving the documents' own shorthand; (False, None) if there is none."""
    text = text.strip().replace("true/false", "true")
    text = _TRAILING_COMMA.sub("", _ELLIPSIS.sub("", text))
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError:
        return False, None
    # Line numbers of the document's page may follow an object; after a scalar they would mean it is no JSON at all.
    return isinstance(value, dict | list) or end == len(text), value
