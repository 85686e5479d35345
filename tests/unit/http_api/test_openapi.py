"""OpenAPI and Swagger UI: the document is the table, and the page is made of files that are here."""

from __future__ import annotations

import re
from typing import Any, Final

import orjson
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel
from rmq_http_api.answers import JSON, Answer, json_answer
from rmq_http_api.calls import ADMINISTRATOR, Call
from rmq_http_api.openapi import describe
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route

from tests.integration.http_api.contract import OPERATIONS
from tests.support.openapi import Description
from tests.unit.http_api.api import Api, problem


def resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference is about."""
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return found


def own_routes(api: Api) -> list[AnyRoute]:
    """Ours and RMQTT's."""
    dialects = api.table.dialects.items()
    return [route for dialect, routes in dialects if dialect.name in ("rmq", "rmqtt_v1") for route in routes]


async def test_every_route_is_described(api: Api) -> None:
    document = await api.get("/api/v1/openapi.json")
    assert document["openapi"] == "3.1.0"
    described = {
        (method.upper(), path): operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert described.keys() == {(route.method, route.shown_path) for route in own_routes(api)}
    names = [operation["operationId"] for operation in described.values()]
    assert len(set(names)) == len(names)
    for route in own_routes(api):
        operation = described[route.method, route.shown_path]
        given = {(parameter["in"], parameter["name"]) for parameter in operation.get("parameters", ())}
        assert {name for place, name in given if place == "path"} == set(re.findall(r"\{(\w+)\}", route.shown_path))
        assert ("requestBody" in operation) == (route.body is not None)
        assert operation["responses"].keys() >= {"200", "400", "404", "405", "414", "500", "503"}
        assert ("401" in operation["responses"]) == ("429" in operation["responses"]) == (not route.open)
        assert ("413" in operation["responses"]) == (route.body is not None)
        if route.needed_role == ADMINISTRATOR:
            assert operation["description"] == "For administrators."


async def test_it_is_openapi_3_1(api: Api) -> None:
    """As the validator of the OpenAPI tools reads the standard."""
    OpenAPIV31SpecValidator(await api.get("/api/v1/openapi.json")).validate()


# What may be any JSON object: it isn't ours.
FOREIGN: Final = {"node_plugin_config", "openapi", "dialect_openapi"}


async def test_every_answer_has_a_schema(api: Api) -> None:
    document = await api.get("/api/v1/openapi.json")
    for operations in document["paths"].values():
        for operation in operations.values():
            name = operation["operationId"]
            content = operation["responses"]["200"]["content"]
            assert content, name
            for media_type, inner in content.items():
                if media_type == "application/json" and name not in FOREIGN:
                    says = resolve(document, inner["schema"])
                    assert (
                        "properties" in says
                        or says.get("additionalProperties") not in (None, True)
                        or (says.get("items") or says["type"] in ("boolean", "null"))
                    ), (name, says)


async def test_a_live_answer_is_held_against_its_schema(api: Api) -> None:
    """What the tests with nodes rely on: a field too many or too few is noticed, in rows and in figures."""
    description = Description(await api.get("/api/v1/openapi.json"))

    def check(path: str, value: object, status: int = 200) -> None:
        description.check("GET", path, status, {"content-type": JSON}, orjson.dumps(value))

    (broker,) = await api.get("/api/v1/brokers")
    stats = await api.get("/api/v1/stats/1")
    down = {"node_id": 2, "node_name": "", "node_status": "Down", "running": False, "error": "it is"}
    check("/api/v1/brokers", [broker, down])
    check("/api/v1/stats/1", stats)
    for path, value in (
        ("/api/v1/brokers", [{**broker, "extra": 1}]),
        ("/api/v1/brokers", [broker, {key: found for key, found in down.items() if key != "error"}]),
        ("/api/v1/brokers", [{key: found for key, found in broker.items() if key != "version"}]),
        ("/api/v1/brokers", [{**broker, "node_id": "1"}]),
        ("/api/v1/brokers", broker),
        ("/api/v1/stats/1", {**stats, "stats": {}}),
        ("/api/v1/stats/1", {**stats, "stats": {**stats["stats"], "topics.count": 1.5}}),
        ("/api/v1/stats/1", {**stats, "node": {**stats["node"], "error": "x"}}),
    ):
        with pytest.raises(AssertionError):
            check(path, value)
    with pytest.raises(AssertionError, match="isn't described"):
        check("/api/v1/brokers", [broker], 201)
    with pytest.raises(AssertionError, match="no Retry-After"):
        check("/api/v1/brokers", {"code": "A", "message": "b"}, 503)


async def test_every_dialect_has_a_document(api: Api) -> None:
    """Valid, of its own routes alone, with its own words for what goes wrong; what Swagger UI offers is there."""
    documents = await api.get("/api-docs/dialects.json")
    assert documents[0]["url"] == "/api/v1/openapi.json"
    assert {row["name"] for row in documents} == {dialect.name for dialect in api.table.dialects} - {"rmqtt_v1"}
    for row in documents[1:]:
        document = await api.get(row["url"])
        OpenAPIV31SpecValidator(document).validate()
        (routes,) = [routes for dialect, routes in api.table.dialects.items() if dialect.name == row["name"]]
        described = [(method.upper(), path) for path, found in document["paths"].items() for method in found]
        assert sorted(described) == sorted((route.method, route.shown_path) for route in routes)
        names = [operation["operationId"] for found in document["paths"].values() for operation in found.values()]
        assert len(set(names)) == len(names), row
    assert await api.get("/api-spec.json") == await api.get("/api-spec.json?dialect=emqx_v5")
    assert await api.get("/api-spec.json?dialect=rmqtt_v1") == await api.get("/api/v1/openapi.json")
    error = (await api.get("/api-spec.json"))["components"]["schemas"]["Error"]
    assert set(error["required"]) == {"code", "message", "reason"}
    assert problem(await api.ask("GET", "/api-spec.json?dialect=x")) == (404, "DIALECT_NOT_FOUND")


async def test_names_of_things_are_their_own() -> None:
    def other() -> type[BaseModel]:
        class PublishBody(BaseModel):
            """Not the one of the dialect."""

        return PublishBody

    async def nothing(call: Call[NoQuery, None]) -> Answer:
        return json_answer(None)

    routes: list[AnyRoute] = [Route("POST", "/other", "other", "Other", nothing, body=other(), answers=(None,))]
    with pytest.raises(ValueError, match="two schemas are called PublishBody"):
        describe([*own_routes(Api()), *routes])


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
    assert schemas["_limit"] == {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**63 - 1}
    assert schemas["connected"] == {"type": "boolean"}
    assert schemas["_like_clientid"]["type"] == "string"


async def test_swagger_ui_comes_from_here() -> None:
    api = Api(is_loopback=False, address="10.0.0.9")
    page = await api.ask("GET", "/api-docs")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    wanted = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert page.text.count('<link rel="icon" href="data:,">') == 1, "browsers ask for one that isn't there otherwise"
    assert len(wanted) == 3 and "http" not in page.text.replace("<!doctype html>", "").replace("HTTP", "")
    for path in wanted:
        answer = await api.ask("GET", path)
        assert answer.status_code == 200 and len(answer.content) > 50
    assert (await api.ask("GET", "/api-docs/")).status_code == 200
    assert (await api.ask("GET", "/api-docs?dialect=emqx_v5")).content == page.content
    assert (await api.ask("GET", "/api/v1/openapi.json")).status_code == 200
    for name in ("nothing.js", "..%2Fopenapi.py", "__init__.py", "LICENSE"):
        assert problem(await api.ask("GET", f"/api-docs/{name}")) == (404, "PATH_NOT_FOUND")
