"""Which keys count: those of the configuration, and those that an issuer publishes, fetched anew in the background."""

from collections.abc import Callable
from typing import Final

import structlog
import trio

from rmq.plugin_api.fetching import Fetch, FetchFailed
from rmq_plugins.auth_jwt.signatures import BadKey, Header, Key, fitting, keys_of_set

# Whoever names keys that aren't there has them fetched no more often than this; nor does a failure.
AT_MOST_EVERY_S: Final = 10.0


class KeysNotThere(Exception):
    """The keys couldn't be fetched so far, so that nobody can say whether a token is good."""


class PublishedKeys:
    """``run`` fetches them every ``refresh_s``. Old ones count until newer ones are there, whatever goes wrong.

    ``clock`` in seconds; whoever asks for newer ones waits ``patience_s`` at most.
    """

    def __init__(
        self,
        fetch: Fetch,
        refresh_s: float,
        patience_s: float,
        logger: structlog.stdlib.BoundLogger,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._fetch = fetch
        self._refresh_s = refresh_s
        self._patience_s = patience_s
        self._log = logger
        self._clock = clock
        self.keys: tuple[Key, ...] | None = None
        self.fetched = 0
        self.failed = 0
        self._tried_at: float | None = None
        self._under_way = False
        self._failing = False
        self._asked = trio.Event()
        self._tried = trio.Event()
        self._scope = trio.CancelScope()

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
            keys = keys_of_set(await self._fetch())
        except (FetchFailed, BadKey) as error:
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


class Keys:
    """``fixed`` ones of the configuration, and ``published`` ones if there are such."""

    def __init__(self, fixed: tuple[Key, ...], published: PublishedKeys | None = None) -> None:
        self._fixed = fixed
        self.published = published

    def find(self, header: Header) -> Key | None:
        """The key that goes with a token, as far as keys are known."""
        # Names come first: a published key that a token names isn't hidden by one of a file that has no name.
        published = () if self.published is None else self.published.keys or ()
        return fitting((*published, *self._fixed), header)

    async def look_for(self, header: Header) -> Key | None:
        """The same once the newest keys were fetched; raises ``KeysNotThere`` where there never were any."""
        if self.published is None:
            return None
        await self.published.renew()
        found = self.find(header)
        if found is None and self.published.keys is None:
            raise KeysNotThere
        return found
