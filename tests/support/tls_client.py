"""The client's side of TLS without a socket, for tests of the other side."""

from __future__ import annotations

import ssl
from typing import Final

RECORD_BYTES: Final = 16_384


class TlsClient:
    """``received`` is what the server said; ``ended`` whether it has closed TLS in order.

    ``feed`` and ``start`` return what is to be sent to the server. An ``ssl.SSLError`` is what the server did wrong, or
    its alert; what the client says to that is in ``last_words``.
    """

    def __init__(self, context: ssl.SSLContext, host: str = "localhost") -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.open = False
        self.ended = False
        self.received = bytearray()

    def start(self) -> bytes:
        """The first message."""
        return self.feed(b"")

    def feed(self, data: bytes) -> bytes:
        """Bytes from the server."""
        self._incoming.write(data)
        try:
            if not self.open:
                self.tls.do_handshake()
                self.open = True
            while not self.ended:
                part = self.tls.read(RECORD_BYTES)
                self.received += part
                self.ended = not part
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # the same end, after the client's own
            self.ended = True
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Bytes for the server."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.tls.write(rest) :]
        return self._outgoing.read()

    def close(self) -> bytes:
        """The client's close_notify."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self._outgoing.read()

    def last_words(self) -> bytes:
        """An alert, after an error."""
        return self._outgoing.read()
