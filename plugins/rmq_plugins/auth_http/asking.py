"""Asking the endpoint: retries with back-off and a circuit breaker, all within the time that a handler has."""

import ssl
from collections.abc import Callable
from typing import Final

import structlog
import trio

from rmq.plugin_api import ClientInfo
from rmq_plugins.auth_http.answers import Answer, NoAnswerError
from rmq_plugins.auth_http.breaker import CircuitBreaker
from rmq_plugins.auth_http.config import AuthHttpConfig, RequestConfig
from rmq_plugins.auth_http.endpoint import Endpoint, Request
from rmq_plugins.auth_http.placeholders import UnsendableError, Values

# The part of a handler's time that asking may take: what comes later counts as no answer, by the node's rules.
SHARE: Final = 0.9
# A failure that comes with every client must not fill the disk.
LOG_INTERVAL_S: Final = 10.0
# These say something about the answer: asking again gives the same one.
_NOT_AGAIN: Final = ("garbled", "too_large", "closed", "unsendable")


class Asking:
    """One endpoint and what is known of it. ``failures`` counts requests that failed, by what was wrong."""

    def __init__(
        self,
        config: AuthHttpConfig,
        context: ssl.SSLContext,
        time_budget_s: float,
        logger: structlog.stdlib.BoundLogger,
        now: Callable[[], float] = trio.current_time,
    ) -> None:
        self._endpoint = Endpoint(config, context)
        self._headers = config.http_headers
        self._timeout_s = config.http_timeout
        self._retry = config.http_retry
        self._budget_s = time_budget_s * SHARE
        self._log = logger
        self._now = now
        self._log_at = float("-inf")
        breaker = config.http_breaker
        self.breaker = CircuitBreaker(breaker.failures, breaker.pause, now)
        self.requests = 0
        self.retries = 0
        self.failures: dict[str, int] = {}

    def request(self, config: RequestConfig) -> Request | None:
        """A request, ready to be filled in; None where there is no URL."""
        return Request(config, self._headers) if config.url else None

    async def ask(self, request: Request, values: Values, client: ClientInfo) -> Answer:
        """The answer; raises ``NoAnswerError`` when there is none in time. It is counted by then."""
        deadline = self._now() + self._budget_s
        pause_s = self._retry.interval
        for left in range(self._retry.times, -1, -1):
            try:
                return await self._once(request, values, client, deadline)
            except NoAnswerError as error:
                self._failed(request, error)
                last = not left or error.kind in _NOT_AGAIN or self.breaker.state != "closed"
                if last or self._now() + pause_s >= deadline:
                    raise
            self.retries += 1
            await trio.sleep(pause_s)
            pause_s *= self._retry.backoff
        raise AssertionError("the last attempt has returned or raised")

    async def _once(self, request: Request, values: Values, client: ClientInfo, deadline: float) -> Answer:
        breaker = self.breaker
        if not breaker.admits():
            raise NoAnswerError("breaker_open", "it isn't asked after so many failures")
        self.requests += 1
        known = False
        try:
            with trio.fail_after(max(min(deadline - self._now(), self._timeout_s), 0)):
                answer = await self._endpoint.ask(request, values, client)
            known = True
        except UnsendableError as error:
            raise NoAnswerError("unsendable", str(error)) from None
        except trio.TooSlowError:
            known = True
            self._breaker_failed(request)
            raise NoAnswerError("timeout", "no answer in time") from None
        except NoAnswerError:
            known = True
            self._breaker_failed(request)
            raise
        finally:
            if not known:
                breaker.given_up()
        if breaker.succeeded():
            self._log.info("the endpoint answers again", url=request.name)
        return answer

    def _breaker_failed(self, request: Request) -> None:
        if self.breaker.failed():
            self._log.error("the endpoint fails: it isn't asked for a while", url=request.name)

    def _failed(self, request: Request, error: NoAnswerError) -> None:
        self.failures[error.kind] = self.failures.get(error.kind, 0) + 1
        now = self._now()
        if now >= self._log_at:
            self._log_at = now + LOG_INTERVAL_S
            self._log.warning("no answer", url=request.name, kind=error.kind, problem=str(error))

    async def retire(self) -> None:
        """Close the connections when what is under way is done."""
        await self._endpoint.retire()

    async def close(self) -> None:
        """Close the connections now."""
        await self._endpoint.close()
