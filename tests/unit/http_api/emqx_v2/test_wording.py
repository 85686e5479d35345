"""What goes wrong, in the words of EMQX v2."""

from __future__ import annotations

from tests.unit.http_api.emqx_v2.admin import V2, basic, code


async def test_who_doesn_t_log_in(v2: V2) -> None:
    for headers in ({}, {"Authorization": basic("ada", "wrong")}, {"Authorization": "Bearer x"}):
        answer = await v2.api.ask("GET", "/api/v2/management/nodes", headers=headers)
        assert (answer.status_code, answer.content) == (401, b"")
        assert answer.headers["www-authenticate"] == 'Basic realm="emqx control center"'


async def test_the_list_of_paths_is_open_to_all(v2: V2) -> None:
    """As the server has it: an object without a code, its paths without a slash before them."""
    answer = await v2.api.ask("GET", "/")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/json")
    assert answer.json().keys() == {"paths"}
    paths = answer.json()["paths"]
    assert len(set(paths)) == len(paths)
    assert {"api/v2/management/nodes", "api/v2/mqtt/publish"} <= set(paths)
    (routes,) = [routes for dialect, routes in v2.api.table.dialects.items() if dialect.name == "emqx_v2"]
    assert {f"/{path}" for path in paths} == {route.shown_path for route in routes} - {"/"}
    assert (await v2.api.ask("HEAD", "/")).status_code == 200


async def test_what_isn_t_there(v2: V2) -> None:
    answer = await v2.ask("GET", "nothing/of/the/kind")
    assert (answer.status_code, answer.text) == (404, "Not Found")
    answer = await v2.ask("DELETE", "management/nodes")
    assert answer.status_code == 405 and "GET" in answer.headers["allow"]


async def test_a_parameter_that_isn_t_one(v2: V2) -> None:
    assert code(await v2.ask("GET", "management/nodes/%FF")) == 108
