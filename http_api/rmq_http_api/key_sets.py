"""The keys that an issuer of tokens publishes (a JWKS address): fetched in the background, kept, fetched anew."""

from collections.abc import Callable
from typing import Final

import structlog
import trio

from rmq.plugin_api.fetching import Fetch, FetchFailed
from rmq_http_api.tokens import BadKey, Key, keys_of_set

log = structlog.get_logger("rmq.http")

# Whoever names keys that aren't there has them fetched no more often than this; nor does a failure.
AT_MOST_EVERY_S: Final = 10.0


class PublishedKeys:
    """``run`` fetches them every ``refresh_s``. Old ones count until newer ones are there, whatever goes wrong.

    ``clock`` in seconds; a request waits ``patience_s`` at most.
    """

    def __init__(
        self,
        fetch: Fetch,
        refresh_s: float,
        patience_s: float,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._fetch = fetch
        self._refresh_s = refresh_s
        self._patience_s = patience_s
        self._clock = clock
        self._keys: tuple[Key, ...] | None = None
        self._tried_at: float | None = None
        self._under_way = False
        self._asked = trio.Event()
        self._tried = trio.Event()
        self._scope = trio.CancelScope()
        self._failing = False

    @property
    def keys(self) -> tuple[Key, ...] | None:
        """Those that came last; None as long as there never were any."""
        return self._keys

    def begin_with(self, other: "PublishedKeys") -> None:
        """Go on with what another one has fetched from the same address."""
        self._keys = other._keys
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
                wait_s = AT_MOST_EVERY_S if self._failing else self._refresh_s
                with trio.move_on_after(wait_s):
                    await self._asked.wait()

    def stop(self) -> None:
        """Fetch no more."""
        self._scope.cancel()

    async def _try(self) -> None:
        self._asked = trio.Event()
        self._under_way = True
        try:
            keys = keys_of_set(await self._fetch())
        except (FetchFailed, BadKey) as error:
            if not self._failing:
                log.warning("the keys of tokens can't be fetched", reason=str(error), keys=len(self._keys or ()))
            self._failing = True
        else:
            if self._failing or self._keys is None:
                log.info("the keys of tokens are there", keys=len(keys))
            self._failing = False
            self._keys = keys
        finally:
            self._under_way = False
            self._tried_at = self._clock()
            self._tried.set()
            self._tried = trio.Event()
