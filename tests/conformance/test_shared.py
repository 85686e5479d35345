"""Shared subscriptions (4.8.2), for version 3.1.1 clients too."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.client import Client, payloads
from tests.support.packet_notation import V5, V311
from tests.support.wire_parser import Publish, Pubrel

_KEEP = [(wire.SESSION_EXPIRY, 100)]


def _member(clients: Clients, topic_filter: str, qos: int = 1, level: int = V5, keep: bool = False) -> Client:
    client = clients(level=level)
    client.connect(clean=not keep, properties=_KEEP if keep else [])
    assert client.subscribe((topic_filter, qos)).codes == [qos]
    return client


def _publisher(clients: Clients, level: int = V5) -> Client:
    client = clients(level=level)
    client.connect()
    return client


def _collect(members: list[Client]) -> list[list[bytes]]:
    """What each member has received, acknowledged QoS 1 messages included."""
    received = []
    for member in members:
        packets = member.drain()
        for packet in packets:
            assert isinstance(packet, Publish), packet
            if packet.qos == 1:
                member.send(wire.puback(packet.packet_id))
        received.append(payloads(packets))
    return received


@pytest.mark.parametrize("qos", [0, 1])
def test_mqtt_4_8_2_each_message_goes_to_one_member(qos: int, level: int, clients: Clients, topic: str) -> None:
    members = [_member(clients, f"$share/g/{topic}", qos, level) for _ in range(3)]
    publisher = _publisher(clients, level)
    sent = [b"%d" % number for number in range(30)]
    for payload in sent:
        publisher.publish(topic, payload, qos)
    received = _collect(members)
    assert sorted(payload for each in received for payload in each) == sorted(sent)


def test_mqtt_4_8_2_members_share_the_load(clients: Clients, topic: str) -> None:
    members = [_member(clients, f"$share/g/{topic}", 0) for _ in range(2)]
    publisher = _publisher(clients)
    for number in range(100):
        publisher.send_publish(topic, b"%d" % number)
    publisher.expect_nothing()
    received = _collect(members)
    assert sum(map(len, received)) == 100
    assert min(map(len, received)) > 0, "100 messages and a member without one"


def test_mqtt_4_8_2_each_group_gets_its_copy(level: int, clients: Clients, topic: str) -> None:
    one = [_member(clients, f"$share/one/{topic}", 1, level) for _ in range(2)]
    two = [_member(clients, f"$share/two/{topic}", 1, level) for _ in range(2)]
    plain = _member(clients, topic, 1, level)
    publisher = _publisher(clients, level)
    sent = [b"%d" % number for number in range(10)]
    for payload in sent:
        publisher.publish(topic, payload)
    for group in (one, two, [plain]):
        assert sorted(payload for each in _collect(group) for payload in each) == sent


def test_mqtt_4_8_2_one_name_with_two_filters_is_two_subscriptions(level: int, clients: Clients, topic: str) -> None:
    exact = _member(clients, f"$share/g/{topic}/a", 1, level)
    wild = _member(clients, f"$share/g/{topic}/+", 1, level)
    publisher = _publisher(clients, level)
    publisher.publish(f"{topic}/a", b"both")
    publisher.publish(f"{topic}/b", b"wild only")
    exact.receive_publish(b"both")
    exact.expect_nothing()
    wild.receive_publish(b"both")
    wild.receive_publish(b"wild only")


def test_mqtt_4_8_2_shared_beside_plain_in_one_session(level: int, clients: Clients, topic: str) -> None:
    # Two subscriptions, so the client gets a copy for each: the share is no overlap of the plain filter.
    client = _member(clients, f"$share/g/{topic}", 1, level)
    client.subscribe((topic, 1))
    publisher = _publisher(clients, level)
    publisher.publish(topic, b"m")
    assert _collect([client]) == [[b"m", b"m"]]


def test_mqtt_4_8_2_members_of_both_versions(clients: Clients, topic: str) -> None:
    members = [_member(clients, f"$share/g/{topic}", 1, level) for level in (V311, V5)]
    publisher = _publisher(clients)
    for number in range(20):
        publisher.publish(topic, b"%d" % number)
    assert sorted(int(payload) for each in _collect(members) for payload in each) == list(range(20))


@pytest.mark.parametrize("how", ["unsubscribe", "disconnect", "lost"])
def test_mqtt_4_8_2_a_member_that_leaves_gets_nothing_more(how: str, level: int, clients: Clients, topic: str) -> None:
    members = [_member(clients, f"$share/g/{topic}", 1, level) for _ in range(2)]
    watcher = clients(level=level)
    watcher.connect()
    if how == "unsubscribe":
        members[0].unsubscribe(f"$share/g/{topic}")
    elif how == "disconnect":
        members[0].disconnect()
    else:
        # A takeover ends the lost connection for certain.
        members[0].abort()
        clients(members[0].client_id, level).connect(clean=True)
    publisher = _publisher(clients, level)
    sent = [b"%d" % number for number in range(10)]
    for payload in sent:
        publisher.publish(topic, payload)
    assert _collect(members[1:]) == [sent]
    if how == "unsubscribe":
        members[0].expect_nothing()


def test_mqtt_4_8_2_last_member_gone_means_nobody_listens(clients: Clients, topic: str) -> None:
    member = _member(clients, f"$share/g/{topic}")
    publisher = _publisher(clients)
    assert publisher.publish(topic, b"m") == 0
    member.receive_publish(b"m")
    member.unsubscribe(f"$share/g/{topic}")
    assert publisher.publish(topic, b"m") == 0x10


def test_mqtt_4_8_2_only_live_members_are_chosen(level: int, clients: Clients, topic: str) -> None:
    away = _member(clients, f"$share/g/{topic}", 1, level, keep=True)
    live = _member(clients, f"$share/g/{topic}", 1, level)
    away.disconnect()
    publisher = _publisher(clients, level)
    sent = [b"%d" % number for number in range(10)]
    for payload in sent:
        publisher.publish(topic, payload)
    assert _collect([live]) == [sent]
    back = clients(away.client_id, level)
    back.connect(clean=False, properties=_KEEP)
    back.expect_nothing()


def test_mqtt_4_8_2_messages_wait_for_a_session_while_nobody_is_live(level: int, clients: Clients, topic: str) -> None:
    away = _member(clients, f"$share/g/{topic}", 1, level, keep=True)
    away.disconnect()
    publisher = _publisher(clients, level)
    publisher.publish(topic, b"kept")
    back = clients(away.client_id, level)
    assert back.connect(clean=False, properties=_KEEP).session_present
    back.receive_publish(b"kept")
    back.expect_nothing()


@pytest.mark.parametrize(("publish_qos", "granted"), [(0, 2), (1, 0), (2, 1), (2, 2)])
def test_mqtt_4_8_2_3_qos_of_a_shared_subscription(
    publish_qos: int, granted: int, level: int, clients: Clients, topic: str
) -> None:
    member = _member(clients, f"$share/g/{topic}", granted, level)
    publisher = _publisher(clients, level)
    publisher.publish(topic, b"m", publish_qos)
    assert member.receive_publish(b"m").qos == min(publish_qos, granted)


def test_mqtt_3_3_1_10_retained_messages_are_not_sent_to_shared_subscriptions(
    level: int, clients: Clients, topic: str
) -> None:
    publisher = _publisher(clients, level)
    publisher.publish(topic, b"kept", 1, True)
    member = _member(clients, f"$share/g/{topic}", 1, level)
    member.expect_nothing()
    publisher.publish(topic, b"live")
    member.receive_publish(b"live")
    publisher.publish(topic, b"", 1, True)


def test_mqtt_3_8_3_4_no_local_on_a_shared_subscription_is_a_protocol_error(clients: Clients, topic: str) -> None:
    client = clients()
    client.connect()
    client.send(wire.subscribe(1, [(f"$share/g/{topic}", 1 | wire.NO_LOCAL)]))
    client.expect_disconnect(0x82)


def test_mqtt_3_3_4_subscription_id_of_a_shared_subscription(clients: Clients, topic: str) -> None:
    member = clients()
    member.connect()
    member.subscribe((f"$share/g/{topic}", 1), properties=[(wire.SUBSCRIPTION_ID, 77)])
    publisher = _publisher(clients)
    publisher.publish(topic, b"m")
    assert member.receive_publish(b"m").all(wire.SUBSCRIPTION_ID) == [77]


def test_mqtt_4_8_2_topics_keep_their_name(level: int, clients: Clients, topic: str) -> None:
    member = _member(clients, f"$share/some group/{topic}/#", 1, level)
    publisher = _publisher(clients, level)
    publisher.publish(f"{topic}/a/b", b"m")
    assert member.receive_publish(b"m").topic == f"{topic}/a/b"


def test_mqtt_3_11_3_unsuback_of_a_shared_subscription(clients: Clients, topic: str) -> None:
    member = _member(clients, f"$share/g/{topic}")
    assert member.unsubscribe(f"$share/other/{topic}", topic, f"$share/g/{topic}").codes == [0x11, 0x11, 0]


def test_mqtt_4_8_2_5_unacknowledged_qos1_goes_to_another_member_when_the_session_ends(
    clients: Clients, topic: str
) -> None:
    first = _member(clients, f"$share/g/{topic}")
    publisher = _publisher(clients)
    sent = [b"0", b"1", b"2"]
    for payload in sent:
        publisher.publish(topic, payload)
    assert [first.expect(Publish).payload for _ in sent] == sent
    second = _member(clients, f"$share/g/{topic}")
    first.disconnect()
    assert sorted(packet.payload for packet in second.receive_publishes(3)) == sent
    second.expect_nothing()


def test_mqtt_4_8_2_5_qos2_in_delivery_is_sent_to_nobody_else(clients: Clients, topic: str) -> None:
    first = _member(clients, f"$share/g/{topic}", 2)
    publisher = _publisher(clients)
    publisher.publish(topic, b"begun", 2)
    first.expect(Publish)
    second = _member(clients, f"$share/g/{topic}", 2)
    first.disconnect()
    second.expect_nothing()


def test_mqtt_4_8_2_4_qos2_is_completed_when_its_member_comes_back(clients: Clients, topic: str) -> None:
    first = _member(clients, f"$share/g/{topic}", 2, keep=True)
    publisher = _publisher(clients)
    publisher.publish(topic, b"begun", 2)
    publish = first.expect(Publish)
    first.send(wire.pubrec(publish.packet_id))
    first.expect(Pubrel)
    second = _member(clients, f"$share/g/{topic}", 2)
    first.abort()
    back = clients(first.client_id)
    assert back.connect(clean=False, properties=_KEEP).session_present
    assert back.expect(Pubrel).packet_id == publish.packet_id
    back.send(wire.pubcomp(publish.packet_id))
    back.expect_nothing()
    second.expect_nothing()


@pytest.mark.parametrize("qos", [1, 2])
def test_mqtt_4_8_2_messages_never_sent_go_to_another_member_when_the_session_ends(
    qos: int, clients: Clients, topic: str
) -> None:
    # Receive Maximum 1: one message is on its way, the others were never sent.
    first = clients()
    first.connect(properties=[(wire.RECEIVE_MAXIMUM, 1)])
    first.subscribe((f"$share/g/{topic}", qos))
    publisher = _publisher(clients)
    for payload in (b"0", b"1", b"2"):
        publisher.publish(topic, payload, qos)
    assert first.expect(Publish).payload == b"0"
    second = _member(clients, f"$share/g/{topic}", qos)
    first.disconnect()
    expected = [b"0", b"1", b"2"] if qos == 1 else [b"1", b"2"]
    assert sorted(packet.payload for packet in second.receive_publishes(len(expected))) == expected
    second.expect_nothing()


@pytest.mark.parametrize("qos", [1, 2])
def test_mqtt_4_8_2_6_a_refused_message_is_discarded(qos: int, clients: Clients, topic: str) -> None:
    first = _member(clients, f"$share/g/{topic}", qos)
    publisher = _publisher(clients)
    publisher.publish(topic, b"refused", qos)
    publish = first.expect(Publish)
    second = _member(clients, f"$share/g/{topic}", qos)
    first.send(wire.puback(publish.packet_id, 0x83) if qos == 1 else wire.pubrec(publish.packet_id, 0x83))
    first.expect_nothing()
    second.expect_nothing()
    first.disconnect()
    second.expect_nothing()
