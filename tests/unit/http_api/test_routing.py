"""Routes: paths split before they are decoded, words before values, methods, what isn't there."""

from __future__ import annotations

import pytest
from rmq_http_api.answers import Answer
from rmq_http_api.calls import Call
from rmq_http_api.errors import ApiError
from rmq_http_api.parameters import NoQuery
from rmq_http_api.routing import AnyRoute, Route, RouteTable


async def nothing(call: Call[NoQuery, None]) -> Answer:
    return Answer(b"")


def route(method: str, path: str) -> AnyRoute:
    return Route(method, path, path, path, nothing)


TABLE = RouteTable(
    [
        route("GET", "/v1/clients/{clientid}"),
        route("DELETE", "/v1/clients/{clientid}"),
        route("GET", "/v1/clients/offlines"),
        route("GET", "/v1/clients/{clientid}/online"),
        route("GET", "/v1/clients"),
        route("GET", "/v1/stats/{node:int}"),
        route("GET", "/v1/stats/sum"),
        route("PUT", "/v1/plugins/{node:int}/{plugin}/load"),
    ]
)


def found(path: str, method: str = "GET") -> tuple[str, dict[str, object]]:
    match = TABLE.find(method, path.encode())
    return match.route.path, dict(match.values.as_mapping())


@pytest.mark.parametrize(
    ("path", "client_id"),
    [
        ("/v1/clients/a", "a"),
        ("/v1/clients/a/", "a"),
        ("/v1//clients/a", "a"),
        ("//v1//clients/a", "a"),
        ("/v1/clients/a%2Fonline", "a/online"),
        ("/v1/clients/a%252Fb", "a%2Fb"),
        ("/v1/clients/a%20b", "a b"),
        ("/v1/clients/a+b", "a+b"),
        ("/v1/clients/+", "+"),
        ("/v1/clients/%23", "#"),
        ("/v1/clients/..", ".."),
        ("/v1/clients/%2E%2E", ".."),
        ("/v1/clients/%E4%B8%AD%E6%96%87", "中文"),
        ("/v1/clients/%6Ffflines", "offlines"),
        ("/v1/clients/a%3Fb", "a?b"),
    ],
)
def test_a_value_is_one_segment_decoded_once(path: str, client_id: str) -> None:
    assert found(path) == ("/v1/clients/{clientid}", {"clientid": client_id})
    assert found(path, "DELETE") == ("/v1/clients/{clientid}", {"clientid": client_id})


def test_words_come_before_values() -> None:
    assert found("/v1/clients/offlines") == ("/v1/clients/offlines", {})
    assert found("/v1/stats/sum") == ("/v1/stats/sum", {})
    assert found("/v1/stats/3") == ("/v1/stats/{node:int}", {"node": 3})
    assert found("/v1/clients/online/online") == ("/v1/clients/{clientid}/online", {"clientid": "online"})
    assert found("/v1/plugins/1/rmq-acl/load/", "PUT")[1] == {"node": 1, "plugin": "rmq-acl"}


@pytest.mark.parametrize(
    "path",
    ["", "/", "/v1", "/v2/clients", "/v1/clients/a/b", "/v1/clients//online/x", "/v1/clients/a//", "/v1/CLIENTS"],
)
def test_what_is_not_there(path: str) -> None:
    with pytest.raises(ApiError) as error:
        found(path)
    assert (error.value.status, error.value.code) == (404, "PATH_NOT_FOUND")


@pytest.mark.parametrize("number", ["abc", "1.0", "", "-", "%D9%A1", "9" * 20, "%201"])
def test_a_number_that_is_none(number: str) -> None:
    with pytest.raises(ApiError) as error:
        found(f"/v1/plugins/{number}/x/load", "PUT")
    assert (error.value.status, error.value.code) == (400, "BAD_PARAMETER")
    assert error.value.message.startswith("node: ")


@pytest.mark.parametrize("path", ["/v1/clients/%FF", "/v1/clients/%C3%28"])
def test_a_value_that_is_not_utf8(path: str) -> None:
    with pytest.raises(ApiError) as error:
        found(path)
    assert (error.value.status, error.value.message) == (400, "clientid: isn't UTF-8")


def test_other_methods_are_named() -> None:
    with pytest.raises(ApiError) as error:
        found("/v1/clients/a", "PATCH")
    assert (error.value.status, error.value.headers) == (405, {"Allow": "DELETE, GET, HEAD, OPTIONS"})
    assert TABLE.methods(b"/v1/plugins/1/x/load") == "OPTIONS, PUT"
    assert found("/v1/clients", "HEAD")[0] == "/v1/clients"


def test_a_table_has_a_route_once() -> None:
    with pytest.raises(ValueError):
        RouteTable([route("GET", "/a/{x}"), route("GET", "/a/{x}")])
    with pytest.raises(ValueError):
        RouteTable([route("GET", "/a/{x}"), route("PUT", "/a/{y}")])
