"""Placeholders: filled in literally, in one pass, and encoded as the request needs it."""

from urllib.parse import parse_qs

import orjson
import pytest
from rmq_plugins.auth_http.placeholders import (
    PUBLISH,
    Parameters,
    UnsendableError,
    access_values,
    login_values,
)

from rmq.plugin_api import AuthRequest
from tests.plugins.acl.clients import client

NASTY = 'a&b=c d+é%c%P/?#"\\\n'


def test_what_a_client_calls_itself_is_never_a_placeholder() -> None:
    values = login_values(AuthRequest(client("me", "%P%c"), b"%u&x=1"))
    assert Parameters({"a": "%u", "b": "<%P>"}).json(values) == b'{"a":"%P%c","b":"<%u&x=1>"}'


@pytest.mark.parametrize("place", ["client_id", "username", "password", "topic"])
def test_any_value_arrives_as_it_is(place: str) -> None:
    who = client(NASTY if place == "client_id" else "me", NASTY if place == "username" else "user")
    if place == "topic":
        values, name = access_values(who, PUBLISH, NASTY), "%t"
    else:
        values = login_values(AuthRequest(who, NASTY.encode()))
        name = {"client_id": "%c", "username": "%u", "password": "%P"}[place]
    parameters = Parameters({"v": f"x{name}y", "other": "1"})
    assert parse_qs(parameters.encoded(values)) == {"v": [f"x{NASTY}y"], "other": ["1"]}
    assert orjson.loads(parameters.json(values)) == {"v": f"x{NASTY}y", "other": "1"}


def test_every_placeholder() -> None:
    who = client("c1", "u1", "192.0.2.9", 4)
    login = login_values(AuthRequest(who, b"secret", certificate_name="cn"))
    text = "%c %u %P %a %r %v %l %p %C %m| %A%t| %x 100%"
    filled = "c1 u1 secret 192.0.2.9 mqtt 4 tcp.external 1883 cn | | %x 100%"
    assert orjson.loads(Parameters({"v": text}).json(login))["v"] == filled
    access = access_values(who, PUBLISH, "t/1")
    assert orjson.loads(Parameters({"v": "%A %t [%P]"}).json(access))["v"] == "2 t/1 []"


def test_a_client_without_name_and_password_has_empty_ones() -> None:
    values = login_values(AuthRequest(client("c"), None))
    assert Parameters({"u": "%u", "p": "%P"}).encoded(values) == "u=&p="


def test_a_password_that_is_no_text_goes_into_a_form_only() -> None:
    values = login_values(AuthRequest(client("c"), b"\xff\x00"))
    assert Parameters({"p": "%P"}).encoded(values) == "p=%FF%00"
    with pytest.raises(UnsendableError, match="UTF-8"):
        Parameters({"p": "%P"}).json(values)
