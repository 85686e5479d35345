"""What NanoMQ's documents say, parsed out of them by a script: operations, fields, types, examples; and who asks."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from tests.integration.http_api.http import Answer, Http
from tests.support.broker_process import REPOSITORY

LOGIN: Final = {"Authorization": "Basic " + base64.b64encode(b"admin:public").decode()}
FORM: Final = "application/x-www-form-urlencoded"

TYPES: Final[dict[str, tuple[type, ...]]] = {
    "Integer": (int,),
    "Long": (int,),
    "String": (str,),
    "Boolean": (bool,),
    "Array": (list,),
    "Array of Objects": (list,),
    "Array of String": (list,),
    "Array[String]": (list,),
    "Array[Object]": (list,),
    "Object/Array of Objects": (list,),
    "Object": (dict, list),  # one client's subscriptions: the example has a list
}
# Where the documents are of two minds, or show less than they say: null for no file, a number for a version.
NULL_TOO: Final = {"data.tls.key", "data.tls.keypass", "data.tls.cert", "data.tls.cacert"}
NUMBERS: Final = {"data.bridge.proto_ver"}
# What isn't there where there is nothing to say, as in the example.
SOMETIMES: Final = {"data[0].clientid of /api/v4/topic-tree"}
FORMATS: Final = {
    "YYYY-MM-DD HH: mm: ss": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
    "H hours, m minutes, s seconds": r"\d+ Hours, \d+ minutes, \d+ seconds",
}


def contract(dialect: str) -> dict[str, Any]:
    """One document."""
    found: dict[str, Any] = json.loads((REPOSITORY / f"tests/contracts/{dialect}.json").read_text(encoding="utf-8"))
    return found


def ask(http: Http, method: str, path: str, body: object = None) -> Answer:
    """As curl asks: with a login, and a body that doesn't say what it is."""
    content = None if body is None else json.dumps(body).encode()
    return Http(http.port).send(method, path, content, {**LOGIN, **({} if body is None else {"Content-Type": FORM})})


def good(http: Http, method: str, path: str, body: object = None) -> Any:
    """The JSON of a good answer."""
    answer = ask(http, method, path, body)
    assert answer.status == 200, (path, answer.status, answer.text)
    assert answer.json["code"] == 0 and answer.headers["content-type"].startswith("application/json")
    return answer.json


def check(operation: dict[str, Any], answer: Any) -> set[str]:
    """Every documented field is there, of its type; the names of those that were seen."""
    seen = set()
    for field in operation["response"]:
        name = field["name"]
        values = list(_values(answer, re.findall(r"\w+|\[0\]", name)))
        if f"{name} of {operation['path']}" not in SOMETIMES:
            assert all(found for found, _ in values), (operation["path"], name)
        for found, value in values:
            if not found or (value is None and name in NULL_TOO):
                continue
            seen.add(name)
            types = (int,) if name in NUMBERS else TYPES[field["type"]]
            assert type(value) in types, (operation["path"], name, field["type"], value)
            if "format" in field:
                assert re.fullmatch(FORMATS[field["format"]], value), (name, value)
    return seen


def _values(value: Any, steps: list[str]) -> Iterator[tuple[bool, Any]]:
    """All values that a name is about: lists are gone into, whether the name says so or not."""
    if isinstance(value, list) and steps:
        for inner in value:
            yield from _values(inner, steps[1:] if steps[0] == "[0]" and not isinstance(inner, list) else steps)
    elif not steps or steps == ["[0]"]:
        yield True, value
    elif steps[0] == "[0]":
        yield from _values(value, steps[1:])
    elif isinstance(value, dict) and steps[0] in value:
        yield from _values(value[steps[0]], steps[1:])
    else:
        yield False, None


def has_shape(value: Any, shape: Any) -> bool:
    """Whether an answer has everything that an example has, of the same kinds."""
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(key in value and has_shape(value[key], shape[key]) for key in shape)
    if isinstance(shape, list):
        return isinstance(value, list) and all(any(has_shape(one, each) for each in shape) for one in value)
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "integer": int,
        "boolean": bool,
        "number": (int, float),
        "null": (type(None), str),
    }
    return isinstance(value, kinds[shape])
