"""What one topic filter has when it has more than one plain subscription: subscriptions and share groups."""

from rmq.routing.dict_memory import shrunk
from rmq.routing.share_groups import ShareGroup, ShareStrategy
from rmq.session.subscription import Subscription


class Subscribers:
    """The plain subscriptions (by client id) and share groups (by share name) of one topic filter."""

    __slots__ = ("groups", "plain", "topic_filter")

    def __init__(self, topic_filter: str) -> None:
        self.topic_filter = topic_filter
        self.plain: dict[str, Subscription] | None = None
        self.groups: dict[str, ShareGroup] | None = None

    def add(self, subscription: Subscription, strategy: ShareStrategy) -> Subscription | None:
        """The subscription that was replaced (same client, same share name), if any."""
        if subscription.share_group:
            groups = self.groups
            if groups is None:
                groups = {}
                self.groups = groups
            group = groups.get(subscription.share_group)
            if group is None:
                group = ShareGroup(subscription.share_group, self.topic_filter, strategy)
                groups[subscription.share_group] = group
            return group.add(subscription)
        plain = self.plain
        if plain is None:
            plain = {}
            self.plain = plain
        client_id = subscription.session.client_id
        replaced = plain.get(client_id)
        plain[client_id] = subscription
        return replaced

    def remove(self, share_group: str, client_id: str) -> Subscription | None:
        if share_group:
            groups = self.groups
            group = groups.get(share_group) if groups is not None else None
            if groups is None or group is None:
                return None
            gone = group.remove(client_id)
            if not group.members:
                group.dissolve()
                del groups[share_group]
                self.groups = shrunk(groups) if groups else None
            return gone
        plain = self.plain
        if plain is None:
            return None
        gone = plain.pop(client_id, None)
        if gone is not None:
            self.plain = shrunk(plain) if plain else None
        return gone

    def find(self, share_group: str, client_id: str) -> Subscription | None:
        if share_group:
            group = self.groups.get(share_group) if self.groups is not None else None
            return group.member(client_id) if group is not None else None
        return self.plain.get(client_id) if self.plain is not None else None

    def only_plain(self) -> Subscription | None:
        """The one plain subscription when there is nothing else: what the trie then keeps instead of this object."""
        plain = self.plain
        if self.groups is not None or plain is None or len(plain) != 1:
            return None
        for subscription in plain.values():
            return subscription
        return None
