"""OpenAPI and Swagger UI: the document is the table, and the page is made of files that are here."""

from __future__ import annotations

import re
from typing import Any

from rmq_http_api.calls import ADMINISTRATOR

from tests.integration.http_api.contract import OPERATIONS
from tests.unit.http_api.api import Api, problem


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference is about."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


async def test_every_route_is_described(api: Api) -> None:
    document = await api.get("/api/v1/openapi.json")
    assert document["openapi"] == "3.1.0"
    described = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert described.keys() == {(route.method, route.shown_path) for route in api.table.routes}
    names = [operation["operationId"] for operation in described.values()]
    assert len(set(names)) == len(names)
    for route in api.table.routes:
        operation = described[route.method, route.shown_path]
        given = {(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", ())}
        assert {name for place, name in given if place == "path"} == set(re.findall(r"\{(\w+)\}", route.shown_path))
        assert ("requestBody" in operation) == (route.body is not None)
        assert operation["responses"].keys() >= {"200", "400", "401", "404", "500", "503"}
        if route.needed_role == ADMINISTRATOR:
            assert operation["description"] == "For administrators."


async def test_every_reference_leads_somewhere(api: Api) -> None:
    answer = await api.ask("GET", "/api/v1/openapi.json")
    schemas = answer.json()["components"]["schemas"]
    for name in re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', answer.text):
        assert name in schemas


async def test_the_contract_is_in_it(api: Api) -> None:
    """Every parameter of RMQTT's documents, and every field of clients, subscriptions and routes."""
    document = await api.get("/api/v1/openapi.json")
    for operation in OPERATIONS.values():
        found = document["paths"][operation.path][operation.method.lower()]
        names = {parameter["name"] for parameter in found.get("parameters", ())}
        assert names >= set(operation.parameters), operation.key
        if operation.path.startswith(("/api/v1/clients", "/api/v1/subscriptions", "/api/v1/routes")):
            if not operation.fields:
                continue
            schema = found["responses"]["200"]["content"]["application/json"]["schema"]
            row = resolve(document, schema["items"])
            assert row["properties"].keys() >= {field.name for field in operation.fields}
    publish = document["paths"]["/api/v1/mqtt/publish"]["post"]
    body = resolve(document, publish["requestBody"]["content"]["application/json"]["schema"])
    assert body["properties"].keys() >= {"topic", "topics", "clientid", "payload", "encoding", "qos", "retain"}
    assert body["required"] == ["payload"] and body["additionalProperties"] is False


async def test_query_parameters_are_never_null(api: Api) -> None:
    document = await api.get("/api/v1/openapi.json")
    found = document["paths"]["/api/v1/clients"]["get"]["parameters"]
    schemas = {parameter["name"]: parameter["schema"] for parameter in found}
    assert schemas["_limit"] == {"type": "integer", "minimum": 0}
    assert schemas["connected"] == {"type": "boolean"}
    assert schemas["_like_clientid"]["type"] == "string"


async def test_swagger_ui_comes_from_here() -> None:
    api = Api(is_loopback=False, address="10.0.0.9")
    page = await api.ask("GET", "/api-docs")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(wanted) == 3 and "http" not in page.text.replace("<!doctype html>", "").replace("HTTP", "")
    for path in wanted:
        answer = await api.ask("GET", path)
        assert answer.status_code == 200 and len(answer.content) > 50
    assert (await api.ask("GET", "/api-docs/")).status_code == 200
    assert (await api.ask("GET", "/api/v1/openapi.json")).status_code == 200
    for name in ("nothing.js", "..%2Fopenapi.py", "__init__.py", "LICENSE"):
        assert problem(await api.ask("GET", f"/api-docs/{name}")) == (404, "PATH_NOT_FOUND")
