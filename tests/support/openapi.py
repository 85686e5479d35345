"""Whether an answer is what OpenAPI says of its route: its status, its media type, and every field of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from jsonschema import Draft202012Validator

SCHEMAS: Final = "#/components/schemas/"


class Description:
    """A document. Objects are closed here: a field that isn't described is a fault, which it needn't be for others."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._components = closed(document["components"])

    def check(self, method: str, raw_path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """``AssertionError`` if a route doesn't answer as described; paths that aren't routes are let be."""
        route = self.route(raw_path.partition("?")[0])
        what = f"{method} {raw_path} -> {status}"
        if route is None:
            return
        operation = self.document["paths"][route].get(method.lower())
        if operation is None:
            assert status in (204, 405) and headers.get("allow"), what
            return
        responses = operation["responses"]
        assert str(status) in responses, f"{what}: isn't described"
        response = responses[str(status)]
        if "$ref" in response:
            response = self._components["responses"][response["$ref"].rpartition("/")[2]]
        for name in response.get("headers", {}):
            assert name == "Link" or name.lower() in headers, f"{what}: no {name}"
        if "content" not in response:
            assert not body, f"{what}: a body isn't described"
            return
        media_type = headers["content-type"].partition(";")[0]
        assert media_type in response["content"], f"{what}: {media_type} isn't described"
        if media_type == "application/json":
            schema = {**closed(response["content"][media_type]["schema"]), "components": self._components}
            problem = next(Draft202012Validator(schema).iter_errors(json.loads(body)), None)
            assert problem is None, f"{what}: {problem.json_path}: {problem.message[:2000]}"

    def route(self, raw_path: str) -> str | None:
        """The path with its names in braces that a path is of; words go before values."""
        parts = raw_path.strip("/").split("/")
        fitting = []
        for route, operations in self.document["paths"].items():
            segments = route.strip("/").split("/")
            if len(segments) != len(parts):
                continue
            numbers = _numbers(operations)
            if all(_fits(segment, part, numbers) for segment, part in zip(segments, parts, strict=True)):
                fitting.append(([segment.startswith("{") for segment in segments], route))
        return min(fitting)[1] if fitting else None


def closed(schema: Any) -> Any:
    """The same, with no more properties than are named."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if found.get("type") == "object" and "properties" in found:
        found.setdefault("additionalProperties", False)
    return found


def _numbers(operations: Mapping[str, Any]) -> set[str]:
    return {
        f"{{{parameter['name']}}}"
        for operation in operations.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path" and parameter["schema"]["type"] == "integer"
    }


def _fits(segment: str, part: str, numbers: set[str]) -> bool:
    if not segment.startswith("{"):
        return segment == part
    return segment not in numbers or unquote(part).lstrip("-").isdigit()
