"""What is retained, as a new subscriber at each node sees it."""

from __future__ import annotations

from collections.abc import Iterable

from tests.support.cluster_processes import Member
from tests.support.wire_parser import Publish


def retained_at(member: Member, topic_filter: str) -> dict[str, bytes]:
    """The retained messages that match, by topic."""
    client = member.connect("", clean=True, expiry=0)
    try:
        assert client.subscribe(topic_filter).codes == [0]
        found: dict[str, bytes] = {}
        # The broker sends them when there is room for them: until nothing more comes.
        while packets := client.drain():
            for packet in packets:
                assert isinstance(packet, Publish), packet
                if packet.retain:
                    assert packet.topic not in found
                    found[packet.topic] = packet.payload
        return found
    finally:
        client.close()


def equal_everywhere(members: Iterable[Member], topic_filter: str) -> dict[str, bytes]:
    """What all these nodes have; AssertionError when they differ."""
    found = {member.number: retained_at(member, topic_filter) for member in members}
    first, *others = found.values()
    for other in others:
        assert other == first, {
            topic: {number: each.get(topic) for number, each in found.items()}
            for topic in first.keys() | other.keys()
            if first.get(topic) != other.get(topic)
        }
    return first
