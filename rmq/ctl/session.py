"""One run: the API it talks to, opened when it is first needed, and the nodes that were missing in what it said."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from rmq.ctl.connecting import DEFAULT_TIMEOUT_S, Connecting, own_environment, password_for
from rmq.ctl.failures import NEGATIVE, Refused
from rmq.ctl.text import printable

if TYPE_CHECKING:
    from rmq.ctl.api import Api, Query, Reply, Transport


class Session:
    """What every command is given. ``transport`` stands in for the network, and ``pause`` for time, in tests.

    ``is_negative``: what was printed is a no, for the exit code.
    """

    def __init__(self, transport: "Transport | None" = None) -> None:
        self.connecting = Connecting(own_environment())
        self.missing: set[str] = set()
        self.is_negative = False
        self.pause: Callable[[float], None] = time.sleep
        self._transport = transport
        self._api: Api | None = None

    @property
    def api(self) -> "Api":
        """The API; what is wrong with how to reach it is a ``Failure``."""
        if self._api is None:
            # Not before: --help and completion have no need of httpx, which takes longer to load than all the rest.
            from rmq.ctl.api import Api, Login, Tls

            given = self.connecting
            token, name = given.token_and_name()
            password = password_for(name, given.environment) if name else ""
            timeout_s = DEFAULT_TIMEOUT_S if given.timeout_s is None else given.timeout_s
            tls = Tls(given.ca_file, given.insecure)
            self._api = Api(given.address, Login(token, name, password), tls, timeout_s, self._transport)
        return self._api

    def get(self, where: str, query: "Query | None" = None, good: tuple[int, ...] = ()) -> Any:
        """The value of an answer; nodes it misses are remembered."""
        return self.noted(self.api.get(where, query, good)).value

    def pages(self, where: str, query: "Query", limit: int | None = None) -> Iterator[list[Any]]:
        """The rows of a long list, page by page."""
        for reply in self.api.pages(where, query, limit):
            yield self.noted(reply).value

    def change(
        self, method: str, where: str, body: object = None, query: "Query | None" = None, *, waits: bool = False
    ) -> Any:
        """The value of the answer to a change; ``waits`` as ``Api.change`` has it."""
        return self.noted(self.api.change(method, where, body, query, waits=waits)).value

    def noted(self, reply: "Reply") -> "Reply":
        """The same; nodes it misses are remembered."""
        self.missing.update(reply.missing)
        return reply

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Reading an answer: one of another shape isn't the API's, and that is said instead of a traceback."""
        try:
            yield
        except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
            raise self.api.stranger(f"something unexpected: {type(error).__name__} {error}") from error

    def each(self, names: tuple[str, ...], act: Callable[[str], None]) -> None:
        """Do something with each of several; one that refuses is named, and doesn't stop the others."""
        for name in names:
            try:
                act(name)
            except Refused as refused:
                if refused.exit_code != NEGATIVE or len(names) == 1:
                    raise
                self.is_negative = True
                say(str(refused))

    def close(self) -> None:
        """End it."""
        if self._api is not None:
            self._api.close()


def say(text: str) -> None:
    """A line on standard error."""
    click.echo(f"rmq-ctl: {printable(text)}", err=True)
