"""Subscriptions as they enter and leave sessions and the router, for kept sessions and others alike."""

from rmq.routing.router import Router
from rmq.session.session import Session
from rmq.session.subscription import Subscription
from rmq.storage.records import AddSubscription


def subscription_of(session: Session, operation: AddSubscription) -> Subscription:
    """The subscription that an operation describes."""
    return Subscription(
        session,
        operation.key,
        operation.topic_filter,
        operation.share_group,
        operation.qos,
        operation.no_local,
        operation.retain_as_published,
        operation.retain_handling,
        operation.subscription_id,
    )


def subscribe(router: Router, subscription: Subscription) -> Subscription | None:
    """Enter a subscription in its session and in the router, replacing one with the same filter [MQTT-3.8.4-3].

    ``t``, ``$exclusive/t`` and ``$limit/n/t`` are the same filter: of one session the last one holds. Returns the one
    whose place in the router it took, if any.
    """
    session = subscription.session
    replaced = router.add(subscription)
    if replaced is not None and replaced.key != subscription.key and replaced.session is session:
        session.drop_subscription(replaced.key)
    session.put_subscription(subscription)
    return replaced


def unsubscribe(router: Router, session: Session, key: str) -> Subscription | None:
    """Take a subscription out of its session and the router; None if there was none."""
    subscription = session.drop_subscription(key)
    if subscription is not None:
        router.remove(subscription)
    return subscription


def unsubscribe_all(router: Router, session: Session) -> None:
    """Take every subscription of a session that ends out of the router."""
    subscriptions = session.subscriptions
    if subscriptions is None:
        return
    session.subscriptions = None
    for subscription in subscriptions.values():
        router.remove(subscription)
