"""OpenAPI 3.1 from the routes of a dialect and the models that serve the requests."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic import BaseModel, TypeAdapter

from rmq import __version__
from rmq_http_api.calls import ADMINISTRATOR
from rmq_http_api.dialects import OWN, Dialect
from rmq_http_api.paging import PagedQuery
from rmq_http_api.parameters import LARGEST, RawBody
from rmq_http_api.routing import AnyRoute, PathValue
from rmq_http_api.shapes import JsonSchema

SCHEMAS: Final = "#/components/schemas/"
TEMPLATE: Final = SCHEMAS + "{model}"
JSON: Final = "application/json"
TEXT: Final = "text/plain"
BINARY: Final = "application/octet-stream"
ERROR_REFERENCE: Final = {"$ref": SCHEMAS + "Error"}

BOUNDS: Final = {"ge": "minimum", "le": "maximum"}
NUMBER: Final = {"type": "integer", "format": "int64", "minimum": -LARGEST, "maximum": LARGEST}

ERROR: Final = {
    "type": "object",
    "required": ["code", "message"],
    "additionalProperties": False,
    "properties": {
        "code": {"type": "string", "description": "For programs, such as CLIENT_NOT_FOUND"},
        "message": {"type": "string", "description": "For people"},
    },
}
# What routes may answer instead, and what it means.
REFUSALS: Final = {
    400: "A parameter or the body is wrong; the message names it",
    401: "Credentials are missing or wrong",
    403: "Not allowed",
    404: "There is no such thing",
    405: "The path has other methods: those that Allow names",
    408: "The body didn't come in time",
    409: "Not possible in the state that things are in",
    413: "The body is too large",
    414: "The path is too long",
    415: "The body isn't application/json",
    429: "Too many failed logins",
    500: "A bug; the log has more under the number in the message",
    503: "Can't be done now; Retry-After says when to try again",
}
# Those of routes that want to know who asks, and those of routes with a body; all others are possible everywhere.
OF_CALLERS: Final = frozenset({401, 403, 409, 429})
OF_BODIES: Final = frozenset({408, 413, 415})
HEADERS: Final = {
    401: {"WWW-Authenticate": "The ways to say who one is"},
    405: {"Allow": "The methods that there are"},
    429: {"Retry-After": "Seconds"},
    503: {"Retry-After": "Seconds"},
}


def describe(routes: Iterable[AnyRoute], dialect: Dialect = OWN) -> dict[str, Any]:
    """The whole document at once: a tenth of a second of work."""
    document = Document(dialect)
    for route in routes:
        document.add(route)
    return document.whole()


class Document:
    """The document of a dialect while it is made, route by route: one takes some milliseconds at most."""

    def __init__(self, dialect: Dialect = OWN) -> None:
        self._dialect = dialect
        error = ERROR if dialect.error_type is None else TypeAdapter(dialect.error_type).json_schema()
        self._schemas: dict[str, Any] = {"Error": error}
        self._paths: dict[str, dict[str, Any]] = {}

    def add(self, route: AnyRoute) -> None:
        """Describe one more; ``ValueError``: what it is made of is called as something else."""
        self._paths.setdefault(route.shown_path, {})[route.method.lower()] = _operation(route, self._schemas)

    def whole(self) -> dict[str, Any]:
        """All of it."""
        return _whole(self._paths, self._schemas, self._dialect)


def _whole(paths: dict[str, dict[str, Any]], schemas: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    responses = {str(status): _refusal(status, ERROR_REFERENCE) for status in REFUSALS}
    whose = "RMQTT" if dialect is OWN else dialect.title
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rmq HTTP API" if dialect is OWN else f"rmq HTTP API, as {dialect.title}",
            "version": __version__,
            "description": f"What can be asked of an rmq broker and done to it, by the paths and names of {whose}.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"basic": []}, {"bearer": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic", "description": "A user and password, or an API key"},
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of the API, or a JSON Web Token",
                },
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
    parameters = [_path_parameter(value, route.path_schemas) for value in route.values] + _query_parameters(route.query)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.body, schemas)}
    if route.open:
        operation["security"] = [{}]
    elif route.needed_role == ADMINISTRATOR:
        operation["description"] = "For administrators."
    return operation


def _content(body: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    if issubclass(body, RawBody):
        return {BINARY: {}}  # OpenAPI 3.1: bytes have no schema
    return {JSON: {"schema": _schema(body, schemas, "validation")}}


def _tag(route: AnyRoute) -> str:
    parts = [part for part in route.path.split("/") if part not in ("", "api", "v1", "v2", "v4", "v5")]
    return parts[0] if parts else "api"


def _path_parameter(value: PathValue, schemas: Mapping[str, JsonSchema]) -> dict[str, Any]:
    text = {"type": "string", **schemas.get(value.name, {})}
    return {
        "name": value.name,
        "in": "path",
        "required": True,
        "schema": NUMBER if value.is_number else text,
    }


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
    plain = {BOUNDS.get(key, key): value for key, value in plain.items()}
    return {**NUMBER, **plain} if plain.get("type") == "integer" else plain


def _responses(route: AnyRoute, schemas: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {name: {"schema": {}} for name in route.media_types}
    for kind in route.answers:
        if kind is str:
            content[TEXT] = {"schema": {"type": "string"}}
        else:
            content[JSON] = {"schema": _schema(kind, schemas, "serialization")}
    good: dict[str, Any] = {"description": route.summary}
    if content:
        good["content"] = content
    if issubclass(route.query, PagedQuery):
        good["headers"] = {"Link": _header('The next page, rel="next", if there is more')}
    responses: dict[str, Any] = {str(route.status): good}
    for status, kind in route.also.items():
        other: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if kind is not None:
            other["content"] = {JSON: {"schema": _schema(kind, schemas, "serialization")}}
        responses[str(status)] = other
    for status in REFUSALS:
        if status in route.also:
            continue
        if (status in OF_CALLERS and route.open) or (status in OF_BODIES and route.body is None):
            continue
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    if route.refusal is not None:
        responses["503"] = _refusal(503, {"anyOf": [ERROR_REFERENCE, _schema(route.refusal, schemas, "serialization")]})
    return responses


def _refusal(status: int, schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"description": REFUSALS[status], "content": {JSON: {"schema": schema}}}
    if status in HEADERS:
        found["headers"] = {name: _header(text) for name, text in HEADERS[status].items()}
    return found


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


def _schema(kind: Any, schemas: dict[str, Any], mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    """The schema of a type; what has a name goes to the components. ``ValueError``: two things of one name."""
    schema = TypeAdapter(kind).json_schema(ref_template=TEMPLATE, mode=mode)
    for name, inner in schema.pop("$defs", {}).items():
        _keep(name, inner, schemas)
    if schema.get("type") == "object" and "properties" in schema and "title" in schema:
        _keep(schema["title"], schema, schemas)
        return {"$ref": SCHEMAS + schema["title"]}
    return schema


def _keep(name: str, schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    if schemas.setdefault(name, schema) != schema:
        raise ValueError(f"two schemas are called {name}")
