"""The specification's matching rules written down naively, and small builders; what the routing tests compare with."""

from hypothesis import strategies as st

from rmq.mqtt.framing import Decoder
from rmq.mqtt.message import Message
from rmq.mqtt.topic_cache import TopicCache
from rmq.session.channel import Channel
from rmq.session.limits import Limits
from rmq.session.session import Session
from rmq.session.subscription import Subscription
from rmq.session.transport import Transport

LEVELS = ["a", "b", "cc", "", "$x"]

topics = st.lists(st.sampled_from(LEVELS), min_size=1, max_size=5).map("/".join)
_stems = st.lists(st.sampled_from([*LEVELS, "+", "+"]), min_size=1, max_size=5).map("/".join)
filters = st.one_of(_stems, _stems.map(lambda stem: stem + "/#"), st.just("#"))


def matches(topic_filter: str, topic: str) -> bool:
    """MQTT 5.0, 4.7, level by level."""
    wanted = topic_filter.split("/")
    levels = topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for i, level in enumerate(wanted):
        if level == "#":
            return len(levels) >= i
        if i >= len(levels) or (level != "+" and level != levels[i]):
            return False
    return len(wanted) == len(levels)


def session(client_id: str, persistent: bool = False) -> Session:
    return Session(client_id, persistent)


def live(client_id: str, persistent: bool = False) -> Session:
    """A session with a connection (to nowhere)."""
    owner = session(client_id, persistent)
    owner.channel = Channel(Decoder(0, TopicCache()), Limits("test"), Transport(), 0.0)
    return owner


def subscription(
    owner: Session,
    key: str,
    qos: int = 0,
    no_local: bool = False,
    retain_as_published: bool = False,
    subscription_id: int = 0,
) -> Subscription:
    """A subscription as SUBSCRIBE would make it of the filter ``key``."""
    share_group, topic_filter = "", key
    if key.startswith("$share/"):
        _, share_group, topic_filter = key.split("/", 2)
    return Subscription(owner, key, topic_filter, share_group, qos, no_local, retain_as_published, 0, subscription_id)


def message(topic: str, publisher: str = "publisher", payload: bytes = b"x") -> Message:
    return Message(topic, payload, 0, False, publisher)
