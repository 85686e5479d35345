"""QoS 2 (4.3.3): both halves of the exchange, in both directions, over lost connections too."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.client import Client, payloads
from tests.support.packet_notation import V5
from tests.support.wire_parser import Pubcomp, Publish, Pubrec, Pubrel

_KEEP = [(wire.SESSION_EXPIRY, 100)]


def _watcher(clients: Clients, topic: str, level: int) -> Client:
    watcher = clients(level=level)
    watcher.connect()
    watcher.subscribe(topic)
    return watcher


def test_mqtt_4_3_3_inbound_exchange(any_level: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic, any_level)
    publisher = clients(level=any_level)
    publisher.connect()
    publisher.send_publish(topic, b"m", 2, 42)
    assert publisher.expect(Pubrec).packet_id == 42
    publisher.send(wire.pubrel(42))
    assert publisher.expect(Pubcomp).packet_id == 42
    watcher.receive_publish(b"m")
    watcher.expect_nothing()


def test_mqtt_4_3_3_10_repeated_publish_before_pubrel_is_one_message(level: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic, level)
    publisher = clients(level=level)
    publisher.connect()
    for dup in (False, True, True):
        publisher.send_publish(topic, b"once", 2, 9, dup=dup)
        pubrec = publisher.expect(Pubrec)
        assert pubrec.packet_id == 9 and pubrec.code < 0x80, "a repeated PUBLISH is answered with PUBREC again"
    publisher.send(wire.pubrel(9))
    publisher.expect(Pubcomp)
    watcher.receive_publish(b"once")
    watcher.expect_nothing()


def test_mqtt_4_3_3_11_after_pubcomp_the_packet_id_means_a_new_message(
    level: int, clients: Clients, topic: str
) -> None:
    watcher = _watcher(clients, topic, level)
    publisher = clients(level=level)
    publisher.connect()
    for payload in (b"first", b"second", b"second"):
        publisher.send_publish(topic, payload, 2, 9)
        publisher.expect(Pubrec)
        publisher.send(wire.pubrel(9))
        publisher.expect(Pubcomp)
        watcher.receive_publish(payload)
    watcher.expect_nothing()


def test_mqtt_4_3_3_whole_exchanges_in_one_segment(level: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic, level)
    publisher = clients(level=level)
    publisher.connect()
    publisher.send(
        wire.publish(topic, b"1", 2, 9, level=level),
        wire.publish(topic, b"1", 2, 9, dup=True, level=level),
        wire.pubrel(9),
        wire.publish(topic, b"2", 2, 9, level=level),
        wire.pubrel(9),
        wire.pubrel(9),
    )
    kinds = [type(publisher.receive()).__name__ for _ in range(6)]
    assert kinds == ["Pubrec", "Pubrec", "Pubcomp", "Pubrec", "Pubcomp", "Pubcomp"]
    assert payloads(watcher.drain()) == [b"1", b"2"]


def test_mqtt_4_3_3_publish_repeated_on_resume_is_not_delivered_twice(level: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic, level)
    first = clients(level=level)
    first.connect(clean=False, properties=_KEEP)
    first.send_publish(topic, b"exactly once", 2, 5)
    first.expect(Pubrec)
    first.abort()
    second = clients(first.client_id, level)
    assert second.connect(clean=False, properties=_KEEP).session_present
    second.send_publish(topic, b"exactly once", 2, 5, dup=True)
    assert second.expect(Pubrec).packet_id == 5
    second.send(wire.pubrel(5))
    pubcomp = second.expect(Pubcomp)
    assert pubcomp.packet_id == 5 and pubcomp.code == 0
    watcher.receive_publish(b"exactly once")
    watcher.expect_nothing()


def test_mqtt_4_3_3_pubrel_after_resume_completes(level: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic, level)
    first = clients(level=level)
    first.connect(clean=False, properties=_KEEP)
    first.send_publish(topic, b"m", 2, 5)
    first.expect(Pubrec)
    first.abort()
    second = clients(first.client_id, level)
    assert second.connect(clean=False, properties=_KEEP).session_present
    second.send(wire.pubrel(5))
    pubcomp = second.expect(Pubcomp)
    assert pubcomp.packet_id == 5 and pubcomp.code == 0, "the id is part of the session: found, not 0x92"
    watcher.receive_publish(b"m")
    watcher.expect_nothing()


def test_mqtt_3_1_2_4_clean_start_forgets_inbound_packet_ids(level: int, clients: Clients, topic: str) -> None:
    watcher = _watcher(clients, topic, level)
    first = clients(level=level)
    first.connect(clean=False, properties=_KEEP)
    first.send_publish(topic, b"old", 2, 5)
    first.expect(Pubrec)
    first.send(wire.pubrel(5))
    first.expect(Pubcomp)
    first.send_publish(topic, b"unfinished", 2, 6)
    first.expect(Pubrec)
    first.abort()
    second = clients(first.client_id, level)
    assert not second.connect(clean=True).session_present
    second.send_publish(topic, b"new", 2, 6)
    second.expect(Pubrec)
    second.send(wire.pubrel(6))
    second.expect(Pubcomp)
    got = payloads(watcher.drain())
    assert got[0] == b"old" and got[-1] == b"new" and set(got) <= {b"old", b"unfinished", b"new"}


def test_mqtt_4_3_3_pubrel_is_answered_every_time(level: int, clients: Clients, topic: str) -> None:
    publisher = clients(level=level)
    publisher.connect()
    publisher.send_publish(topic, b"m", 2, 3)
    publisher.expect(Pubrec)
    publisher.send(wire.pubrel(3))
    assert publisher.expect(Pubcomp).code == 0
    publisher.send(wire.pubrel(3))
    pubcomp = publisher.expect(Pubcomp)
    assert pubcomp.packet_id == 3 and pubcomp.code == (0x92 if level == V5 else 0)


def test_mqtt_3_7_2_1_pubrel_of_an_unknown_id(level: int, clients: Clients) -> None:
    client = clients(level=level)
    client.connect()
    client.send(wire.pubrel(999))
    pubcomp = client.expect(Pubcomp)
    assert pubcomp.packet_id == 999 and pubcomp.code == (0x92 if level == V5 else 0)
    client.expect_nothing()


def test_mqtt_3_6_2_1_pubrec_of_an_unknown_id(clients: Clients) -> None:
    client = clients()
    client.connect()
    client.send(wire.pubrec(999))
    pubrel = client.expect(Pubrel)
    assert pubrel.packet_id == 999 and pubrel.code == 0x92
    client.expect_nothing()


def test_mqtt_4_6_0_3_pubrecs_and_pubcomps_come_in_order(level: int, clients: Clients, topic: str) -> None:
    client = clients(level=level)
    client.connect()
    order = [4, 2, 8, 6]
    client.send(b"".join(wire.publish(topic, b"m", 2, packet_id, level=level) for packet_id in order))
    assert [client.expect(Pubrec).packet_id for _ in order] == order
    client.send(b"".join(wire.pubrel(packet_id) for packet_id in order))
    assert [client.expect(Pubcomp).packet_id for _ in order] == order


def test_mqtt_3_5_2_1_pubrec_says_whether_anybody_listens(clients: Clients, topic: str) -> None:
    publisher = clients()
    publisher.connect()
    assert publisher.publish(topic, b"m", 2) == 0x10
    _watcher(clients, topic, V5)
    assert publisher.publish(topic, b"m", 2) == 0


def _in_flight(clients: Clients, topic: str, level: int, count: int = 1) -> tuple[Client, list[Publish]]:
    """A subscriber that has received QoS 2 messages and answered none."""
    subscriber, publisher = clients(level=level), clients(level=level)
    subscriber.connect(clean=False, properties=_KEEP)
    subscriber.subscribe((topic, 2))
    publisher.connect()
    for number in range(count):
        publisher.publish(topic, b"%d" % number, 2)
    return subscriber, [subscriber.expect(Publish) for _ in range(count)]


def test_mqtt_4_3_3_outbound_exchange(any_level: int, clients: Clients, topic: str) -> None:
    subscriber, [publish] = _in_flight(clients, topic, any_level)
    assert publish.qos == 2 and not publish.dup
    subscriber.send(wire.pubrec(publish.packet_id))
    assert subscriber.expect(Pubrel).packet_id == publish.packet_id
    subscriber.send(wire.pubcomp(publish.packet_id))
    subscriber.expect_nothing()


def test_mqtt_4_3_3_repeated_pubrec_gets_pubrel_again(level: int, clients: Clients, topic: str) -> None:
    subscriber, [publish] = _in_flight(clients, topic, level)
    for _ in range(2):
        subscriber.send(wire.pubrec(publish.packet_id))
        pubrel = subscriber.expect(Pubrel)
        assert pubrel.packet_id == publish.packet_id and pubrel.code == 0
    subscriber.send(wire.pubcomp(publish.packet_id))
    subscriber.expect_nothing()


def test_mqtt_4_4_0_1_pubrel_is_sent_again_on_resume(level: int, clients: Clients, topic: str) -> None:
    first, [publish] = _in_flight(clients, topic, level)
    first.send(wire.pubrec(publish.packet_id))
    first.expect(Pubrel)
    first.abort()
    second = clients(first.client_id, level)
    second.connect(clean=False, properties=_KEEP)
    pubrel = second.expect(Pubrel)
    assert pubrel.packet_id == publish.packet_id and pubrel.code == 0, "PUBREL again, and not the PUBLISH"
    second.send(wire.pubcomp(publish.packet_id))
    second.expect_nothing()
    second.abort()
    third = clients(first.client_id, level)
    third.connect(clean=False, properties=_KEEP)
    third.expect_nothing()


def test_mqtt_4_4_0_1_publish_and_pubrel_are_sent_again_where_each_is_due(
    level: int, clients: Clients, topic: str
) -> None:
    first, seen = _in_flight(clients, topic, level, 3)
    first.send(wire.pubrec(seen[0].packet_id))
    first.expect(Pubrel)
    first.abort()
    second = clients(first.client_id, level)
    second.connect(clean=False, properties=_KEEP)
    packets = second.drain()
    assert [packet.packet_id for packet in packets if isinstance(packet, Pubrel)] == [seen[0].packet_id]
    again = [packet for packet in packets if isinstance(packet, Publish)]
    assert [(packet.packet_id, packet.payload, packet.dup) for packet in again] == [
        (packet.packet_id, packet.payload, True) for packet in seen[1:]
    ]


@pytest.mark.parametrize("reason", [0x80, 0x83, 0x87, 0x91, 0x97, 0x99])
def test_mqtt_4_3_3_4_pubrec_with_an_error_ends_the_exchange(reason: int, clients: Clients, topic: str) -> None:
    subscriber, [publish] = _in_flight(clients, topic, V5)
    subscriber.send(wire.pubrec(publish.packet_id, reason))
    subscriber.expect_nothing()
    subscriber.abort()
    again = clients(subscriber.client_id)
    assert again.connect(clean=False).session_present
    again.expect_nothing()


def test_mqtt_4_3_3_success_with_no_matching_subscribers_goes_on(clients: Clients, topic: str) -> None:
    subscriber, [publish] = _in_flight(clients, topic, V5)
    subscriber.send(wire.pubrec(publish.packet_id, 0x10))
    assert subscriber.expect(Pubrel).packet_id == publish.packet_id
    subscriber.send(wire.pubcomp(publish.packet_id, 0))
    subscriber.expect_nothing()


def test_mqtt_4_6_0_4_pubrels_come_in_the_order_of_the_pubrecs(level: int, clients: Clients, topic: str) -> None:
    subscriber, seen = _in_flight(clients, topic, level, 4)
    order = [packet.packet_id for packet in seen]
    subscriber.send(b"".join(wire.pubrec(packet_id) for packet_id in order))
    assert [subscriber.expect(Pubrel).packet_id for _ in order] == order


def test_mqtt_3_10_4_4_exchange_goes_on_after_unsubscribe(level: int, clients: Clients, topic: str) -> None:
    subscriber, [publish] = _in_flight(clients, topic, level)
    subscriber.unsubscribe(topic)
    subscriber.send(wire.pubrec(publish.packet_id))
    assert subscriber.expect(Pubrel).packet_id == publish.packet_id
    subscriber.send(wire.pubcomp(publish.packet_id))
    subscriber.expect_nothing()
