"""An issuer of tokens that publishes its keys on a web server of its own."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from tests.support.signed_tokens import PrivateKey, jwk

PATH: Final = "/keys"


class Issuer:
    """``answer`` makes status and body of the next answers; ``asked`` counts requests. ``tls``: how it speaks HTTPS."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.asked = 0
        self.answer: Callable[[], tuple[int, bytes]] = lambda: (404, b"")
        self._release = threading.Event()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                status, body = issuer.answer()
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("Location", PATH + "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except ConnectionError:
                    return  # who asks has had enough

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name that it has there
                """Nothing is written."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}{PATH}"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self.url = f"https://localhost:{self.port}{PATH}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def publish(self, **keys: PrivateKey) -> None:
        """Publish these keys by these names."""
        body = json.dumps({"keys": [jwk(key, name) for name, key in keys.items()]}).encode()
        self.answer = lambda: (200, body)

    def be_silent(self) -> None:
        """Take requests and answer none until the end."""

        def wait() -> tuple[int, bytes]:
            self._release.wait()
            return 503, b""

        self.answer = wait

    def close(self) -> None:
        """Nobody listens any more."""
        if self._release.is_set():
            return
        self._release.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
