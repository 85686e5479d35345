"""The access rules that all nodes keep (``management.access_rules``) as hook handlers.

A subscription is allowed by a filter that covers it whole, and denied by one that touches it;
``$share/group/filter`` is judged as ``filter``. ``${clientid}`` and ``${username}`` stand for the client's, literally:
where the value is empty, holds + # or /, or would begin a filter with $, the rule fits nothing.
"""

from collections.abc import Iterator
from typing import Final

import structlog

from rmq.engine.broker import Broker
from rmq.engine.timers import Timer
from rmq.hooks.registry import Handle, HookRegistry
from rmq.hooks.verdicts import ALLOW, DENY, UNDECIDED
from rmq.management.accounts.access_rules import KIND, LITERAL, AccessRule, account_name, read_rules
from rmq.management.errors import BadQuery
from rmq.mqtt.topics import matches
from rmq.plugin_api.filters import filter_covers, filters_overlap, unshared
from rmq.session.client_info import ClientInfo
from rmq.storage.accounts import Account

log = structlog.get_logger(__name__)

OWNER: Final = "built-in rules"
# Before rmq-acl, whose rules always decide.
PRIORITY: Final = 20
_UNSAFE: Final = frozenset("+#/\0")


class Rule:
    """A rule, ready to be asked."""

    __slots__ = ("allows", "literal", "of_client", "publishes", "qos", "retain", "subscribes", "text")

    def __init__(self, rule: AccessRule) -> None:
        self.allows = rule.permission == "allow"
        self.publishes = rule.action != "subscribe"
        self.subscribes = rule.action != "publish"
        self.qos = frozenset(rule.qos)
        self.retain = rule.retain
        self.literal = rule.topic.startswith(LITERAL)
        self.text = rule.topic.removeprefix(LITERAL)
        self.of_client = "${" in self.text

    def topic_for(self, client: ClientInfo) -> str | None:
        """The topic filter for this client, None where it fits nothing."""
        if not self.of_client:
            return self.text
        parts: list[str] = []
        rest = self.text
        while rest:
            before, found, after = rest.partition("${")
            parts.append(before)
            if not found:
                break
            name, _, rest = after.partition("}")
            value = client.client_id if name == "clientid" else client.username
            if not value or not _UNSAFE.isdisjoint(value) or (value.startswith("$") and not any(parts)):
                return None
            parts.append(value)
        return "".join(parts)

    def fits_publish(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> bool:
        """Whether it is about this PUBLISH."""
        if not self.publishes or qos not in self.qos or (self.retain is not None and self.retain != retain):
            return False
        text = self.topic_for(client)
        if text is None:
            return False
        return text == topic if self.literal else matches(text, topic)

    def fits_subscribe(self, client: ClientInfo, asked: str, qos: int) -> bool:
        """Whether it is about this topic filter of a SUBSCRIBE."""
        if not self.subscribes or qos not in self.qos:
            return False
        text = self.topic_for(client)
        if text is None:
            return False
        if self.literal:
            return text == asked
        return filter_covers(text, asked) if self.allows else filters_overlap(text, asked)


class BuiltInRules:
    """While there are no rules nobody is asked. Verdicts that connections remember are forgotten when rules change."""

    def __init__(self, broker: Broker, hooks: HookRegistry) -> None:
        self._broker = broker
        self._hooks = hooks
        self._rules: dict[str, tuple[Rule, ...]] = {}
        self._handles: list[Handle] = []
        self._forget = _Forget(broker)
        broker.account_watch.listen(KIND, self._changed)

    def may_publish(self, client: ClientInfo, topic: str, qos: int, retain: bool) -> int:
        """What the first rule says that fits."""
        for rule in self._of(client):
            if rule.fits_publish(client, topic, qos, retain):
                return ALLOW if rule.allows else DENY
        return UNDECIDED

    def may_subscribe(self, client: ClientInfo, topic_filter: str, qos: int) -> int:
        """What the first rule says that fits."""
        asked = unshared(topic_filter)
        for rule in self._of(client):
            if rule.fits_subscribe(client, asked, qos):
                return ALLOW if rule.allows else DENY
        return UNDECIDED

    def _of(self, client: ClientInfo) -> Iterator[Rule]:
        yield from self._rules.get(account_name("clientid", client.client_id), ())
        if client.username is not None:
            yield from self._rules.get(account_name("username", client.username), ())
        yield from self._rules.get(account_name("all", ""), ())

    def _changed(self, name: str | None) -> None:
        accounts = self._broker.state.accounts
        changed = accounts.kinds.get(KIND, {}).values() if name is None else [accounts.find(KIND, name)]
        if name is None:
            self._rules = {}
        else:
            self._rules.pop(name, None)
        for account in changed:
            if account is not None:
                self._rules[account.name] = _ready(account)
        if self._rules and not self._handles:
            on = self._hooks.register
            self._handles = [
                on("message_publish_check_acl", self.may_publish, OWNER, PRIORITY),
                on("client_subscribe_check_acl", self.may_subscribe, OWNER, PRIORITY),
            ]
        elif not self._rules:
            for handle in self._handles:
                self._hooks.unregister(handle)
            self._handles = []
        self._broker.timers.enter(self._forget, self._broker.ctx.now)


def _ready(account: Account) -> tuple[Rule, ...]:
    try:
        return tuple(Rule(rule) for rule in read_rules(account).rules)
    except (BadQuery, ValueError, KeyError, TypeError):  # while an operation is applied: it must not fail on one node
        log.exception("rules that can't be read deny everything", of=account.name)
        return (Rule(AccessRule("deny", "all", "#")), Rule(AccessRule("deny", "all", "$SYS/#")))


class _Forget(Timer):
    """Once a tick, however many rules have changed: it takes time in proportion to the connections."""

    __slots__ = ("_broker",)

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker = broker

    def fire(self, now: float) -> float:
        """Have every connection ask anew."""
        for channel in self._broker.registry:
            channel.acl = None
        return 0.0
