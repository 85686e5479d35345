"""The topic filters that this node's transient sessions subscribe to, as the other nodes have to know them."""

from rmq.session.session import Session
from rmq.session.subscription import Subscription
from rmq.storage.cluster_records import AddMember, AddRoute, ClusterOperation, RemoveMember, RemoveRoute


class LocalRoutes:
    """Counts subscribers by topic filter: only the first and the last one change anything elsewhere.

    Members of share groups are told one by one: any node may choose one of them. So are limited subscriptions, which
    count on all nodes. ``node_id`` is 0 while the node is alone, and then nobody is told anything.
    """

    def __init__(self) -> None:
        self.node_id = 0
        self._counts: dict[str, int] = {}
        self._members: dict[tuple[str, str], AddMember] = {}

    def entered(self, subscription: Subscription, replaced: Subscription | None) -> list[ClusterOperation]:
        """A transient session subscribes, which took the place of ``replaced``; what others have to know."""
        if not self.node_id:
            return []
        if subscription.share_group:
            return [self._joined(subscription)]
        operations: list[ClusterOperation] = []
        if replaced is not None and replaced.session is subscription.session:
            if replaced.limit and replaced.key != subscription.key:
                operations += self._parted(replaced)
        else:
            count = self._counts.get(subscription.topic_filter, 0)
            self._counts[subscription.topic_filter] = count + 1
            if not count:
                operations.append(AddRoute(self.node_id, subscription.topic_filter))
        if subscription.limit:
            operations.append(self._joined(subscription))
        return operations

    def _joined(self, subscription: Subscription) -> AddMember:
        client_id = subscription.session.client_id
        member = AddMember(
            self.node_id,
            client_id,
            subscription.key,
            subscription.topic_filter,
            subscription.share_group,
            subscription.qos,
            subscription.session.epoch,
        )
        self._members[client_id, subscription.key] = member
        return member

    def _parted(self, subscription: Subscription) -> list[ClusterOperation]:
        client_id = subscription.session.client_id
        if self._members.pop((client_id, subscription.key), None) is None:
            return []
        return [RemoveMember(self.node_id, client_id, subscription.key)]

    def left(self, subscription: Subscription) -> list[ClusterOperation]:
        """A transient session has unsubscribed; what others have to know."""
        if not self.node_id:
            return []
        if subscription.share_group:
            return self._parted(subscription)
        operations = self._parted(subscription) if subscription.limit else []
        count = self._counts.get(subscription.topic_filter, 0)
        if count > 1:
            self._counts[subscription.topic_filter] = count - 1
        elif self._counts.pop(subscription.topic_filter, 0):
            operations.append(RemoveRoute(self.node_id, subscription.topic_filter))
        return operations

    def ended(self, session: Session) -> list[ClusterOperation]:
        """A transient session is gone; what others have to know."""
        operations: list[ClusterOperation] = []
        if self.node_id and session.subscriptions is not None:
            for subscription in session.subscriptions.values():
                operations += self.left(subscription)
        return operations

    def all(self) -> list[ClusterOperation]:
        """Everything, for nodes that have forgotten it: this one was declared down."""
        routes: list[ClusterOperation] = [AddRoute(self.node_id, topic_filter) for topic_filter in self._counts]
        return routes + list(self._members.values())
