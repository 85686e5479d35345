"""OpenAPI 3.1 from the table of routes and the models that serve the requests."""

from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from rmq import __version__
from rmq_http_api.calls import ADMINISTRATOR
from rmq_http_api.routing import AnyRoute, PathValue

SCHEMAS: Final = "#/components/schemas/"
TEMPLATE: Final = SCHEMAS + "{model}"
JSON: Final = "application/json"
TEXT: Final = "text/plain"

BOUNDS: Final = {"ge": "minimum", "le": "maximum"}

ERROR: Final = {
    "type": "object",
    "required": ["code", "message"],
    "additionalProperties": False,
    "properties": {
        "code": {"type": "string", "description": "For programs, such as CLIENT_NOT_FOUND"},
        "message": {"type": "string", "description": "For people"},
    },
}
# What any route may answer instead, and what it means.
REFUSALS: Final = {
    400: "A parameter or the body is wrong; the message names it",
    401: "Credentials are missing or wrong",
    403: "Not allowed",
    404: "There is no such thing",
    409: "Not possible in the state that things are in",
    413: "The body is too large",
    415: "The body isn't application/json",
    429: "Too many failed logins",
    500: "A bug; the log has more under the number in the message",
    503: "Can't be done now; Retry-After says when to try again",
}


def describe(routes: Iterable[AnyRoute]) -> dict[str, Any]:
    """The whole document."""
    schemas: dict[str, Any] = {"Error": ERROR}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.shown_path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rmq HTTP API",
            "version": __version__,
            "description": "What can be asked of an rmq broker and done to it, by the paths and names of RMQTT.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"basic": []}, {"bearer": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: AnyRoute, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [_tag(route)],
        "responses": _responses(route, schemas),
    }
    parameters = [_path_parameter(value) for value in route.values] + _query_parameters(route.query)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        schema = _schema(route.body, schemas)
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    if route.open:
        operation["security"] = [{}]
    elif route.needed_role == ADMINISTRATOR:
        operation["description"] = "For administrators."
    return operation


def _tag(route: AnyRoute) -> str:
    parts = [part for part in route.path.split("/") if part not in ("", "api", "v1")]
    return parts[0] if parts else "api"


def _path_parameter(value: PathValue) -> dict[str, Any]:
    kind: dict[str, Any] = {"type": "integer", "format": "int64"} if value.is_number else {"type": "string"}
    return {"name": value.name, "in": "path", "required": True, "schema": kind}


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    required = schema.get("required", [])
    found = []
    for name, inner in schema.get("properties", {}).items():
        plain = _without_null(inner)
        description = plain.pop("description", None)
        parameter = {"name": name, "in": "query", "required": name in required, "schema": plain}
        if description is not None:
            parameter["description"] = description
        found.append(parameter)
    return found


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that needn't be there is left out; it is never null."""
    plain = {key: value for key, value in schema.items() if key not in ("anyOf", "default", "title")}
    if schema.get("default") is not None:
        plain["default"] = schema["default"]
    for choice in schema.get("anyOf", ()):
        if choice != {"type": "null"}:
            plain |= choice
    # A bound of a number that is read by a function of ours stands there under pydantic's own name.
    return {BOUNDS.get(key, key): value for key, value in plain.items()}


def _responses(route: AnyRoute, schemas: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for kind in route.answers:
        if kind is str:
            content[TEXT] = {"schema": {"type": "string"}}
        else:
            content[JSON] = {"schema": _schema(kind, schemas)}
    good = {"description": route.summary, **({"content": content} if content else {})}
    responses: dict[str, Any] = {"200": good}
    error = {JSON: {"schema": {"$ref": SCHEMAS + "Error"}}}
    for status, meaning in REFUSALS.items():
        responses[str(status)] = {"description": meaning, "content": error}
    return responses


def _schema(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schema of a type; the models in it go to the components."""
    schema = TypeAdapter(kind).json_schema(ref_template=TEMPLATE)
    schemas.update(schema.pop("$defs", {}))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        schemas[kind.__name__] = schema
        return {"$ref": SCHEMAS + kind.__name__}
    return schema
