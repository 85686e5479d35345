"""Router: subscriptions in, the deliveries of a topic name out."""

from rmq.routing.match_cache import MatchCache
from rmq.routing.share_groups import ShareStrategy, strategy_code
from rmq.routing.targets import Targets, build_targets
from rmq.routing.topic_trie import TopicTrie
from rmq.session.subscription import Subscription


class Router:
    """Every subscription known on this node and what a topic name matches, through a bounded cache.

    ``limited`` has the limited subscriptions (``Subscription.limit``) by topic filter and client id.
    ``strategy`` is one of ``share_groups.STRATEGY_NAMES``; ``seed`` makes its random choices differ between nodes.
    ``successor`` is a router that is being filled to take the place of this one's content: what connections of this
    node subscribe to, and nobody keeps, goes there too.
    """

    __slots__ = (
        "_allow_multiple_matches",
        "_cache",
        "_share_strategy",
        "_trie",
        "limited",
        "shared_count",
        "subscription_count",
        "successor",
    )

    def __init__(
        self,
        allow_multiple_matches: bool = False,
        cache_size: int = 8192,
        strategy: str = "round_robin",
        seed: int = 1,
        sticky_limit: int = 100_000,
    ) -> None:
        self._allow_multiple_matches = allow_multiple_matches
        self._share_strategy: ShareStrategy = ShareStrategy(strategy_code(strategy), seed, sticky_limit)
        self._trie: TopicTrie = TopicTrie(self._share_strategy)
        self._cache: MatchCache = MatchCache(cache_size)
        self.limited: dict[str, dict[str, Subscription]] = {}
        self.subscription_count: int = 0
        self.shared_count: int = 0
        self.successor: Router | None = None

    def make_successor(self) -> "Router":
        """An empty router by the same rules."""
        made = Router(self._allow_multiple_matches, self._cache.size)
        made._share_strategy = self._share_strategy.make_successor()
        made._trie = TopicTrie(made._share_strategy)
        return made

    def exchange(self, other: "Router") -> None:
        """Take the content of another router, which gets this one's."""
        self._trie, other._trie = other._trie, self._trie
        self._cache, other._cache = other._cache, self._cache
        self._share_strategy, other._share_strategy = other._share_strategy, self._share_strategy
        self._share_strategy.take_rules(other._share_strategy)
        self.limited, other.limited = other.limited, self.limited
        self.subscription_count, other.subscription_count = other.subscription_count, self.subscription_count
        self.shared_count, other.shared_count = other.shared_count, self.shared_count
        allowed, self._allow_multiple_matches = self._allow_multiple_matches, other._allow_multiple_matches
        other._allow_multiple_matches = allowed

    def carry(self, subscription: Subscription) -> None:
        """Add a subscription, unless another session of that client id has its place."""
        found = self._trie.find(subscription.topic_filter, subscription.share_group, subscription.session.client_id)
        if found is None or found.session is subscription.session:
            self.add(subscription)

    def take_apart(self, count: int) -> bool:
        """Let go of about so many filters, when nobody uses the router any more; False when nothing is left."""
        return self._trie.take_apart(count)

    def set_allow_multiple_matches(self, allowed: bool) -> None:
        """Whether overlapping subscriptions of one session make one delivery each."""
        if allowed != self._allow_multiple_matches:
            self._allow_multiple_matches = allowed
            self._cache.clear()

    @property
    def allow_multiple_matches(self) -> bool:
        """Whether overlapping subscriptions of one session make one delivery each."""
        return self._allow_multiple_matches

    @property
    def topics(self) -> int:
        """How many distinct topic filters there are (share names left off)."""
        return self._trie.filter_count

    @property
    def cached_topics(self) -> int:
        return len(self._cache)

    def add(self, subscription: Subscription) -> Subscription | None:
        """Adds a subscription; returns the one of the same client, filter and share name it replaced, if any."""
        replaced = self._trie.add(subscription)
        if replaced is None:
            self.subscription_count += 1
            if subscription.share_group:
                self.shared_count += 1
        elif replaced.limit:
            self._drop_limited(replaced)
        if subscription.limit:
            self.limited.setdefault(subscription.topic_filter, {})[subscription.session.client_id] = subscription
        self._cache.filter_changed(subscription.topic_filter)
        if self.successor is not None:
            session = subscription.session
            if not session.persistent and not session.remote:
                self.successor.carry(subscription)
        return replaced

    def remove(self, subscription: Subscription) -> bool:
        """Removes a subscription; False if it isn't there, or another session took its place since."""
        topic_filter = subscription.topic_filter
        share_group = subscription.share_group
        client_id = subscription.session.client_id
        found = self._trie.find(topic_filter, share_group, client_id)
        if found is None or found.session is not subscription.session:
            return False
        self._trie.remove(topic_filter, share_group, client_id)
        if found.limit:
            self._drop_limited(found)
        self.subscription_count -= 1
        if share_group:
            self.shared_count -= 1
        self._cache.filter_changed(topic_filter)
        if self.successor is not None and not found.session.persistent and not found.session.remote:
            self.successor.remove(subscription)
        return True

    def _drop_limited(self, subscription: Subscription) -> None:
        holders = self.limited[subscription.topic_filter]
        del holders[subscription.session.client_id]
        if not holders:
            del self.limited[subscription.topic_filter]

    def match(self, topic: str) -> Targets:
        """All deliveries of a topic name. The result is shared with later calls: never change it."""
        targets = self._cache.young.get(topic)
        if targets is None:
            targets = self._match_missed(topic)
        return targets

    def _match_missed(self, topic: str) -> Targets:
        targets = self._cache.get_old(topic)
        if targets is None:
            targets = build_targets(self._trie.match(topic), self._allow_multiple_matches)
            self._cache.offer(topic, targets)
        return targets

    def matching_filters(self, topic: str) -> list[str]:
        """The distinct topic filters a topic name matches, for queries."""
        return [leaf.topic_filter for leaf in self._trie.match(topic)]

    def matching_subscriptions(self, topic: str) -> list[Subscription]:
        """Every subscription that a topic name matches, for queries."""
        found: list[Subscription] = []
        for leaf in self._trie.match(topic):
            if isinstance(leaf, Subscription):
                found.append(leaf)
                continue
            if leaf.plain is not None:
                found.extend(leaf.plain.values())
            if leaf.groups is not None:
                for group in leaf.groups.values():
                    found.extend(group.members)
        return found

    def filters(self, limit: int = 0) -> list[str]:
        """The distinct topic filters, at most ``limit`` of them unless it is 0."""
        return self._trie.filters(limit)

    def set_strategy(self, strategy: str, sticky_limit: int = 100_000) -> None:
        """Another strategy for all shared subscriptions from the next message on."""
        self._share_strategy.change(strategy_code(strategy), sticky_limit)
