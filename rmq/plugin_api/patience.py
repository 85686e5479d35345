"""Asking a server that may be away: retries with back-off and a circuit breaker, within the time that a handler has."""

from collections.abc import Awaitable, Callable, Collection
from typing import Final, TypeVar

import structlog
import trio

from rmq.plugin_api.breaker import CLOSED, CircuitBreaker
from rmq.plugin_api.values import BreakerConfig, RetryConfig

# A failure that comes with every client must not fill the disk.
LOG_INTERVAL_S: Final = 10.0
UNSENDABLE: Final = "unsendable"

T = TypeVar("T")


class NoAnswerError(Exception):
    """A server gave no answer that means anything; ``kind`` is what its failure counts as."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Patience:
    """How one server is asked, and how that went. ``failures`` counts requests that failed, by kind.

    ``timeout_s`` is for one request, ``budget_s`` for all attempts together. Of what fails with a kind in ``final``
    asking again gives the same. A kind in ``answered`` says that the server is there, and blames the question: it never
    opens the breaker, or a client with a strange name could. ``unsendable`` says that nothing was sent.
    """

    def __init__(
        self,
        retry: RetryConfig,
        breaker: BreakerConfig,
        timeout_s: float,
        budget_s: float,
        logger: structlog.stdlib.BoundLogger,
        now: Callable[[], float] = trio.current_time,
        final: Collection[str] = (),
        answered: Collection[str] = (),
    ) -> None:
        self._retry = retry
        self._timeout_s = timeout_s
        self._budget_s = budget_s
        self._log = logger
        self._now = now
        self._final = frozenset(final) | frozenset(answered) | {UNSENDABLE}
        self._answered = frozenset(answered)
        self._log_at = float("-inf")
        self.breaker = CircuitBreaker(breaker.failures, breaker.pause, now)
        self.requests = 0
        self.retries = 0
        self.failures: dict[str, int] = {}

    def figures(self) -> dict[str, object]:
        """What a plugin's attributes tell of it."""
        return {
            "requests": self.requests,
            "retries": self.retries,
            "failures": dict(self.failures),
            "breaker": self.breaker.state,
        }

    async def ask(self, name: str, once: Callable[[], Awaitable[T]]) -> T:
        """The answer of ``once``, which raises ``NoAnswerError`` for none; so does this, counted, once time is over.

        ``name`` is the server's, for the log.
        """
        deadline = self._now() + self._budget_s
        pause_s = self._retry.interval
        for left in range(self._retry.times, -1, -1):
            try:
                return await self._once(name, once, deadline)
            except NoAnswerError as error:
                self._failed(name, error)
                last = not left or error.kind in self._final or self.breaker.state != CLOSED
                if last or self._now() + pause_s >= deadline:
                    raise
            self.retries += 1
            await trio.sleep(pause_s)
            pause_s *= self._retry.backoff
        raise AssertionError("the last attempt has returned or raised")

    async def _once(self, name: str, once: Callable[[], Awaitable[T]], deadline: float) -> T:
        if not self.breaker.admits():
            raise NoAnswerError("breaker_open", "it isn't asked after so many failures")
        self.requests += 1
        known = False
        try:
            with trio.fail_after(max(min(deadline - self._now(), self._timeout_s), 0)):
                answer = await once()
            known = True
        except trio.TooSlowError:
            known = True
            self._blame(name)
            raise NoAnswerError("timeout", "no answer in time") from None
        except NoAnswerError as error:
            known = error.kind != UNSENDABLE
            if error.kind in self._answered:
                self._praise(name)
            elif known:
                self._blame(name)
            raise
        finally:
            if not known:
                self.breaker.given_up()
        self._praise(name)
        return answer

    def _praise(self, name: str) -> None:
        if self.breaker.succeeded():
            self._log.info("the server answers again", server=name)

    def _blame(self, name: str) -> None:
        if self.breaker.failed():
            self._log.error("the server fails: it isn't asked for a while", server=name)

    def _failed(self, name: str, error: NoAnswerError) -> None:
        self.failures[error.kind] = self.failures.get(error.kind, 0) + 1
        now = self._now()
        if now >= self._log_at:
            self._log_at = now + LOG_INTERVAL_S
            self._log.warning("no answer", server=name, kind=error.kind, problem=str(error))
