"""What a database is asked, and a question under way in a thread, which the node's thread can cut short."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from rmq_plugins.auth_db.placeholders import Values
from rmq_plugins.auth_db.rows import Row

# A driver gets a little more time than the node gives it: then nobody waits any more, and the connection has to end.
GRACE_S: Final = 0.5


class Target:
    """Where a database is and how to get in. ``socket_path`` of a Unix socket stands for host and port.

    For SQLite ``path`` is all there is. TLS: ``ca_file`` "" are the authorities of the machine.
    """

    def __init__(
        self,
        backend: str,
        path: Path | None = None,
        host: str = "",
        port: int = 0,
        socket_path: str = "",
        username: str = "",
        password: str = "",
        database: str = "",
        timeout_s: float = 2.0,
        tls: bool = False,
        ca_file: str = "",
        cert_file: str = "",
        key_file: str = "",
    ) -> None:
        self.backend = backend
        self.path = path
        self.host = host
        self.port = port
        self.socket_path = socket_path
        self.username = username
        self.password = password
        self.database = database
        self.timeout_s = timeout_s
        self.tls = tls
        self.ca_file = ca_file
        self.cert_file = cert_file
        self.key_file = key_file

    @property
    def name(self) -> str:
        """The database for logs: without user and password."""
        if self.path is not None:
            return f"{self.backend}:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.backend}://{self.socket_path or f'{host}:{self.port}'}/{self.database}"


class Question:
    """One question. What it waits for, a socket for instance, is cut once nobody wants the answer any more."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cut: Callable[[], None] | None = None
        self.is_cut = False

    @contextmanager
    def cut_by(self, cut: Callable[[], None]) -> Iterator[None]:
        """While this lasts ``cut`` ends the waiting. In the thread of the question; raises ``TimeoutError``."""
        with self._lock:
            if self.is_cut:
                raise TimeoutError("nobody waits for it any more")
            self._cut = cut
        try:
            yield
        finally:
            # From here on the connection may be another question's.
            with self._lock:
                self._cut = None

    def cut(self) -> None:
        """Nobody waits for the answer any more. In the node's thread."""
        with self._lock:
            self.is_cut = True
            if self._cut is not None:
                self._cut()


class Store(Protocol):
    """A database with its queries. All but ``name`` is called in threads, by several at once.

    Both questions raise ``rmq.plugin_api.NoAnswerError``: of the kind "connection" when there is none, "timeout",
    "query" when the database doesn't take the question, "garbled" when its answer means nothing.
    """

    @property
    def name(self) -> str:
        """The database for logs, without secrets."""

    def find_user(self, values: Values, question: Question) -> Row | None:
        """The row of the user that a client calls itself."""

    def find_rules(self, values: Values, question: Question) -> Sequence[Row]:
        """The rows of rules for a client, in their order; one more than count at most."""

    def close(self) -> None:
        """Close the connections that nobody uses; the others are closed when they are given back."""
