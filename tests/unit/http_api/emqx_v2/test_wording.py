"""What goes wrong, in the words of EMQX v2."""

from __future__ import annotations

from tests.unit.http_api.emqx_v2.admin import V2, basic, code


async def test_who_doesn_t_log_in(v2: V2) -> None:
    for headers in ({}, {"Authorization": basic("ada", "wrong")}, {"Authorization": "Bearer x"}):
        answer = await v2.api.ask("GET", "/api/v2/management/nodes", headers=headers)
        assert (answer.status_code, answer.content) == (401, b"")
        assert answer.headers["www-authenticate"] == 'Basic realm="emqx control center"'


async def test_what_isn_t_there(v2: V2) -> None:
    answer = await v2.ask("GET", "nothing/of/the/kind")
    assert (answer.status_code, answer.text) == (404, "Not Found")
    answer = await v2.ask("DELETE", "management/nodes")
    assert answer.status_code == 405 and "GET" in answer.headers["allow"]


async def test_a_parameter_that_isn_t_one(v2: V2) -> None:
    assert code(await v2.ask("GET", "management/nodes/%FF")) == 108
