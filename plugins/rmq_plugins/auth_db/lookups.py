"""Questions to the database in threads, with retries, within the time that a handler has; and passwords checked."""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import structlog
import trio

from rmq.plugin_api import AccessRule, ClientInfo, NoAnswerError, Patience, read_rules
from rmq_plugins.auth_db.config import AuthDbConfig
from rmq_plugins.auth_db.hashes import Hashes
from rmq_plugins.auth_db.placeholders import Values, are_text, values_of
from rmq_plugins.auth_db.proved import Proved
from rmq_plugins.auth_db.rows import User, read_user, rule_items
from rmq_plugins.auth_db.store import Question, Store

# The part of a handler's time that asking may take; the rest is for the password.
SHARE: Final = 0.8
# The database is there and says so; what is wrong is the question, or what the tables have.
_ANSWERED: Final = ("query", "garbled")

T = TypeVar("T")


class Lookups:
    """One database. As many questions at once as it has connections; the others wait for a thread.

    A question that nobody waits for any more is cut off, so that its thread and its connection end soon.
    """

    def __init__(
        self,
        store: Store,
        hashes: Hashes,
        config: AuthDbConfig,
        time_budget_s: float,
        logger: structlog.stdlib.BoundLogger,
        now: Callable[[], float] = trio.current_time,
    ) -> None:
        self._store = store
        self._hashes = hashes
        self._needs_name = "${username}" in config.user_query
        self._threads = trio.CapacityLimiter(config.pool_size)
        self._hash_threads = trio.CapacityLimiter(config.hash_threads)
        self.proved = Proved(config.login_cache_ttl, now)
        self._running = 0
        self._idle = trio.Event()
        self._idle.set()
        self._closed = False
        self.patience = Patience(
            config.retry,
            config.breaker,
            config.timeout,
            time_budget_s * SHARE,
            logger,
            now,
            final=["closed"],
            answered=_ANSWERED,
        )

    @property
    def busy(self) -> int:
        """How many connections have a question just now, those that nobody waits for any more too."""
        return self._threads.borrowed_tokens

    async def user(self, client: ClientInfo) -> User | None:
        """Who the client calls itself, None where there is nobody of this name; raises ``NoAnswerError``."""
        values = values_of(client)
        if not are_text(values) or (self._needs_name and client.username is None):
            return None
        return await self._ask(partial(_find_user, self._store, values))

    async def rules(self, client: ClientInfo) -> tuple[AccessRule, ...]:
        """The client's rules; raises ``NoAnswerError``."""
        values = values_of(client)
        if not are_text(values):
            return ()
        return await self._ask(partial(_find_rules, self._store, values, client))

    async def is_right(self, user: User, password: bytes) -> bool:
        """Whether it is the user's password; raises ``BadHash``."""
        key = self.proved.key(user.password_hash, user.salt, password)
        if self.proved.holds(key):
            return True
        check = partial(self._hashes.is_right, user.password_hash, user.salt, password)
        right = await trio.to_thread.run_sync(check, limiter=self._hash_threads, abandon_on_cancel=True)
        if right:
            self.proved.keep(key)
        return right

    async def spend(self, password: bytes) -> None:
        """Take as long as ``is_right``, for somebody who isn't there."""
        await trio.to_thread.run_sync(
            partial(self._hashes.spend, password), limiter=self._hash_threads, abandon_on_cancel=True
        )

    async def _ask(self, work: Callable[[Question], T]) -> T:
        return await self.patience.ask(self._store.name, partial(self._once, work))

    async def _once(self, work: Callable[[Question], T]) -> T:
        if self._closed:
            raise NoAnswerError("closed", "the plugin is stopping")
        question = Question()
        self._running += 1
        self._idle = trio.Event() if self._idle.is_set() else self._idle
        try:
            return await trio.to_thread.run_sync(work, question, limiter=self._threads, abandon_on_cancel=True)
        finally:
            question.cut()  # which does nothing to one that has its answer
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def retire(self) -> None:
        """Close the connections when what is under way is done."""
        while self._running:
            await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        """Close the connections now."""
        self._closed = True
        await trio.to_thread.run_sync(self._store.close, abandon_on_cancel=True)


def _find_user(store: Store, values: Values, question: Question) -> User | None:
    row = store.find_user(values, question)
    try:
        return None if row is None else read_user(row, values["username"])
    except ValueError as error:
        raise NoAnswerError("garbled", str(error)) from None


def _find_rules(store: Store, values: Values, client: ClientInfo, question: Question) -> tuple[AccessRule, ...]:
    rows = store.find_rules(values, question)
    try:
        return read_rules(rule_items(rows), client)
    except ValueError as error:
        raise NoAnswerError("garbled", str(error)) from None
