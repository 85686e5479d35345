"""Asking the endpoint: one of its requests, with all the patience that a handler has time for."""

import ssl
from collections.abc import Callable
from typing import Final

import structlog
import trio

from rmq.plugin_api import ClientInfo, NoAnswerError, Patience
from rmq_plugins.auth_http.answers import Answer
from rmq_plugins.auth_http.config import AuthHttpConfig, RequestConfig
from rmq_plugins.auth_http.endpoint import Endpoint, Request
from rmq_plugins.auth_http.placeholders import UnsendableError, Values

# The part of a handler's time that asking may take: what comes later counts as no answer, by the node's rules.
SHARE: Final = 0.9
# These say something about the answer: asking again gives the same one.
_NOT_AGAIN: Final = ("garbled", "too_large", "closed")


class Asking:
    """One endpoint, and in ``patience`` what is known of it."""

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
        self.patience = Patience(
            config.http_retry,
            config.http_breaker,
            config.http_timeout,
            time_budget_s * SHARE,
            logger,
            now,
            final=_NOT_AGAIN,
        )

    def request(self, config: RequestConfig) -> Request | None:
        """A request, ready to be filled in; None where there is no URL."""
        return Request(config, self._headers) if config.url else None

    async def ask(self, request: Request, values: Values, client: ClientInfo) -> Answer:
        """The answer; raises ``NoAnswerError`` when there is none in time. It is counted by then."""

        async def once() -> Answer:
            try:
                return await self._endpoint.ask(request, values, client)
            except UnsendableError as error:
                raise NoAnswerError("unsendable", str(error)) from None

        return await self.patience.ask(request.name, once)

    async def retire(self) -> None:
        """Close the connections when what is under way is done."""
        await self._endpoint.retire()

    async def close(self) -> None:
        """Close the connections now."""
        await self._endpoint.close()
