"""The plugin: asks the rules when a client connects, publishes and subscribes."""

from typing import Final

from rmq.plugin_api import (
    ALLOW,
    DENY,
    DENY_AND_DISCONNECT,
    AuthRequest,
    AuthResult,
    ClientInfo,
    Plugin,
    PluginHost,
)
from rmq_plugins.acl.config import AclConfig
from rmq_plugins.acl.rules import RuleBook

# Clients between authentication and CONNACK; one whose connection breaks in that moment is told to nobody.
MAX_CONNECTING: Final = 10_000


class AclPlugin(Plugin[AclConfig]):
    """Access control by rules. Passwords aren't kept: only which rules' passwords a client has shown."""

    name = "rmq-acl"
    descr = "Access control by ordered rules"
    Config = AclConfig

    def __init__(self, config: AclConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._book = RuleBook(config.rules)
        self._publish_denial = DENY_AND_DISCONNECT if config.disconnect_if_pub_rejected else DENY
        self._connecting: dict[ClientInfo, int] = {}
        self._connected: dict[ClientInfo, int] = {}
        self._denied = {"connect": 0, "publish": 0, "subscribe": 0}

    async def start(self) -> None:
        """Take part where the rules need it, with the configured priority."""
        priority = self.config.priority
        book = self._book
        if book.denies_connections or book.uses_passwords:
            self.host.on("client_authenticate", self._authenticate, priority)
        if book.uses_passwords:
            self.host.on("client_connack", self._answered)
            self.host.on("client_disconnected", self._disconnected)
        self.host.on("message_publish_check_acl", self._check_publish, priority)
        self.host.on("client_subscribe_check_acl", self._check_subscribe, priority)

    def attrs(self) -> dict[str, object]:
        """How many rules there are, and how often they said no."""
        return {"rules": len(self.config.rules), "denied": dict(self._denied)}

    def _authenticate(self, request: AuthRequest) -> AuthResult | None:
        client = request.client
        passwords = self._book.fitting_passwords(request.password)
        if not self._book.may_connect(client, passwords):
            self._denied["connect"] += 1
            return AuthResult(DENY)
        if passwords:
            if len(self._connecting) >= MAX_CONNECTING:
                del self._connecting[next(iter(self._connecting))]
            self._connecting[client] = passwords
        return None

    def _answered(self, client: ClientInfo, reason_code: int) -> None:
        passwords = self._connecting.pop(client, 0)
        if passwords and reason_code == 0:
            self._connected[client] = passwords

    def _disconnected(self, client: ClientInfo, reason_code: int, text: str) -> None:
        self._connected.pop(client, None)

    def _passwords(self, client: ClientInfo) -> int:
        if not self._book.uses_passwords:
            return 0
        # The will is checked while the client is still connecting.
        return self._connected.get(client, 0) or self._connecting.get(client, 0)

    def _check_publish(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        if self._book.may_publish(client, topic, self._passwords(client)):
            return ALLOW
        self._denied["publish"] += 1
        return self._publish_denial

    def _check_subscribe(self, client: ClientInfo, topic_filter: str, qos: int) -> int:
        if self._book.may_subscribe(client, topic_filter, self._passwords(client)):
            return ALLOW
        self._denied["subscribe"] += 1
        return DENY
