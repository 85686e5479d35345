"""An HTTP server for tests, in threads of its own: it answers as a test says, keeps what it was asked, and can die."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Asked:
    """One request; the names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, str]:
        """The parameters of the query, or of the form in the body."""
        text = urlsplit(self.target).query if self.method == "GET" else self.body.decode()
        return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """``wait`` is waited for before the answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None


class HttpServer:
    """``answer`` may be replaced at any time. ``port`` stays when it is stopped and started again."""

    def __init__(self, answer: Callable[[Asked], Reply] | None = None) -> None:
        self.answer = answer or (lambda asked: Reply())
        self.asked: list[Asked] = []
        self.port = 0
        self._changed = threading.Condition()
        self._open: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen (again)."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                outer._open.add(self.request)

            def finish(self) -> None:
                outer._open.discard(self.request)
                with suppress(OSError):
                    super().finish()

            def handle(self) -> None:
                with suppress(OSError):
                    super().handle()

            def _serve(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, self.rfile.read(length))
                with outer._changed:
                    outer.asked.append(asked)
                    outer._changed.notify_all()
                reply = outer.answer(asked)
                if reply.wait is not None:
                    reply.wait.wait(TIMEOUT_S)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = _serve

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Be gone: nobody listens, and connections are closed."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server = None

    def wait_for(self, condition: Callable[[list[Asked]], bool]) -> list[Asked]:
        """What was asked until now, as soon as it satisfies the condition."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.asked), TIMEOUT_S), self.asked
            return list(self.asked)
