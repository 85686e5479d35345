"""Rules as they are asked: the first one that fits the client, the action and the topic decides; without one it's no.

*Connecting*: rules with the action ``connect``, and those with ``all`` that have no topics, asked when it is known who
the client is, in whatever way it was authenticated. No rule fits: it may.

*Publishing*: a rule fits when one of its filters matches the topic name.

*Subscribing* asks about a topic filter, which stands for all topics that it matches:

- an ``allow`` rule fits when one of its filters matches all of them: nobody gets more than was allowed;
- a ``deny`` rule fits when one of its filters matches any of them: nobody gets a part of what was denied. So ``$SYS/#``
  denies ``$SYS/+/x`` and ``$SYS/a/#``, but not ``#``, which matches nothing below ``$SYS``;
- ``{ eq = "filter" }`` fits when just this filter is asked for, be it with ``allow`` or ``deny``;
- ``$share/group/filter`` is judged as ``filter``.

``%c`` and ``%u`` stand for the client id and the user name, literally. Where the value is empty, holds ``+``, ``#`` or
``/``, or would begin a filter with ``$``, that filter of the rule fits nothing.
"""

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from rmq.plugin_api import ClientInfo, filter_covers, filters_overlap, topic_matches, unshared
from rmq_plugins.acl.config import RuleConfig, TopicPattern
from rmq_plugins.acl.filters import has_placeholder, substituted
from rmq_plugins.acl.index import RuleIndex

# Remote hosts whose networks are remembered; then the memory starts afresh.
HOSTS_REMEMBERED: Final = 4096


class Pattern:
    """A filter of a rule, ready to be asked."""

    __slots__ = ("_depends_on_client", "_literal", "_text")

    def __init__(self, config: TopicPattern) -> None:
        self._text = config.text
        self._literal = config.literal
        self._depends_on_client = has_placeholder(config.text)

    def matches(self, client: ClientInfo, topic: str) -> bool:
        """Whether the pattern is about this topic name."""
        text = substituted(self._text, client) if self._depends_on_client else self._text
        if text is None:
            return False
        return text == topic if self._literal else topic_matches(text, topic)

    def fits(self, client: ClientInfo, asked: str, *, allow: bool) -> bool:
        """Whether the pattern is about this topic filter, in a rule that allows or one that denies."""
        text = substituted(self._text, client) if self._depends_on_client else self._text
        if text is None:
            return False
        if self._literal:
            return text == asked
        return filter_covers(text, asked) if allow else filters_overlap(text, asked)


class Rule:
    """A rule, ready to be asked. ``network_bit`` and ``password_bit`` are 0 where the rule asks for neither."""

    __slots__ = (
        "allow",
        "client_id",
        "connects",
        "network_bit",
        "password_bit",
        "patterns",
        "protocol",
        "publishes",
        "subscribes",
        "superuser",
        "user",
    )

    def __init__(self, config: RuleConfig, network_bit: int, password_bit: int) -> None:
        action = config.action
        self.allow = config.access == "allow"
        self.connects = action == "connect" or (action == "all" and not config.topics)
        self.publishes = action in ("publish", "pubsub", "all")
        self.subscribes = action in ("subscribe", "pubsub", "all")
        self.user = config.who.user
        self.client_id = config.who.clientid
        self.superuser = config.who.superuser
        self.protocol = config.who.protocol
        self.network_bit = network_bit
        self.password_bit = password_bit
        self.patterns = [Pattern(topic) for topic in config.topics]

    def fits_client(self, client: ClientInfo, networks: int, passwords: int) -> bool:
        """Whether the rule is about this client, given the bits of the networks and passwords that fit it."""
        if self.network_bit & ~networks or self.password_bit & ~passwords:
            return False
        if self.user is not None and self.user != client.username:
            return False
        if self.client_id is not None and self.client_id != client.client_id:
            return False
        if self.superuser is not None and self.superuser != client.superuser:
            return False
        return self.protocol is None or self.protocol == client.protocol_level


class RuleBook:
    """All rules of a configuration, in order. ``passwords`` is what ``fitting_passwords`` said when the client came."""

    def __init__(self, configs: tuple[RuleConfig, ...]) -> None:
        self.configs = configs
        self._networks: list[IPv4Network | IPv6Network] = []
        self._passwords: list[bytes] = []
        self._rules = [self._compiled(config) for config in configs]
        self._networks_of_host: dict[str, int] = {}
        self._publish_rules = RuleIndex()
        self._subscribe_rules = RuleIndex()
        for place, (rule, config) in enumerate(zip(self._rules, configs, strict=True)):
            filters = [topic.text for topic in config.topics]
            if rule.publishes:
                self._publish_rules.add(place, rule.user, rule.client_id, filters)
            if rule.subscribes:
                self._subscribe_rules.add(place, rule.user, rule.client_id, filters)
        self.uses_passwords = bool(self._passwords)
        self.denies_connections = any(rule.connects and not rule.allow for rule in self._rules)

    def _compiled(self, config: RuleConfig) -> Rule:
        network_bit = password_bit = 0
        if config.who.ipaddr is not None:
            network_bit = 1 << len(self._networks)
            self._networks.append(ip_network(config.who.ipaddr))
        if config.who.password is not None:
            password_bit = 1 << len(self._passwords)
            self._passwords.append(config.who.password.encode())
        return Rule(config, network_bit, password_bit)

    def fitting_passwords(self, password: bytes | None) -> int:
        """A bit for each rule with this password; the password itself needs not be kept."""
        return sum(1 << index for index, known in enumerate(self._passwords) if known == password)

    def carried_over(self, before: "RuleBook", passwords: int) -> int:
        """What ``fitting_passwords`` would say here of a client of which another book said ``passwords``.

        Of a password that no rule had then it isn't known whether the client would have shown it: it counts as not.
        """
        return sum(
            self.fitting_passwords(known)
            for known in {known for index, known in enumerate(before._passwords) if passwords >> index & 1}
        )

    def may_connect(self, client: ClientInfo, passwords: int) -> bool:
        """False when a rule denies it."""
        networks = self._fitting_networks(client)
        for rule in self._rules:
            if rule.connects and rule.fits_client(client, networks, passwords):
                return rule.allow
        return True

    def may_publish(self, client: ClientInfo, topic: str, passwords: int) -> bool:
        """Whether the client may publish to a topic name."""
        return self._allows(self.publish_rule(client, topic, passwords))

    def publish_rule(self, client: ClientInfo, topic: str, passwords: int) -> int | None:
        """The place of the rule that decides, None where none fits."""
        networks = self._fitting_networks(client)
        for place in self._publish_rules.places(client, topic):
            rule = self._rules[place]
            if rule.fits_client(client, networks, passwords):
                patterns = rule.patterns
                if not patterns or any(pattern.matches(client, topic) for pattern in patterns):
                    return place
        return None

    def may_subscribe(self, client: ClientInfo, topic_filter: str, passwords: int) -> bool:
        """Whether the client may subscribe with a topic filter."""
        return self._allows(self.subscribe_rule(client, topic_filter, passwords))

    def subscribe_rule(self, client: ClientInfo, topic_filter: str, passwords: int) -> int | None:
        """The place of the rule that decides, None where none fits."""
        asked = unshared(topic_filter)
        networks = self._fitting_networks(client)
        for place in self._subscribe_rules.places(client, asked):
            rule = self._rules[place]
            if rule.fits_client(client, networks, passwords):
                patterns = rule.patterns
                if not patterns or any(pattern.fits(client, asked, allow=rule.allow) for pattern in patterns):
                    return place
        return None

    def _allows(self, place: int | None) -> bool:
        return place is not None and self._rules[place].allow

    def _fitting_networks(self, client: ClientInfo) -> int:
        if not self._networks:
            return 0
        host = client.remote_host
        known = self._networks_of_host.get(host)
        if known is None:
            if len(self._networks_of_host) >= HOSTS_REMEMBERED:
                self._networks_of_host.clear()
            known = self._networks_of_host[host] = self._networks_with(host)
        return known

    def _networks_with(self, host: str) -> int:
        try:
            address = ip_address(host)
        except ValueError:
            return 0  # a client without an IP address is in no network
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # an IPv4 client of a listener on [::]
        return sum(1 << index for index, network in enumerate(self._networks) if address in network)
