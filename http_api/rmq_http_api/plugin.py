"""The plugin: builds the API of all dialects from the node's management, and serves it."""

from functools import partial
from typing import TYPE_CHECKING

import trio

from rmq.management.node.history import NoHistory
from rmq.plugin_api import Plugin, PluginError, PluginHost
from rmq_http_api.access import Access
from rmq_http_api.app import Application, RequestBounds
from rmq_http_api.config import HttpApiConfig, ListenerRules
from rmq_http_api.failed_logins import FailedLogins
from rmq_http_api.history import HistoryKeeper
from rmq_http_api.listeners import Listeners
from rmq_http_api.server import ServerError
from rmq_http_api.service import ApiService
from rmq_http_api.tables import make_table

if TYPE_CHECKING:
    from rmq_http_api.token_setup import TokenSetup


class HttpApiPlugin(Plugin[HttpApiConfig]):
    """The HTTP API on its addresses."""

    name = "rmq-http-api"
    descr = "HTTP API for administrators and programs"
    Config = HttpApiConfig

    def __init__(self, config: HttpApiConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._listeners: Listeners | None = None
        self._service: ApiService | None = None
        self._history: HistoryKeeper | None = None
        self._tokens: TokenSetup | None = None
        self._failures = FailedLogins(trio.current_time)
        self._bounds = RequestBounds()

    async def start(self) -> None:
        """Take the addresses and serve; raises ``PluginError`` when one can't be had."""
        host = self.host
        self._check(self.config)
        tokens = self._token_setup(self.config)
        self._service = ApiService(
            host.management,
            self.config.max_row_limit,
            self.config.message_expiry_interval,
            self.name,
            host.spawn,
        )
        self._listeners = listeners = Listeners(self._app, self._fit, host.management.local.turns, host.spawn)
        self._go_over_to(listeners, self.config, tokens)
        self._take_over(tokens)
        local = host.management.local
        history = HistoryKeeper(local.ref, host.data_folder(), host.now, host.stats, host.metrics, host.logger)
        self._history = local.history = history
        self._keep_history(self.config)
        host.keep(history.run)

    async def stop(self) -> None:
        """Let requests come to their ends, and close the addresses."""
        if self._listeners is not None:
            await self._listeners.stop()
        if self._history is not None:
            local = self.host.management.local
            local.history = NoHistory(local.ref)
            await self._history.close()

    async def reload(self, config: HttpApiConfig) -> None:
        """Go over to other keys: another address is a new server, and the old one ends behind it."""
        listeners, service = self._listeners, self._service
        assert listeners is not None, "not started"
        assert service is not None, "not started"
        self._check(config)
        tokens = self._token_setup(config)
        self._go_over_to(listeners, config, tokens)
        self._take_over(tokens)
        self._keep_history(config)
        service.max_rows = config.max_row_limit
        service.message_expiry_s = config.message_expiry_interval
        self.config = config

    def attrs(self) -> dict[str, object]:
        """Where it listens and how much it is used."""
        listeners = self._listeners
        if listeners is None or not listeners.addresses:
            return {}
        return {
            "address": listeners.addresses[0],
            "addresses": listeners.addresses,
            "connections": listeners.connections,
            "requests": listeners.requests,
            "errors": listeners.bugs,
        }

    def _go_over_to(self, listeners: Listeners, config: HttpApiConfig, tokens: "TokenSetup | None") -> None:
        try:
            listeners.go_over_to(config, partial(self._access, config, tokens))
        except ServerError as error:
            raise PluginError(str(error)) from None
        self.host.logger.debug("HTTP API listens", addresses=listeners.addresses)

    def _app(self, config: HttpApiConfig, rules: ListenerRules, access: Access) -> Application:
        assert self._service is not None, "not started"
        return Application(
            make_table(self._service, rules.dialects),
            access,
            max_body=config.max_body_size,
            log_requests=config.http_request_log,
            node_id=self.host.node_id,
            count_bug=self.host.count_error,
            bounds=self._bounds,
        )

    def _fit(self, app: Application, config: HttpApiConfig, rules: ListenerRules, access: Access) -> None:
        assert self._service is not None, "not started"
        app.table = make_table(self._service, rules.dialects)
        app.access = access
        app.max_body = config.max_body_size
        app.log_requests = config.http_request_log

    def _keep_history(self, config: HttpApiConfig) -> None:
        if self._history is not None:
            self._history.interval_s = config.flush_interval
            self._history.retention_s = config.history_retention

    def _token_setup(self, config: HttpApiConfig) -> "TokenSetup | None":
        if not config.jwt.algorithms:
            return None
        # Cryptography and an HTTP client take 12 MB and a tenth of a second, which most nodes needn't spend.
        from rmq_http_api.token_setup import TokenSetup

        try:
            made = TokenSetup(config.jwt)
        except ValueError as error:
            raise PluginError(str(error)) from None
        known = None if self._tokens is None else self._tokens.published
        if made.published is not None and known is not None and config.jwt.jwks_url == self.config.jwt.jwks_url:
            made.published.begin_with(known)
        return made

    def _take_over(self, tokens: "TokenSetup | None") -> None:
        old, self._tokens = self._tokens, tokens
        if old is not None and old.published is not None:
            old.published.stop()
        if tokens is not None and tokens.published is not None:
            self.host.spawn(tokens.published.run)

    def _access(self, config: HttpApiConfig, tokens: "TokenSetup | None", rules: ListenerRules) -> Access:
        return Access(
            config,
            self.host.management.users,
            self.host.management.api_keys,
            self._failures,
            is_loopback=rules.addr.is_loopback,
            tokens=None if tokens is None else tokens.tokens,
        )

    def _check(self, config: HttpApiConfig) -> None:
        for user in config.users:
            try:
                self.host.passwords.check(user.password_hash)
            except ValueError as error:
                raise PluginError(f"users: {user.name}: password_hash: {error}") from None
