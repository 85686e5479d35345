"""Limited subscriptions, `$exclusive/filter` and `$limit/n/filter`: whether there is room for one more.

Who has one is what the router knows of all subscriptions, so nothing can be left over when a session ends; of
transient sessions on other nodes the cluster's state has them. Here are only those that were granted a moment ago and
aren't applied yet.
"""

from collections.abc import Sequence

from rmq.mqtt.topics import split_limited
from rmq.routing.router import Router
from rmq.storage.cluster_state import ClusterState
from rmq.storage.records import AddSubscription, Operation


class LimitedSubscriptions:
    """Sessions of one topic filter count together, whatever their limits are: the lowest one holds for all.

    So a session with ``$exclusive/t`` keeps out ``$limit/5/t`` too. Plain and shared subscriptions of the filter are
    neither counted nor refused.
    """

    def __init__(self, router: Router, cluster: ClusterState) -> None:
        self._router = router
        self._cluster = cluster
        self._proposed: dict[str, list[AddSubscription]] = {}

    def has_room(self, client_id: str, limit: int, topic_filter: str) -> bool:
        """Whether this client may have a subscription of the filter with this limit; its own one is replaced."""
        holders = self._router.limited.get(topic_filter)
        others = {} if holders is None else {client: held.limit for client, held in holders.items()}
        for client, held in self._cluster.holders.get(topic_filter, {}).items():
            if held.session.remote:
                others[client] = held.limit
        for operation in self._proposed.get(topic_filter, ()):
            others[operation.client_id] = split_limited(operation.key)[0]
        others.pop(client_id, None)
        return len(others) < min(limit, *others.values()) if others else True

    def propose(self, operations: Sequence[Operation]) -> list[AddSubscription]:
        """Count those of the operations that are limited subscriptions until they are ``settled``; returns them."""
        proposed: list[AddSubscription] = []
        for operation in operations:
            if isinstance(operation, AddSubscription) and split_limited(operation.key)[0]:
                self._proposed.setdefault(operation.topic_filter, []).append(operation)
                proposed.append(operation)
        return proposed

    def settled(self, proposed: Sequence[AddSubscription]) -> None:
        """They are applied: the router has them, if their sessions are still there."""
        for operation in proposed:
            waiting = self._proposed[operation.topic_filter]
            waiting.remove(operation)
            if not waiting:
                del self._proposed[operation.topic_filter]
