"""What a listener's rules and the limits of others say about a topic filter, and the subscription it stands for."""

from typing import TYPE_CHECKING

from rmq.mqtt import codes
from rmq.mqtt.errors import MqttError
from rmq.mqtt.packets import SubscriptionRequest
from rmq.mqtt.topics import has_wildcard, is_valid_topic_filter, level_count, split_filter, split_limited
from rmq.session.limits import Limits
from rmq.session.session import Session
from rmq.storage.records import AddSubscription

if TYPE_CHECKING:
    from rmq.engine.broker import Broker


def refusal(limits: Limits, key: str) -> int:
    """The reason code that a listener's rules refuse a topic filter with, 0 if they don't."""
    try:
        group, limit, topic_filter = split_filter(key)
    except MqttError as error:
        return error.reason_code
    if not is_valid_topic_filter(topic_filter) or (limit and not limits.limit_subscription):
        return codes.TOPIC_FILTER_INVALID
    if group and not limits.shared_subscription_available:
        return codes.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED
    if not limits.wildcard_subscription_available and has_wildcard(topic_filter):
        return codes.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
    if limits.max_topic_levels and level_count(topic_filter) > limits.max_topic_levels:
        return codes.TOPIC_FILTER_INVALID
    return 0


def has_room(broker: "Broker", session: Session, key: str) -> bool:
    """Whether a limited subscription finds room beside those of other sessions; any other one does."""
    limit, topic_filter = split_limited(key)
    return limit == 0 or broker.limited.has_room(session.client_id, limit, topic_filter)


def filter_for_access(key: str) -> str:
    """What access rules are asked about: how many may subscribe changes nothing about what is seen.

    A shared filter stays as it is written, and so does one that is refused anyway.
    """
    try:
        return split_limited(key)[1]
    except MqttError:
        return key


def add_subscription(
    session: Session, request: SubscriptionRequest, qos: int, subscription_id: int = 0
) -> AddSubscription:
    """The operation that makes a subscription of a request that is granted."""
    group, _, topic_filter = split_filter(request.topic_filter)
    return AddSubscription(
        session.client_id,
        request.topic_filter,
        topic_filter,
        group,
        qos,
        request.no_local,
        request.retain_as_published,
        request.retain_handling,
        subscription_id,
        session.epoch,
    )
