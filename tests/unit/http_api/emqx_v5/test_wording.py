"""EMQX's words for what goes wrong, the list of them, and the status."""

from __future__ import annotations

import pytest
from rmq_http_api.emqx_v5.codes import ERROR_CODES, emqx_code

import rmq
from rmq.management.node.condition import SERVING, STARTING
from tests.unit.http_api.api import Api
from tests.unit.http_api.emqx_v5.v5 import V5, problem


async def test_every_code_of_the_documents_is_listed(v5: V5) -> None:
    rows = await v5.get("/error_codes")
    assert [row["code"] for row in rows] == list(ERROR_CODES)
    assert await v5.get("/error_codes/BAD_TOPIC") == {"code": "BAD_TOPIC", "description": ERROR_CODES["BAD_TOPIC"]}
    assert problem(await v5.ask("GET", "/error_codes/NOTHING")) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "content", "media_type", "wanted"),
    [
        ("GET", "/nothing", None, "", (404, "NOT_FOUND")),
        ("DELETE", "/error_codes", None, "", (405, "METHOD_NOT_ALLOWED")),
        ("GET", "/error_codes?what=1", None, "", (400, "BAD_REQUEST")),
        ("GET", "/error_codes/%ff", None, "", (400, "BAD_REQUEST")),
        ("GET", f"/error_codes/{'x' * 9000}", None, "", (414, "PAYLOAD_TOO_LARGE")),
    ],
)
async def test_what_goes_wrong(
    v5: V5, method: str, path: str, content: bytes | None, media_type: str, wanted: tuple[int, str]
) -> None:
    headers = {"content-type": media_type} if media_type else {}
    assert problem(await v5.ask(method, path, content=content, headers=headers)) == wanted


async def test_who_asks_must_say_so() -> None:
    """Also on an open loopback, as EMQX wants it; and what is wrong with the credentials is told apart."""
    api = Api()
    for headers, code in (
        ({}, "AUTHORIZATION_HEADER_ERROR"),
        ({"authorization": "Basic YTpi"}, "WRONG_USERNAME_OR_PWD_OR_API_KEY_OR_API_SECRET"),
    ):
        answer = await api.ask("GET", "/api/v5/error_codes", headers=headers)
        assert problem(answer) == (401, code)
        assert answer.headers["www-authenticate"] == 'Basic Realm="emqx-dashboard"'


def test_a_code_of_ours_is_never_answered() -> None:
    for code, status in (("ANYTHING", 400), ("ANYTHING", 418), ("ANYTHING", 404), ("ANYTHING", 503), ("X", 599)):
        assert emqx_code(code, status) in ERROR_CODES


async def test_the_status_is_open_to_all() -> None:
    api = Api(is_loopback=False, address="10.0.0.9")
    condition = api.world.local.condition
    for path in ("/status", "/api/v5/status"):
        condition.phase = SERVING
        answer = await api.ask("GET", path)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
        assert answer.text == "Node node-1 is started\nemqx is running"
        good = {
            "node_name": "node-1",
            "rel_vsn": rmq.__version__,
            "cluster": "running",
            "broker_status": "started",
            "app_status": "running",
        }
        assert (await api.ask("GET", f"{path}?format=json")).json() == good
        condition.phase = STARTING
        answer = await api.ask("GET", path)
        assert answer.status_code == 503 and "emqx is not_running" in answer.text
        answer = await api.ask("GET", f"{path}?format=json")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "15")
        assert answer.json() == {**good, "cluster": "stopped", "app_status": "not_running"}
        assert problem(await api.ask("GET", f"{path}?format=xml")) == (400, "BAD_REQUEST")
