"""What the core does for dialects: their words where something goes wrong, their logins, their bodies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

import pytest
from pydantic import Field, RootModel
from rmq_http_api.answers import Answer, json_answer
from rmq_http_api.calls import Call
from rmq_http_api.dialects import Dialect
from rmq_http_api.errors import ApiError, MissingParameter, Unauthorized
from rmq_http_api.parameters import Body, NoQuery, Query, RawBody
from rmq_http_api.routing import Route, RouteTable

from tests.unit.http_api.api import Api

JSON: Final = {"content-type": "application/json"}
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


def in_numbers(error: ApiError) -> Answer:
    """The words of a dialect that has a number for everything, and HTTP 200."""
    number = 1
    if isinstance(error, Unauthorized):
        number = {"missing": 2, "wrong": 3}.get(error.what, 4)
    elif isinstance(error, MissingParameter):
        number = 5
    elif error.status >= 500:
        number = 6
    return json_answer({"number": number})


NUMBERS: Final = Dialect("numbers", "Numbers", "/n", in_numbers, trusts_loopback=False)


class Names(Query):
    """Any of these names."""

    repeatable: ClassVar[frozenset[str]] = frozenset({"name"})
    name: list[str] = Field(default_factory=list)
    other: str = ""


class One(Body):
    """A thing."""

    name: str


class Many(RootModel[list[One]]):
    """Things."""


async def names(call: Call[Names, None]) -> Answer:
    return json_answer([*call.query.name, call.query.other])


async def one(call: Call[NoQuery, One]) -> Answer:
    return json_answer(call.body.name)


async def many(call: Call[NoQuery, Many]) -> Answer:
    return json_answer([item.name for item in call.body.root])


async def raw(call: Call[NoQuery, RawBody]) -> Answer:
    return json_answer(call.body.content.decode())


async def bug(call: Call[NoQuery, None]) -> Answer:
    raise KeyError("a bug")


@pytest.fixture
def open_api() -> Iterator[Api]:
    """The loopback is open, and there is a dialect that doesn't care."""
    api = Api()
    api.table.add(
        [
            Route("GET", "/n/names", "names", "", names, Names),
            Route("POST", "/n/one", "one", "", one, body=One, content="says anything"),
            Route("POST", "/elsewhere", "elsewhere", "", one, body=One, open=True),
            Route("POST", "/n/many", "many", "", many, body=Many, open=True),
            Route("POST", "/n/raw", "raw", "", raw, body=RawBody, open=True, content="says anything"),
            Route("GET", "/n/bug", "bug", "", bug, open=True),
            Route("GET", "/n/open-names", "open_names", "", names, Names, open=True),
        ],
        NUMBERS,
    )
    yield api
    assert api.world.engine.counters.internal_errors == 0


async def asked(api: Api, method: str, path: str, **more: object) -> object:
    answer = await api.ask(method, path, **more)  # type: ignore[arg-type]  # handed through
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_goes_wrong_is_in_its_words(open_api: Api) -> None:
    """Also where there is no route, and for a route of its own that is elsewhere."""
    assert await asked(open_api, "POST", "/n/many", content=b"{", headers=JSON) == {"number": 1}
    assert await asked(open_api, "POST", "/n/many", json=[{}]) == {"number": 5}
    assert await asked(open_api, "POST", "/elsewhere", json={}) == {"number": 5}
    assert await asked(open_api, "GET", "/n/bug") == {"number": 6}
    assert open_api.bugs == 1
    for path in ("/n", "/n/", "/n/nothing"):
        assert await asked(open_api, "GET", path) == {"number": 2}, "that it isn't there is told to those who may read"
    for path in ("/nn", "/nothing"):
        assert (await open_api.ask("GET", path)).status_code == 404


async def test_it_wants_a_login_where_others_trust_the_loopback(open_api: Api) -> None:
    assert await asked(open_api, "GET", "/n/names") == {"number": 2}
    assert await asked(open_api, "GET", "/n/names", headers={"authorization": "Basic YTpi"}) == {"number": 3}
    assert (await open_api.ask("GET", "/api/v1/brokers")).status_code == 200


async def test_a_parameter_that_may_be_repeated(open_api: Api) -> None:
    assert await asked(open_api, "GET", "/n/open-names?name=a&name=b&other=c") == ["a", "b", "c"]
    assert await asked(open_api, "GET", "/n/open-names?other=c&other=d") == {"number": 1}


async def test_bodies_that_are_lists_and_bodies_that_are_anything(open_api: Api) -> None:
    assert await asked(open_api, "POST", "/n/many", json=[{"name": "a"}, {"name": "b"}]) == ["a", "b"]
    assert await asked(open_api, "POST", "/n/many", json={"name": "a"}) == {"number": 1}
    assert await asked(open_api, "POST", "/n/raw", content=b"a = 1", headers=FORM) == "a = 1"


async def test_a_body_that_does_not_say_what_it_is() -> None:
    """Scripts with ``curl -d`` say that it is a form; a page of somebody else may not send such a thing."""
    api = Api()
    api.table.add([Route("POST", "/n/one", "one", "", one, body=One, content="says anything")])
    assert await asked(api, "POST", "/n/one", content=b'{"name": "a"}', headers=FORM) == "a"
    evil = FORM | {"origin": "http://evil.example.org"}
    assert (await api.ask("POST", "/n/one", content=b'{"name": "a"}', headers=evil)).status_code == 401


def test_where_there_is_no_route_the_prefix_counts() -> None:
    table = RouteTable()
    table.add([], NUMBERS)
    assert table.dialect_at(b"/n/a%2Fb") is NUMBERS
    assert table.dialect_at(b"/n") is NUMBERS
    assert table.dialect_at(b"/\xff").name == "rmq"
