"""The plugin: asks the endpoint when a client connects, publishes and subscribes."""

from functools import partial
from typing import Final

import trio

from rmq.plugin_api import (
    ALLOW,
    DENY,
    DENY_AND_DISCONNECT,
    DENY_ONCE,
    UNDECIDED,
    AuthRequest,
    AuthResult,
    ClientInfo,
    Handle,
    NoAnswerError,
    Plugin,
    PluginError,
    PluginHost,
    judge_publish,
    judge_subscribe,
)
from rmq_plugins.auth_http.asking import Asking
from rmq_plugins.auth_http.config import AuthHttpConfig
from rmq_plugins.auth_http.endpoint import Request, trusted
from rmq_plugins.auth_http.placeholders import PUBLISH, SUBSCRIBE, access_values, login_values
from rmq_plugins.auth_http.verdicts import ALWAYS, ClientMemory

SWEEP_INTERVAL_S: Final = 1.0
# Reason codes of MQTT 5: the client is wrong, or it may come back.
BAD_USER_NAME_OR_PASSWORD: Final = 0x86
SERVER_UNAVAILABLE: Final = 0x88
_WORDS: Final = {ALLOW: "allowed", DENY: "denied", UNDECIDED: "ignored"}


class AuthHttpPlugin(Plugin[AuthHttpConfig]):
    """Authentication and access control over HTTP. Passwords are sent and not kept."""

    name = "rmq-auth-http"
    descr = "Authentication and access control by an HTTP server"
    Config = AuthHttpConfig

    def __init__(self, config: AuthHttpConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._memory = ClientMemory(config.acl_cache_size, host.now)
        self._said: dict[str, dict[str, int]] = {"auth": {}, "acl": {}}
        self._handles: list[Handle] = []
        self._asking: Asking | None = None
        self._retiring: set[Asking] = set()  # of the configurations before, with requests under way
        self._auth: Request | None = None
        self._acl: Request | None = None

    async def start(self) -> None:
        """Take part with the configured priority, where there is somebody to ask."""
        self._begin(await self._prepared(self.config), self.config)
        self.host.spawn(self._sweep)

    async def stop(self) -> None:
        """Close the connections; who asks from now on gets no answer."""
        for asking in (*self._retiring, *([] if self._asking is None else [self._asking])):
            await asking.close()

    async def reload(self, config: AuthHttpConfig) -> None:
        """Ask as the new configuration says; what was said about topics is forgotten, what logins gave stays."""
        asking = await self._prepared(config)
        before, handles = self._asking, self._handles
        self.config = config
        self._begin(asking, config)
        for handle in handles:
            self.host.off(handle)
        self._memory.size = config.acl_cache_size
        self._memory.drop_verdicts()
        if before is not None:
            self._retiring.add(before)
            self.host.spawn(partial(self._retire, before))

    async def _retire(self, asking: Asking) -> None:
        await asking.retire()
        self._retiring.discard(asking)

    def attrs(self) -> dict[str, object]:
        """What was said how often, and how the endpoint is."""
        asking = self._asking
        figures: dict[str, object] = {name: dict(said) for name, said in self._said.items()}
        figures |= {"cache_hits": self._memory.hits, "clients": len(self._memory)}
        if asking is not None:
            figures |= asking.patience.figures()
        return figures

    async def _prepared(self, config: AuthHttpConfig) -> Asking:
        try:
            context = await trusted(config.http_ca_file)
            return Asking(config, context, self.host.async_time_budget_s, self.host.logger)
        except OSError as error:
            raise PluginError(f"http_ca_file: {config.http_ca_file}: {error}") from None

    def _begin(self, asking: Asking, config: AuthHttpConfig) -> None:
        self._asking = asking
        self._auth = asking.request(config.http_auth_req)
        self._acl = asking.request(config.http_acl_req)
        on, priority, denies = self.host.on, config.priority, config.deny_if_error
        self._handles = [
            on("client_connack", self._memory.kept.answered),
            on("client_disconnected", self._memory.kept.disconnected),
        ]
        if self._auth is not None:
            self._handles.append(on("client_authenticate", self._authenticate, priority, denies))
        if self._auth is not None or self._acl is not None:
            self._handles.append(on("message_publish_check_acl", self._check_publish, priority, denies))
            self._handles.append(on("client_subscribe_check_acl", self._check_subscribe, priority, denies))

    async def _sweep(self) -> None:
        while True:
            await trio.sleep(SWEEP_INTERVAL_S)
            for client in self._memory.due():
                self.host.drop_access_cache(client.client_id)

    def _count(self, what: str, word: str) -> None:
        said = self._said[what]
        said[word] = said.get(word, 0) + 1

    async def _authenticate(self, request: AuthRequest) -> AuthResult | None:
        asking, asked, config = self._asking, self._auth, self.config
        if asking is None or asked is None:
            return None
        client = request.client
        try:
            answer = await asking.ask(asked, login_values(request), client)
        except NoAnswerError as error:
            self._count("auth", "failed")
            if error.kind == "unsendable":
                return AuthResult(DENY, reason_code=BAD_USER_NAME_OR_PASSWORD)
            if not config.deny_if_error:
                return None
            return AuthResult(DENY, reason_code=SERVER_UNAVAILABLE, reason_string="nobody answers who may connect")
        if answer.verdict == ALLOW and answer.expires_at and answer.expires_at <= self.host.now():
            self._count("auth", "expired")
            return AuthResult(DENY, reason_code=BAD_USER_NAME_OR_PASSWORD, reason_string="the login has ended")
        self._count("auth", _WORDS[answer.verdict])
        if answer.verdict == UNDECIDED:
            return None
        if answer.verdict == DENY:
            return AuthResult(DENY, reason_code=BAD_USER_NAME_OR_PASSWORD)
        if answer.rules:
            self._memory.logged_in(client, answer.rules, answer.expires_at)
        expires_at = answer.expires_at if config.disconnect_if_expiry else 0.0
        return AuthResult(ALLOW, answer.superuser, expires_at=expires_at)

    async def _check_publish(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        verdict = judge_publish(self._memory.rules(client), topic, qos, retain)
        if verdict == UNDECIDED:
            verdict = await self._ask_access(client, PUBLISH, topic)
        return DENY_AND_DISCONNECT if verdict == DENY and self.config.disconnect_if_pub_rejected else verdict

    async def _check_subscribe(self, client: ClientInfo, topic_filter: str, qos: int) -> int:
        verdict = judge_subscribe(self._memory.rules(client), topic_filter, qos)
        return verdict if verdict != UNDECIDED else await self._ask_access(client, SUBSCRIBE, topic_filter)

    async def _ask_access(self, client: ClientInfo, access: bytes, topic: str) -> int:
        asking, asked, config = self._asking, self._acl, self.config
        if asking is None or asked is None:
            return UNDECIDED
        known = self._memory.verdict(client, (access, topic))
        if known is not None:
            return known
        try:
            answer = await asking.ask(asked, access_values(client, access, topic), client)
        except NoAnswerError:
            self._count("acl", "failed")
            return DENY_ONCE if config.deny_if_error else self._memory.undecided_for(client, SWEEP_INTERVAL_S)
        self._count("acl", _WORDS[answer.verdict])
        if asking is self._asking:
            seconds = config.acl_cache_ttl if answer.cache_ms is None else answer.cache_ms / 1000
            self._memory.remember(client, (access, topic), answer.verdict, ALWAYS if seconds < 0 else seconds)
        return answer.verdict
