"""Placeholders in the parameters of a request, filled in literally and written as a query, a form or JSON.

%c client id, %u user name, %P password, %a address, %r "mqtt", %A 1 to subscribe and 2 to publish, %t topic, %v version
of MQTT (3, 4, 5), %l name of the listener, %p its port, %C name in the client's certificate, %m mount point (there is
none: always empty). What isn't known is empty; anything else behind a % stays as it is written.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

import orjson

from rmq.plugin_api import AuthRequest, ClientInfo

SUBSCRIBE: Final = b"1"
PUBLISH: Final = b"2"

_PLACEHOLDER: Final = re.compile(rb"%[cuParAtvlpCm]")

Values = Mapping[bytes, bytes]


class UnsendableError(Exception):
    """A value can't be written in the form that the request has: a password that is no text, in JSON."""


def values_of(client: ClientInfo) -> dict[bytes, bytes]:
    """What stands for a client."""
    return {
        b"%c": _bytes(client.client_id),
        b"%u": _bytes(client.username or ""),
        b"%a": _bytes(client.remote_host),
        b"%r": b"mqtt",
        b"%v": b"%d" % client.protocol_level,
        b"%l": _bytes(client.listener),
        b"%p": b"%d" % client.local_port,
    }


def login_values(request: AuthRequest) -> dict[bytes, bytes]:
    """What stands for a client that wants to connect."""
    values = values_of(request.client)
    values[b"%P"] = request.password or b""
    values[b"%C"] = _bytes(request.certificate_name or "")
    return values


def access_values(client: ClientInfo, access: bytes, topic: str) -> dict[bytes, bytes]:
    """What stands for a client that wants to publish or subscribe."""
    values = values_of(client)
    values[b"%A"] = access
    values[b"%t"] = _bytes(topic)
    return values


class Parameters:
    """The parameters of one kind of request."""

    def __init__(self, params: Mapping[str, str]) -> None:
        self._params = {name: _bytes(text) for name, text in params.items()}

    def encoded(self, values: Values) -> str:
        """As a query or a form: application/x-www-form-urlencoded."""
        return urlencode(self._filled(values))

    def json(self, values: Values) -> bytes:
        """As a JSON object of strings. Raises ``UnsendableError``."""
        try:
            return orjson.dumps({name: value.decode() for name, value in self._filled(values).items()})
        except ValueError:
            raise UnsendableError("what is no UTF-8 can't be sent as JSON") from None

    def _filled(self, values: Values) -> dict[str, bytes]:
        # One pass: what a client calls itself is never read as a placeholder.
        return {
            name: _PLACEHOLDER.sub(lambda found: values.get(found[0], b""), text) for name, text in self._params.items()
        }


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
