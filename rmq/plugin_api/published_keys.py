"""The keys that an issuer of tokens publishes (a JWKS address): fetched in the background, kept, fetched anew."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import structlog
import trio

from rmq.plugin_api.fetching import Fetch, FetchFailed

# Whoever names keys that aren't there has them fetched no more often than this; nor does a failure.
AT_MOST_EVERY_S: Final = 10.0

K = TypeVar("K")


class PublishedKeys(Generic[K]):
    """``run`` fetches them every ``refresh_s``. Old ones count until newer ones are there, whatever goes wrong.

    ``read`` says what keys a document has, and raises ``ValueError`` when there are none. ``clock`` in seconds; whoever
    asks for newer ones waits ``patience_s`` at most. ``keys`` are those that came last, None as long as there never
    were any; ``fetched`` and ``failed`` count.
    """

    def __init__(
        self,
        fetch: Fetch,
        read: Callable[[bytes], tuple[K, ...]],
        refresh_s: float,
        patience_s: float,
        logger: structlog.stdlib.BoundLogger,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self.keys: tuple[K, ...] | None = None
        self.fetched = 0
        self.failed = 0
        self._fetch = fetch
        self._read = read
        self._refresh_s = refresh_s
        self._patience_s = patience_s
        self._log = logger
        self._clock = clock
        self._tried_at: float | None = None
        self._under_way = False
        self._asked = trio.Event()
        self._tried = trio.Event()
        self._scope = trio.CancelScope()
        self._failing = False

    def begin_with(self, other: "PublishedKeys[K]") -> None:
        """Go on with what another one has fetched from the same address."""
        self.keys = other.keys
        self._tried_at = other._tried_at

    async def renew(self) -> None:
        """Have them fetched, unless that was tried just now, and wait until that is over."""
        if not self._under_way:
            if self._tried_at is not None and self._clock() - self._tried_at < AT_MOST_EVERY_S:
                return
            self._asked.set()
        with trio.move_on_after(self._patience_s):
            await self._tried.wait()

    async def run(self) -> None:
        """Fetch them until ``stop``."""
        with self._scope:
            while True:
                await self._try()
                with trio.move_on_after(AT_MOST_EVERY_S if self._failing else self._refresh_s):
                    await self._asked.wait()

    def stop(self) -> None:
        """Fetch no more."""
        self._scope.cancel()

    async def _try(self) -> None:
        self._asked = trio.Event()
        self._under_way = True
        try:
            keys = self._read(await self._fetch())
        except (FetchFailed, ValueError) as error:
            self.failed += 1
            if not self._failing:
                self._log.warning("the keys of tokens can't be fetched", problem=str(error), keys=len(self.keys or ()))
            self._failing = True
        else:
            self.fetched += 1
            if self._failing or self.keys is None:
                self._log.info("the keys of tokens are there", keys=len(keys))
            self._failing = False
            self.keys = keys
        finally:
            self._under_way = False
            self._tried_at = self._clock()
            self._tried.set()
            self._tried = trio.Event()
