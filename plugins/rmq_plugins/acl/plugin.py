"""The plugin: asks the rules at CONNECT, PUBLISH and SUBSCRIBE."""

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
from rmq_plugins.acl.rules import ClientRules, RuleBook


class AclPlugin(Plugin[AclConfig]):
    """Decides by rules; verdicts on topic names are cached by the engine for the life of a connection."""

    name = "rmq-acl"
    descr = "Access control by ordered rules"
    Config = AclConfig

    def __init__(self, config: AclConfig, host: PluginHost) -> None:
        super().__init__(config, host)
        self._book = RuleBook(config.rules)
        self._denied = 0

    async def start(self) -> None:
        """Hook in with the configured priority."""
        priority = self.config.priority
        if self._book.denies_connections or self._book.uses_passwords:
            self.host.on("client_authenticate", self._authenticate, priority)
        self.host.on("message_publish_check_acl", self._check_publish, priority)
        self.host.on("client_subscribe_check_acl", self._check_subscribe, priority)

    def attrs(self) -> dict[str, object]:
        """How many rules there are, and how often they said no."""
        return {"rules": len(self.config.rules), "denied": self._denied}

    def _authenticate(self, request: AuthRequest) -> AuthResult | None:
        rules = self._book.rules_for(request.client, request.password)
        self._remember(request.client, rules)
        if rules.may_connect():
            return None
        self._denied += 1
        return AuthResult(DENY)

    def _check_publish(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        if self._rules(client).may_publish(topic):
            return ALLOW
        self._denied += 1
        return DENY_AND_DISCONNECT if self.config.disconnect_if_pub_rejected else DENY

    def _check_subscribe(self, client: ClientInfo, topic_filter: str, qos: int) -> int:
        if self._rules(client).may_subscribe(topic_filter):
            return ALLOW
        self._denied += 1
        return DENY

    def _rules(self, client: ClientInfo) -> ClientRules:
        known = None if client.notes is None else client.notes.get(self.name)
        if isinstance(known, ClientRules):
            return known
        rules = self._book.rules_for(client, None)
        if self._book.uses_passwords:
            self._remember(client, rules)
        return rules

    def _remember(self, client: ClientInfo, rules: ClientRules) -> None:
        if client.notes is None:
            client.notes = {}
        client.notes[self.name] = rules
