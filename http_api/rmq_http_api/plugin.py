"""The plugin: builds the API of all dialects from the node's management, and serves it."""

import ssl
from typing import TYPE_CHECKING

from rmq.management.history import NoHistory
from rmq.plugin_api import Plugin, PluginError, PluginHost
from rmq_http_api.access import Access
from rmq_http_api.app import Application
from rmq_http_api.config import HttpApiConfig
from rmq_http_api.history import HistoryKeeper
from rmq_http_api.server import Server, ServerError, tls_context
from rmq_http_api.service import ApiService
from rmq_http_api.tables import make_table

if TYPE_CHECKING:
    from rmq_http_api.token_setup import TokenSetup


class HttpApiPlugin(Plugin[HttpApiConfig]):
    """The HTTP API on one address."""

    name = "rmq-http-api"
    descr = "HTTP API for administrators and programs"
    Config = HttpApiConfig

    def __init__(self, config: HttpApiConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._server: Server | None = None
        self._service: ApiService | None = None
        self._history: HistoryKeeper | None = None
        self._tokens: TokenSetup | None = None

    async def start(self) -> None:
        """Take the address and serve; raises ``PluginError`` when it can't be had."""
        self._check(self.config)
        tokens = self._token_setup(self.config)
        service = ApiService(
            self.host.management,
            self.config.max_row_limit,
            self.config.message_expiry_interval,
            self.name,
            self.host.spawn,
        )
        self._service = service
        app = Application(
            make_table(service),
            self._access(self.config, tokens),
            max_body=self.config.max_body_size,
            log_requests=self.config.http_request_log,
            node_id=self.host.node_id,
            count_bug=self.host.count_error,
        )
        self._serve(self.config, app)
        self._take_over(tokens)
        host = self.host
        local = host.management.local
        history = HistoryKeeper(local.ref, host.data_folder(), host.now, host.stats, host.metrics, host.logger)
        self._history = local.history = history
        self._keep_history(self.config)
        host.spawn(history.run)

    async def stop(self) -> None:
        """Let requests come to their ends, and close the address."""
        if self._server is not None:
            await self._server.stop()
        if self._history is not None:
            local = self.host.management.local
            local.history = NoHistory(local.ref)
            await self._history.close()

    async def reload(self, config: HttpApiConfig) -> None:
        """Go over to other keys: another address is a new server, and the old one ends behind it."""
        old = self._server
        service = self._service
        assert old is not None, "not started"
        assert service is not None, "not started"
        self._check(config)
        tls = self._tls(config)
        tokens = self._token_setup(config)
        if config.http_laddr != self.config.http_laddr:
            self._serve(config, old.app)
            self.host.spawn(old.stop)  # not waited for: the request that asked for this may be one of its own
        else:
            old.change(tls, config.max_connections)
        self._keep_history(config)
        service.max_rows = config.max_row_limit
        service.message_expiry_s = config.message_expiry_interval
        app = old.app
        app.access = self._access(config, tokens)
        self._take_over(tokens)
        app.max_body = config.max_body_size
        app.log_requests = config.http_request_log
        self.config = config

    def attrs(self) -> dict[str, object]:
        """Where it listens and how much it is used."""
        server = self._server
        if server is None:
            return {}
        host, port = server.address
        return {
            "address": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "connections": server.connections,
            "requests": server.app.requests,
            "errors": server.app.bugs,
        }

    def _serve(self, config: HttpApiConfig, app: Application) -> None:
        tls = self._tls(config)
        try:
            server = Server(
                app,
                config.http_laddr.host,
                config.http_laddr.port,
                max_connections=config.max_connections,
                turns=self.host.management.local.turns,
                tls=tls,
                reuse_address=config.http_reuseaddr,
                reuse_port=config.http_reuseport,
            )
            server.open()
        except ServerError as error:
            raise PluginError(str(error)) from None
        self._server = server
        self.host.spawn(server.run)
        self.host.logger.debug("HTTP API listens", address=self.attrs()["address"], tls=tls is not None)

    def _keep_history(self, config: HttpApiConfig) -> None:
        if self._history is not None:
            self._history.interval_s = config.flush_interval
            self._history.retention_s = config.history_retention

    def _tls(self, config: HttpApiConfig) -> ssl.SSLContext | None:
        try:
            return tls_context(config.tls.cert, config.tls.key) if config.tls.cert else None
        except ServerError as error:
            raise PluginError(str(error)) from None

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

    def _access(self, config: HttpApiConfig, tokens: "TokenSetup | None") -> Access:
        return Access(
            config,
            self.host.passwords,
            is_loopback=config.http_laddr.is_loopback,
            api_keys=self.host.management.api_keys,
            tokens=None if tokens is None else tokens.tokens,
        )

    def _check(self, config: HttpApiConfig) -> None:
        for user in config.users:
            try:
                self.host.passwords.check(user.password_hash)
            except ValueError as error:
                raise PluginError(f"users: {user.name}: password_hash: {error}") from None
