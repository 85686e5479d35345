"""Where the subscribers of all nodes are: routes, members of share groups, limited subscriptions; part of the state.

As deterministic as ``cluster_state``, which it belongs to.
"""

from typing import TYPE_CHECKING, Final

from rmq.session.session import Session
from rmq.session.subscription import Subscription
from rmq.storage.cluster_records import AddMember

if TYPE_CHECKING:
    from rmq.storage.state import State

# No client can have this as the beginning of its client id [MQTT-1.5.4-2].
ROUTE_OWNER: Final = "\0node "


class ClusterRoutes:
    """``routes`` are the topic filters each node has subscribers of, ``members`` its transient members of share groups
    by client id and key. Those of other nodes stand in the router as subscriptions of sessions that are ``remote``.

    Limited subscriptions of transient sessions are ``members`` too; the router knows those of this node only, and
    ``holders`` has all of them by topic filter and client id.
    """

    __slots__ = ("holders", "members", "routes", "state")

    def __init__(self, state: "State") -> None:
        self.state = state
        self.routes: dict[int, dict[str, Subscription]] = {}
        self.members: dict[int, dict[str, Subscription]] = {}
        self.holders: dict[str, dict[str, Subscription]] = {}

    def add_route(self, node: int, topic_filter: str) -> None:
        """A node has subscribers of a topic filter."""
        routes = self.routes.setdefault(node, {})
        if topic_filter not in routes:
            session = self._session_of(node, f"{ROUTE_OWNER}{node}")
            subscription = Subscription(session, topic_filter, topic_filter, "", 2, False, True, 0, 0)
            routes[topic_filter] = subscription
            if session.remote:
                self.state.router.add(subscription)

    def join(self, o: AddMember) -> bool:
        """A transient session joins a share group, or has a limited subscription if there is room for one."""
        subscription = self._member(o.node, o.client_id, o.key, o.topic_filter, o.share_group, o.qos)
        if subscription.limit and not self.has_room(subscription):
            return False
        self._enter_member(o.node, subscription)
        return True

    def has_room(self, subscription: Subscription) -> bool:
        """Whether a limited subscription finds room beside those that were applied before, of this client or others."""
        topic_filter = subscription.topic_filter
        limit = subscription.limit
        others = 0
        client_id = subscription.session.client_id
        holders = self.holders.get(topic_filter, {})
        for other, held in holders.items():
            if other != client_id:
                others += 1
                limit = min(limit, held.limit)
        # Those of kept sessions are in every router; others are there before they are applied.
        for other, held in self.state.router.limited.get(topic_filter, {}).items():
            if held.session.persistent and other != client_id and other not in holders:
                others += 1
                limit = min(limit, held.limit)
        return others < limit

    def add_member(self, node: int, client_id: str, key: str, topic_filter: str, share_group: str, qos: int) -> None:
        """A node has a transient member of a share group, or a limited subscription of a transient session."""
        self._enter_member(node, self._member(node, client_id, key, topic_filter, share_group, qos))

    def _member(
        self, node: int, client_id: str, key: str, topic_filter: str, share_group: str, qos: int
    ) -> Subscription:
        session = self._session_of(node, client_id)
        return Subscription(session, key, topic_filter, share_group, qos, False, False, 0, 0)

    def _enter_member(self, node: int, subscription: Subscription) -> None:
        session = subscription.session
        members = self.members.setdefault(node, {})
        name = member_key(session.client_id, subscription.key)
        self.remove(self.members, node, name)
        members[name] = subscription
        if subscription.limit:
            self.holders.setdefault(subscription.topic_filter, {})[session.client_id] = subscription
        elif session.remote:
            self.state.router.add(subscription)

    def _session_of(self, node: int, client_id: str) -> Session:
        session = Session(client_id, False)
        session.node = node
        session.remote = node != self.state.node_id
        return session

    def remove(self, table: dict[int, dict[str, Subscription]], node: int, name: str) -> None:
        """A node has no subscriber of that name any more; ``table`` is ``routes`` or ``members``."""
        subscriptions = table.get(node)
        if subscriptions is not None:
            subscription = subscriptions.pop(name, None)
            if subscription is not None:
                self._drop(subscription)

    def _drop(self, subscription: Subscription) -> None:
        if subscription.limit:
            holders = self.holders.get(subscription.topic_filter, {})
            client_id = subscription.session.client_id
            if holders.get(client_id) is subscription:
                del holders[client_id]
                if not holders:
                    del self.holders[subscription.topic_filter]
        elif subscription.session.remote:
            self.state.router.remove(subscription)

    def drop_routes(self, node: int) -> None:
        """Nobody is subscribed there any more."""
        for table in (self.routes, self.members):
            for subscription in table.pop(node, {}).values():
                self._drop(subscription)


def member_key(client_id: str, key: str) -> str:
    """One client's membership in one share group."""
    return f"{client_id}\0{key}"
