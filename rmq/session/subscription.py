"""A subscription: one topic filter of one session with its subscription options."""

from typing import TYPE_CHECKING

from rmq.mqtt.topics import split_limited

if TYPE_CHECKING:
    from rmq.session.session import Session


class Subscription:
    """What a session asked for with one topic filter.

    ``key`` is the filter as the client wrote it (``$share/g/t/#`` and ``t/#`` are two subscriptions of one
    session); ``topic_filter`` is what is matched, ``share_group`` is "" for a plain subscription.
    ``subscription_id`` is 0 when absent. ``limit`` is how many sessions may have a limited subscription of this filter
    (``$exclusive/t``: 1, ``$limit/n/t``: n), 0 when it isn't one; it follows from the key, so it is kept with it.
    """

    __slots__ = (
        "key",
        "limit",
        "no_local",
        "qos",
        "retain_as_published",
        "retain_handling",
        "session",
        "share_group",
        "subscription_id",
        "topic_filter",
    )

    def __init__(
        self,
        session: "Session",
        key: str,
        topic_filter: str,
        share_group: str,
        qos: int,
        no_local: bool,
        retain_as_published: bool,
        retain_handling: int,
        subscription_id: int,
    ) -> None:
        self.session = session
        self.key = key
        self.topic_filter = topic_filter
        self.share_group = share_group
        self.qos = qos
        self.no_local = no_local
        self.retain_as_published = retain_as_published
        self.retain_handling = retain_handling
        self.subscription_id = subscription_id
        # A key that is the filter itself was taken by a version that knew no limits.
        self.limit = 0 if share_group or key == topic_filter else split_limited(key)[0]
