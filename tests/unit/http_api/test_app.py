"""One request: errors in one shape, bodies and their limits, bugs, HEAD and OPTIONS, lines in the log."""

from __future__ import annotations

import json
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from pydantic import Field
from rmq_http_api import app as app_module
from rmq_http_api.answers import Answer, json_answer, rows_answer
from rmq_http_api.calls import Call
from rmq_http_api.config import HttpApiConfig
from rmq_http_api.errors import from_management
from rmq_http_api.parameters import Body, Flag, NoQuery, Number, Query
from rmq_http_api.routing import AnyRoute, Route
from structlog.testing import capture_logs
from trio.testing import MockClock

from rmq.management import errors
from rmq.management.errors import ManagementError
from rmq.management.turns import Turns
from tests.unit.http_api.api import Api, problem


class Filters(Query):
    limit: Number = Field(10, alias="_limit", ge=1)
    connected: Flag | None = None
    clientid: str | None = None


class Content(Body):
    topic: str
    qos: int = 0


async def echo(call: Call[Filters, None]) -> Answer:
    return json_answer({"query": call.query.model_dump(), "url": call.url})


async def take(call: Call[NoQuery, Content]) -> Answer:
    return json_answer(call.body.model_dump())


async def break_down(call: Call[NoQuery, None]) -> Answer:
    raise RuntimeError("a secret of the inside")


ROUTES: list[AnyRoute] = [
    Route("GET", "/x/echo", "echo", "", echo, query=Filters),
    Route("POST", "/x/take", "take", "", take, body=Content),
    Route("GET", "/x/bug", "bug", "", break_down),
]


@pytest.fixture
def api() -> Api:
    return Api(routes=ROUTES)


async def test_parameters_have_types(api: Api) -> None:
    found = await api.get("/x/echo?_limit=5&connected=true&clientid=a%2Bb+c")
    assert found["query"] == {"limit": 5, "connected": True, "clientid": "a+b c"}
    assert found["url"] == "/x/echo?_limit=5&connected=true&clientid=a%2Bb+c"
    assert (await api.get("/x/echo/"))["query"] == {"limit": 10, "connected": None, "clientid": None}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("_limit=abc", "_limit: must be a whole number"),
        ("_limit=1.5", "_limit: must be a whole number"),
        ("_limit=", "_limit: must be a whole number"),
        ("_limit=0", "_limit: "),
        ("limit=3", "limit: isn't a parameter"),
        ("connected=yes", "connected: must be true or false"),
        ("nonsense=1", "nonsense: isn't a parameter"),
        ("clientid=a&clientid=b", "clientid: is there more than once"),
        ("clientid=%FF", "the query isn't UTF-8"),
        ("&".join(f"a{i}=" for i in range(100)), "the query has more than"),
    ],
)
async def test_a_bad_parameter_is_named(api: Api, query: str, named: str) -> None:
    answer = await api.ask("GET", f"/x/echo?{query}")
    assert problem(answer) == (400, "BAD_PARAMETER")
    assert answer.json()["message"].startswith(named)


async def test_a_body_is_checked(api: Api) -> None:
    answer = await api.ask("POST", "/x/take", json={"topic": "t", "qos": 1})
    assert answer.json() == {"topic": "t", "qos": 1}
    for content, code, text in [
        (b"", "BAD_BODY", "isn't JSON"),
        (b"{", "BAD_BODY", "isn't JSON"),
        (b"[1]", "BAD_BODY", "must be a JSON object"),
        (b'{"qos": 1}', "BAD_PARAMETER", "topic: is missing"),
        (b'{"topic": "t", "qos": "1"}', "BAD_PARAMETER", "qos: "),
        (b'{"topic": "t", "qos": true}', "BAD_PARAMETER", "qos: "),
        (b'{"topic": "t", "colour": 1}', "BAD_PARAMETER", "colour: isn't a parameter"),
    ]:
        answer = await api.ask("POST", "/x/take", content=content, headers={"content-type": "application/json"})
        assert problem(answer) == (400, code), content
        assert text in answer.json()["message"]


async def test_a_body_is_json_and_says_so(api: Api) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await api.ask("POST", "/x/take", content=b'{"topic": "t"}', headers={"content-type": kind})
        assert problem(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")
    kind = "application/json; charset=utf-8"
    answer = await api.ask("POST", "/x/take", content=b'{"topic": "t"}', headers={"content-type": kind})
    assert answer.status_code == 200


async def test_a_body_has_a_largest_size() -> None:
    api = Api(config=HttpApiConfig(max_body_size=1024), routes=ROUTES)
    answer = await api.ask("POST", "/x/take", json={"topic": "t" * 900})
    assert answer.status_code == 200
    answer = await api.ask("POST", "/x/take", json={"topic": "t" * 1024})
    assert problem(answer) == (413, "BODY_TOO_LARGE")


async def test_a_body_that_does_not_come(api: Api, autojump_clock: MockClock) -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        await trio.sleep_forever()
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/x/take",
        "raw_path": b"/x/take",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }
    await api.app(scope, receive, send)
    assert sent[0]["status"] == 408
    assert trio.current_time() < app_module.BODY_TIMEOUT_S + app_module.DRAIN_TIMEOUT_S + 1


async def test_a_bug_has_a_number_that_is_in_the_log(api: Api) -> None:
    with capture_logs() as lines:
        answer = await api.ask("GET", "/x/bug")
    assert problem(answer) == (500, "INTERNAL_ERROR")
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert line["id"] in answer.json()["message"]
    assert isinstance(line["exc_info"], RuntimeError)
    assert "secret" not in answer.text
    assert (api.bugs, api.app.bugs) == (1, 1)


async def test_a_long_answer_goes_in_pieces() -> None:
    """Each is sent when the one before it was taken; together they are what their length says."""
    rows = [{"number": number} for number in range(1000)]

    async def many(call: Call[NoQuery, None]) -> Answer:
        return await rows_answer(Turns(), rows, lambda row: row)

    api = Api(routes=[Route("GET", "/many", "many", "Many", many, answers=(list[dict[str, int]],))])
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/many",
        "raw_path": b"/many",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 5),
    }
    await api.app(scope, receive, send)
    start, *pieces = sent
    body = b"".join(piece["body"] for piece in pieces)
    assert json.loads(body) == rows and len(pieces) > 10
    assert [piece["more_body"] for piece in pieces] == [True] * (len(pieces) - 1) + [False]
    assert dict(start["headers"])[b"content-length"] == str(len(body)).encode()
    for few in ([], rows[:1], rows[:64], rows[:65]):
        answer = await rows_answer(Turns(), few, lambda row: row)
        assert json.loads(b"".join(answer.pieces)) == few


async def test_so_many_are_worked_on_at_once_and_probes_beside_them() -> None:
    inside = 0
    go_on = trio.Event()

    async def wait(call: Call[NoQuery, None]) -> Answer:
        nonlocal inside
        inside += 1
        await go_on.wait()
        return json_answer(None)

    api = Api(routes=[Route("GET", "/wait", "wait", "Wait", wait, answers=(None,))])
    async with trio.open_nursery() as nursery:
        for _ in range(app_module.HANDLED_AT_ONCE + 3):
            nursery.start_soon(api.ask, "GET", "/wait")
        await trio.testing.wait_all_tasks_blocked()
        assert inside == app_module.HANDLED_AT_ONCE
        assert (await api.ask("GET", "/health/live")).status_code == 200
        go_on.set()
    assert inside == app_module.HANDLED_AT_ONCE + 3


async def test_long_answers_that_nobody_reads_are_not_many(autojump_clock: MockClock) -> None:
    """They wait in memory: one too many is refused, and there is room again when one was read."""
    api = Api(routes=[Route("GET", "/long", "long", "Long", long_answer, answers=(str,))])
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/long",
        "raw_path": b"/long",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 5),
    }
    reading = trio.Event()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        await reading.wait()

    async with trio.open_nursery() as nursery:
        for _ in range(app_module.LONG_AT_ONCE):
            nursery.start_soon(api.app, scope, receive, send)
        await trio.testing.wait_all_tasks_blocked()
        answer = await api.ask("GET", "/long")
        assert problem(answer) == (503, "TOO_BUSY") and answer.headers["retry-after"]
        assert (await api.ask("GET", "/api/v1/brokers")).status_code == 200
        reading.set()
    assert (await api.ask("GET", "/long")).status_code == 200


async def long_answer(call: Call[NoQuery, None]) -> Answer:
    """Longer than may be without a place."""
    return Answer(b"x" * (app_module.LONG_ANSWER + 1), "text/plain")


async def test_head_and_options(api: Api) -> None:
    whole = await api.ask("GET", "/api/v1/brokers")
    head = await api.ask("HEAD", "/api/v1/brokers")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length"):  # RFC 9110, 9.3.2: as they would be with GET
        assert head.headers[name] == whole.headers[name]
    assert whole.headers["content-type"] == "application/json; charset=utf-8"
    options = await api.ask("OPTIONS", "/api/v1/brokers")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert "access-control-allow-origin" not in options.headers
    assert problem(await api.ask("OPTIONS", "/api/v1/nope")) == (404, "PATH_NOT_FOUND")


async def test_nobody_keeps_answers(api: Api) -> None:
    answer = await api.ask("GET", "/api/v1/brokers")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_changes_leave_a_line_and_reading_does_not(api: Api) -> None:
    with capture_logs() as lines:
        await api.ask("GET", "/x/echo")
        await api.ask("POST", "/x/take", json={"topic": "t"})
        await api.ask("POST", "/x/take", json={})
    assert [(line["method"], line["path"], line["status"], line["user"]) for line in lines] == [
        ("POST", "/x/take", 200, "local"),
        ("POST", "/x/take", 400, "local"),
    ]
    api.app.log_requests = True
    with capture_logs() as lines:
        await api.ask("GET", "/x/echo?a=1")
    assert [(line["event"], line["path"]) for line in lines] == [("HTTP request", "/x/echo")]


def test_every_reason_of_management_has_a_status() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ManagementError)]
    examples: dict[type, ManagementError] = {}
    for kind in kinds:
        if kind in (ManagementError, errors.AccountError):
            continue
        count = kind.__init__.__code__.co_argcount - 1
        examples[kind] = kind(*["x"] * count)
    assert len(examples) >= 17
    for kind, example in examples.items():
        found = from_management(example)
        assert found.code != "REFUSED", kind
        assert ("Retry-After" in found.headers) == (found.status == 503)
    assert from_management(errors.NoQuorum()).status == 503
    assert from_management(errors.NodeUnreachable(3, "is down")).status == 503
    assert from_management(errors.ClientNotFound("a")).status == 404
    assert from_management(errors.BadQuery("limit", "no")).status == 400
    assert from_management(ManagementError("of a newer node")).status == 503


async def test_a_websocket_is_refused(api: Api) -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    await api.app({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_a_long_path_is_refused(api: Api) -> None:
    answer: httpx.Response = await api.ask("GET", "/api/v1/clients/" + "a" * 9000)
    assert problem(answer) == (414, "PATH_TOO_LONG")
