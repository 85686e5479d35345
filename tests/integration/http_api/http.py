"""A plain HTTP client: requests go over the wire as they are written, paths too."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

TIMEOUT_S: Final = 20.0
_LINE: Final = re.compile(r"listens  127\.0\.0\.1:(\d+) \(rmq-http-api\)")


class HasLog(Protocol):
    """A running node."""

    @property
    def log(self) -> str:
        """What it has written."""


@dataclass(frozen=True)
class Answer:
    """What came back, and how long it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_s: float

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass(frozen=True)
class Http:
    """The API at one port of this machine."""

    port: int

    @classmethod
    def of(cls, node: HasLog) -> Self:
        """The API of a node, which says where it listens a moment after it does."""
        deadline = time.monotonic() + TIMEOUT_S
        while not (found := _LINE.findall(node.log)):
            assert time.monotonic() < deadline, f"no API in {node.log}"
            threading.Event().wait(0.02)
        return cls(int(found[-1]))

    def ask(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """One request; ``body`` is sent as JSON."""
        sent = dict(headers or {})
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        return self.send(method, path, content, sent)

    def send(self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]) -> Answer:
        """One request with a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        began = time.monotonic()
        try:
            connection.request(method, path, content, dict(headers))
            response = connection.getresponse()
            read = response.read()
            took_s = time.monotonic() - began
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, read, took_s)
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """The JSON of a good answer."""
        answer = self.ask("GET", path)
        assert answer.status == 200, (path, answer.status, answer.text)
        return answer.json
