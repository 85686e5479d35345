"""The plugin: asks the rules when a client connects, publishes and subscribes."""

from collections.abc import Mapping
from functools import partial
from typing import Final

import trio

from rmq.plugin_api import (
    ALLOW,
    DENY,
    DENY_AND_DISCONNECT,
    UNDECIDED,
    ClientInfo,
    Connect,
    Handle,
    Plugin,
    PluginHost,
)
from rmq_plugins.acl.changes import MOST, AllowedNoMore, rule_changes, shown
from rmq_plugins.acl.config import AclConfig
from rmq_plugins.acl.rules import RuleBook

# Clients between CONNECT and CONNACK; one whose connection breaks in that moment is told to nobody.
MAX_CONNECTING: Final = 10_000
# Clients that are away and have shown a password, for the time when other rules come.
MAX_AWAY: Final = 100_000


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
        self._away: dict[str, tuple[ClientInfo, int]] = {}
        self._ended = 0
        self._denied = {"connect": 0, "publish": 0, "subscribe": 0}
        self._handles: list[Handle] = []

    async def start(self) -> None:
        """Take part where the rules need it, with the configured priority."""
        self.host.explain_access(self._explain)
        self._take_part()

    async def reload(self, config: AclConfig) -> None:
        """Go over to other rules between two packets. Who is connected stays so, and is judged by the new ones.

        A password that only the new rules have counts as not shown by clients that are connected already. Subscriptions
        that are allowed no more end in the background.
        """
        book = await _made(config)
        old = self._book
        allowed_no_more = AllowedNoMore(old, self._all_passwords(), lambda: self._book, self._passwords_shown)
        self._away = {
            client_id: (client, book.carried_over(old, passwords))
            for client_id, (client, passwords) in self._away.items()
        }
        for clients in (self._connecting, self._connected):
            for client, passwords in clients.items():
                clients[client] = book.carried_over(self._book, passwords)
        self.config = config
        self._book = book
        self._publish_denial = DENY_AND_DISCONNECT if config.disconnect_if_pub_rejected else DENY
        before = self._handles
        self._take_part()
        for handle in before:
            self.host.off(handle)
        if old.configs != book.configs:
            self.host.spawn(partial(self._end_subscriptions, allowed_no_more))

    async def _end_subscriptions(self, allowed_no_more: AllowedNoMore) -> None:
        self._ended += await self.host.end_subscriptions(allowed_no_more, "the rules of rmq-acl have changed")

    async def preview(self, config: AclConfig) -> dict[str, object]:
        """The rules that come and go, and the subscriptions that would end."""
        book = await _made(config)
        old = self._book

        def passwords_then(client: ClientInfo) -> int:
            return book.carried_over(old, self._passwords_shown(client))

        suspect = AllowedNoMore(old, self._all_passwords(), lambda: book, passwords_then)
        found = await self.host.find_subscriptions(suspect, MOST)
        return rule_changes(self.config.rules, config.rules) | {
            "subscriptions_ending": found.total,
            "clients_affected": found.connected_clients,
            "sessions_judged_later": found.unknown,
            "subscriptions": [
                {"clientid": one.client_id, "topic": one.key, "connected": one.connected} for one in found.first
            ],
        }

    def _take_part(self) -> None:
        priority = self.config.priority
        on = self.host.on
        self._handles = [
            on("message_publish_check_acl", self._check_publish, priority),
            on("client_subscribe_check_acl", self._check_subscribe, priority),
        ]
        if self._book.denies_connections:
            self._handles.append(on("client_connect_check_acl", self._check_connect, priority))
        if self._book.uses_passwords:
            self._handles.append(on("client_connect", self._connecting_with, priority))
            self._handles.append(on("client_connack", self._answered))
            self._handles.append(on("client_disconnected", self._disconnected))
            self._handles.append(on("session_terminated", self._session_ended))

    def attrs(self) -> dict[str, object]:
        """How many rules there are, and how often they said no."""
        return {
            "rules": len(self.config.rules),
            "denied": dict(self._denied),
            "subscriptions_ended": self._ended,
        }

    def _connecting_with(self, client: ClientInfo, connect: Connect) -> None:
        # Beside an AUTH exchange a password proves nothing: nobody checks it.
        passwords = 0 if connect.auth_method is not None else self._book.fitting_passwords(connect.password)
        if passwords:
            if len(self._connecting) >= MAX_CONNECTING:
                del self._connecting[next(iter(self._connecting))]
            self._connecting[client] = passwords

    def _check_connect(self, client: ClientInfo) -> int:
        if self._book.may_connect(client, self._passwords(client)):
            return UNDECIDED
        self._denied["connect"] += 1
        return DENY

    def _answered(self, client: ClientInfo, reason_code: int) -> None:
        passwords = self._connecting.pop(client, 0)
        if reason_code == 0:
            self._away.pop(client.client_id, None)
        if passwords and reason_code == 0:
            self._connected[client] = passwords

    def _disconnected(self, client: ClientInfo, reason_code: int, text: str) -> None:
        passwords = self._connected.pop(client, 0)
        if passwords:
            if len(self._away) >= MAX_AWAY:
                del self._away[next(iter(self._away))]
            self._away[client.client_id] = (client, passwords)

    def _session_ended(self, client_id: str, reason_code: int) -> None:
        self._away.pop(client_id, None)

    def _all_passwords(self) -> dict[ClientInfo, int]:
        return {**self._connecting, **self._connected, **dict(self._away.values())}

    def _explain(
        self, client: ClientInfo, action: str, topic: str, qos: int, retain: bool
    ) -> tuple[int, Mapping[str, object]]:
        book, passwords = self._book, self._passwords(client)
        if action == "publish":
            place = book.publish_rule(client, topic, passwords)
        else:
            place = book.subscribe_rule(client, topic, passwords)
        if place is None:
            return DENY, {"reason": "no rule fits"}
        rule = book.configs[place]
        return ALLOW if rule.access == "allow" else DENY, shown(place, rule)

    def _passwords(self, client: ClientInfo) -> int:
        if not self._book.uses_passwords:
            return 0
        # The will is checked while the client is still connecting.
        return self._connected.get(client, 0) or self._connecting.get(client, 0)

    def _passwords_shown(self, client: ClientInfo) -> int:
        """The same, also of a client that is away."""
        away = self._away.get(client.client_id)
        return away[1] if away is not None and away[0] is client else self._passwords(client)

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


async def _made(config: AclConfig) -> RuleBook:
    """The rules, ready to be asked; in a thread, because ten thousand of them take half a second."""
    return await trio.to_thread.run_sync(RuleBook, config.rules)
