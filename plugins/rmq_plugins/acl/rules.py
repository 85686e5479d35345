"""Rules as they are asked: does this rule fit this client, and what does it say about this topic?

The first rule that fits decides; without one the answer is no.

*Publishing*: a rule fits a topic name that one of its filters matches. *Subscribing* asks about a whole filter, that
is about every topic it matches. An ``allow`` rule fits when one of its filters covers all of them. A ``deny`` rule fits
when one of its filters has a topic in common with them, unless the asked filter reaches into the rule's filter by a
leading wildcard only: ``#`` doesn't match ``$SYS/...`` [MQTT-4.7.2-1], and whoever may not read ``a/b`` would otherwise
be refused ``#`` altogether. ``{ eq = "filter" }`` fits exactly this filter. ``$share/group/filter`` is judged as
``filter``.

``%c`` and ``%u`` in a topic stand for the client id and the user name, taken literally: a rule with a placeholder never
fits a client whose value contains ``+``, ``#`` or ``/``, or that has no user name.
"""

from ipaddress import ip_address

from rmq.plugin_api import ClientInfo, topic_matches
from rmq_plugins.acl.config import RuleConfig, TopicPattern, Who

PUBLISH = "publish"
SUBSCRIBE = "subscribe"
CONNECT = "connect"
SHARED_LIMIT = 1024


def fits_client(who: Who, client: ClientInfo, password: bytes | None) -> bool:
    """Whether a rule is about this client; a rule with a password fits only while the password is at hand."""
    if who.user is not None and who.user != client.username:
        return False
    if who.clientid is not None and who.clientid != client.client_id:
        return False
    if who.superuser is not None and who.superuser != client.superuser:
        return False
    if who.protocol is not None and who.protocol != client.protocol_level:
        return False
    if who.password is not None and (password is None or who.password.get_secret_value().encode() != password):
        return False
    network = who.network
    if network is not None:
        try:
            address = ip_address(client.remote_host)
        except ValueError:
            return False
        if address.version != network.version or address not in network:
            return False
    return True


def substituted(pattern: TopicPattern, client: ClientInfo) -> str | None:
    """The pattern for this client; None when it can't stand for exactly this client."""
    text = pattern.text
    for placeholder, value in (("%c", client.client_id), ("%u", client.username)):
        if placeholder in text:
            if not value or any(character in value for character in "+#/"):
                return None
            text = text.replace(placeholder, value)
    return text


class ClientRules:
    """The rules that are about one client, or about many alike, with their values put in."""

    def __init__(self, rules: list[RuleConfig], client: ClientInfo) -> None:
        self._rules: list[tuple[bool, str, list[tuple[str, bool]] | None]] = []
        for rule in rules:
            topics: list[tuple[str, bool]] | None = None
            if rule.topics:
                topics = []
                for pattern in rule.topics:
                    text = substituted(pattern, client)
                    if text is not None:
                        topics.append((text, pattern.literal))
            self._rules.append((rule.access == "allow", rule.action, topics))

    def may_connect(self) -> bool:
        """Whether no rule about connecting denies it."""
        for allow, action, topics in self._rules:
            if action == CONNECT or (action == "all" and topics is None):
                return allow
        return True

    def may_publish(self, topic: str) -> bool:
        """Whether the client may publish to this topic name."""
        for allow, action, topics in self._rules:
            if action not in (PUBLISH, "pubsub", "all"):
                continue
            if topics is None or any(text == topic if literal else topic_matches(text, topic) for text, literal in topics):
                return allow
        return False

    def may_subscribe(self, topic_filter: str) -> bool:
        """Whether the client may subscribe with this filter."""
        asked = unshared(topic_filter)
        for allow, action, topics in self._rules:
            if action not in (SUBSCRIBE, "pubsub", "all"):
                continue
            if topics is None or any(_fits_filter(text, literal, asked, allow=allow) for text, literal in topics):
                return allow
        return False


class RuleBook:
    """All rules; clients that the same rules fit share one ``ClientRules`` where no placeholder sets them apart."""

    def __init__(self, rules: tuple[RuleConfig, ...]) -> None:
        self._rules = rules
        self._shared: dict[tuple[int, ...], ClientRules] = {}
        self.uses_passwords = any(rule.who.password is not None for rule in rules)
        self.denies_connections = any(
            rule.access == "deny" and (rule.action == CONNECT or (rule.action == "all" and not rule.topics))
            for rule in rules
        )

    def rules_for(self, client: ClientInfo, password: bytes | None) -> ClientRules:
        """The rules about this client; the password is only there while it connects."""
        fitting = tuple(i for i, rule in enumerate(self._rules) if fits_client(rule.who, client, password))
        rules = [self._rules[i] for i in fitting]
        if any("%c" in pattern.text or "%u" in pattern.text for rule in rules for pattern in rule.topics):
            return ClientRules(rules, client)
        shared = self._shared.get(fitting)
        if shared is None:
            shared = ClientRules(rules, client)
            if len(self._shared) < SHARED_LIMIT:
                self._shared[fitting] = shared
        return shared


def _fits_filter(text: str, literal: bool, asked: str, *, allow: bool) -> bool:
    if literal:
        return text == asked
    return covers(text, asked) if allow else overlaps(text, asked)


def unshared(topic_filter: str) -> str:
    """The filter inside ``$share/group/filter``."""
    if topic_filter.startswith("$share/"):
        return topic_filter.split("/", 2)[-1]
    return topic_filter


def covers(rule_filter: str, asked: str) -> bool:
    """Whether every topic that ``asked`` matches is matched by ``rule_filter`` too."""
    rule_levels = rule_filter.split("/")
    asked_levels = asked.split("/")
    if asked.startswith("$") and rule_levels[0] in ("+", "#"):
        return False
    for i, level in enumerate(rule_levels):
        if level == "#":
            return True
        if i >= len(asked_levels) or asked_levels[i] == "#":
            return False
        if level != "+" and level != asked_levels[i]:
            return False
    return len(rule_levels) == len(asked_levels)


def overlaps(rule_filter: str, asked: str) -> bool:
    """Whether ``asked`` reaches into ``rule_filter``, other than by a wildcard in its first level."""
    rule_levels = rule_filter.split("/")
    asked_levels = asked.split("/")
    if asked_levels[0] in ("+", "#") and rule_levels[0] not in ("+", "#"):
        return False
    if asked.startswith("$") != rule_filter.startswith("$"):
        return False
    for i in range(max(len(rule_levels), len(asked_levels))):
        rule_level = rule_levels[i] if i < len(rule_levels) else None
        asked_level = asked_levels[i] if i < len(asked_levels) else None
        if rule_level == "#" or asked_level == "#":
            return True
        if rule_level is None or asked_level is None:
            return False
        if rule_level != asked_level and "+" not in (rule_level, asked_level):
            return False
    return True
