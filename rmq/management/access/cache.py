"""What the connection of a client remembers of access rules: verdicts on publishing, until the rules change."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rmq.flow.publish import VERDICT_BITS, VERDICT_MASK
from rmq.hooks.verdicts import ALLOW, UNDECIDED
from rmq.management.errors import ClientNotFound

if TYPE_CHECKING:
    from rmq.management.local import LocalNode
    from rmq.session.channel import Channel

# QoS and RETAIN, in the order in which their verdicts are kept.
_COMBINATIONS: Final = tuple((qos, retain) for qos in (0, 1, 2) for retain in (False, True))
# Of so many connections at a time all verdicts are forgotten: a fraction of a millisecond.
_DROPPED_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class VerdictView:
    """May the client publish to this topic name so? It was asked ``since`` then or later, in seconds since 1970."""

    topic: str
    qos: int
    retain: bool
    allowed: bool
    since: float


def access_cache(node: "LocalNode", client_id: str) -> tuple[VerdictView, ...]:
    """The verdicts that are remembered; raises ``ClientNotFound`` for a client that isn't connected here."""
    channel = _channel(node, client_id)
    since = 0.0 if channel.info is None else channel.info.connected_at
    found: list[VerdictView] = []
    for topic, packed in (channel.acl or {}).items():
        for index, (qos, retain) in enumerate(_COMBINATIONS):
            verdict = packed >> (index * VERDICT_BITS) & VERDICT_MASK
            if verdict != UNDECIDED:
                found.append(VerdictView(topic, qos, retain, verdict == ALLOW, since))
    return tuple(found)


def drop_access_cache(node: "LocalNode", client_id: str, topic: str | None) -> None:
    """Forget them, or those of one topic name; raises ``ClientNotFound`` for a client that isn't connected here."""
    channel = _channel(node, client_id)
    if topic is None:
        channel.acl = None
    elif channel.acl is not None:
        channel.acl.pop(topic, None)


async def drop_all_access_caches(node: "LocalNode") -> int:
    """Forget all verdicts of all connections here, slice by slice; how many connections are there?"""
    channels = list(node.broker.registry)
    for start in range(0, len(channels), _DROPPED_AT_ONCE):
        await node.turns.wait()
        for channel in channels[start : start + _DROPPED_AT_ONCE]:
            channel.acl = None
    return len(channels)


def _channel(node: "LocalNode", client_id: str) -> "Channel":
    channel = node.broker.registry.get(client_id)
    if channel is None:
        raise ClientNotFound(client_id)
    return channel
