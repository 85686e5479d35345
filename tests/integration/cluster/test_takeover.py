"""A client that comes to another node finds its session there, whole; its last connection ends, wherever that is."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.integration.cluster.guests import Guests, payloads_until_quiet, taken_over
from tests.support import wire
from tests.support.client import Client, ConnectionClosed, Silence
from tests.support.cluster_processes import ClusterProcesses
from tests.support.wire import Will
from tests.support.wire_parser import Packet, Pubcomp, Publish, Pubrec, Pubrel

MOVES = pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 3), (3, 1), (2, 2)])


@MOVES
@pytest.mark.parametrize("level", [4, 5])
def test_subscriptions_and_queue_move(
    cluster: ClusterProcesses, guests: Guests, name: str, before: int, after: int, level: int
) -> None:
    first = guests.connect(cluster[before], name, level, present=False)
    first.subscribe((f"{name}/1/#", 1), (f"{name}/0", 0))
    guests.goodbye(first)
    publishers = [guests.passing(member) for member in cluster]
    for number, publisher in enumerate(publishers):
        assert publisher.publish(f"{name}/1/{number}", b"queued", 1) == 0
    first = guests.connect(cluster[before], name, level, present=True)
    second = guests.connect(cluster[after], name, level, present=True)
    taken_over(first)
    found = second.receive_publishes(3)
    assert [m.topic for m in found] == [f"{name}/1/{number}" for number in range(3)]
    for number, publisher in enumerate(publishers):
        publisher.publish(f"{name}/0", b"%d" % number, 0)
        assert second.receive_publish(b"%d" % number).qos == 0
        publisher.publish(f"{name}/1/live", b"%d" % number, 1)
        assert second.receive_publish(b"%d" % number).qos == 1
    second.expect_nothing()


@MOVES
def test_a_transient_session_is_gone_with_its_connection(
    cluster: ClusterProcesses, guests: Guests, name: str, before: int, after: int
) -> None:
    """Expiry 0: the session ends when its connection does, and that is when the next one comes [MQTT-3.1.4-3]."""
    first = guests.connect(cluster[before], name, expiry=0)
    first.subscribe((name, 1))
    second = guests.connect(cluster[after], name, expiry=0)
    taken_over(first)
    guests.passing(cluster[before]).publish(name, b"x", 1)
    second.expect_nothing()


@MOVES
def test_a_clean_start_ends_the_session_everywhere(
    cluster: ClusterProcesses, guests: Guests, name: str, before: int, after: int
) -> None:
    first = guests.connect(cluster[before], name)
    first.subscribe((name, 1))
    second = guests.connect(cluster[after], name, clean=True, present=False)
    taken_over(first)
    for member in cluster:
        guests.passing(member).publish(name, b"not for you", 1)
    second.expect_nothing()
    second.subscribe((name, 1))
    guests.passing(cluster[before]).publish(name, b"for you", 1)
    second.receive_publish(b"for you")


@MOVES
def test_what_was_in_flight_comes_again_under_its_identifier(
    cluster: ClusterProcesses, guests: Guests, name: str, before: int, after: int
) -> None:
    first = guests.connect(cluster[before], name, properties=[(wire.RECEIVE_MAXIMUM, 5)])
    first.subscribe((name, 2))
    publisher = guests.passing(cluster[3])
    for number in range(8):
        assert publisher.publish(name, b"%d" % number, 1 + number % 2) == 0
    seen = [first.expect(Publish) for _ in range(5)]
    second = guests.connect(cluster[after], name, properties=[(wire.RECEIVE_MAXIMUM, 10)], present=True)
    assert taken_over(first) == []
    again = second.receive_publishes(8)
    assert [(m.packet_id, m.payload) for m in again[:5]] == [(m.packet_id, m.payload) for m in seen]
    assert all(m.dup for m in again[:5]), "the others may have it: what the last node had sent isn't known for certain"
    assert [m.payload for m in again] == [b"%d" % number for number in range(8)]
    second.expect_nothing()


@pytest.mark.parametrize("leaves_at", ["PUBLISH", "PUBREC", "PUBREL", "PUBCOMP"])
def test_a_qos_2_message_from_the_cluster_is_delivered_once(
    cluster: ClusterProcesses, guests: Guests, name: str, leaves_at: str
) -> None:
    """At each step the subscriber goes to another node; it keeps the identifier from PUBLISH to PUBREL."""
    first = guests.connect(cluster[1], name)
    first.subscribe((name, 2))
    publisher = guests.passing(cluster[3])
    publisher.publish(name, b"once", 2)
    message = first.expect(Publish)
    undecided = {message.packet_id}
    if leaves_at != "PUBLISH":
        first.send(wire.pubrec(message.packet_id))
    if leaves_at in ("PUBREL", "PUBCOMP"):
        assert first.expect(Pubrel).packet_id == message.packet_id
        undecided.clear()
    if leaves_at == "PUBCOMP":
        first.send(wire.pubcomp(message.packet_id))
    second = guests.connect(cluster[2], name, present=True)
    publisher.publish(name, b"next", 2)
    delivered = [message.payload]
    while delivered != [b"once", b"next"] or undecided:
        packet = second.receive()
        if isinstance(packet, Publish):
            if packet.packet_id not in undecided:
                delivered.append(packet.payload)
                assert delivered == [b"once", b"next"]
                undecided.add(packet.packet_id)
            else:
                assert packet.dup and packet.payload == b"once"
            second.send(wire.pubrec(packet.packet_id))
        else:
            assert isinstance(packet, Pubrel)
            undecided.discard(packet.packet_id)
            second.send(wire.pubcomp(packet.packet_id))
    second.expect_nothing()


@pytest.mark.parametrize("leaves_at", ["PUBLISH", "PUBREC", "PUBREL", "PUBCOMP"])
@pytest.mark.parametrize("expiry", [0, 1000], ids=["to a transient", "to a persistent"])
def test_a_qos_2_message_to_the_cluster_is_stored_once(
    cluster: ClusterProcesses, guests: Guests, name: str, leaves_at: str, expiry: int
) -> None:
    """At each step the publisher goes to another node, and sends again there what it has no answer for."""
    subscriber = guests.connect(cluster[3], f"{name}-s", expiry=expiry, clean=not expiry)
    subscriber.subscribe((name, 2))
    first = guests.connect(cluster[1], name)
    first.send_publish(name, b"once", 2, packet_id=9)
    if leaves_at != "PUBLISH":
        assert first.expect(Pubrec).packet_id == 9
    if leaves_at in ("PUBREL", "PUBCOMP"):
        first.send(wire.pubrel(9))
    if leaves_at == "PUBCOMP":
        assert first.expect(Pubcomp).code == 0
    second = guests.connect(cluster[2], name, present=True)
    if leaves_at in ("PUBLISH", "PUBREC"):
        second.send_publish(name, b"once", 2, packet_id=9, dup=True)
        assert second.expect(Pubrec).packet_id == 9
    second.send(wire.pubrel(9))
    assert second.expect(Pubcomp).code in (0, 0x92)
    assert second.publish(name, b"next", 2) == 0
    assert [m.payload for m in subscriber.receive_publishes(2)] == [b"once", b"next"]
    subscriber.expect_nothing()


def test_the_will_moves_with_its_client(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    watcher = guests.passing(cluster[3])
    watcher.subscribe((name, 1))
    guests.connect(cluster[1], name, will=Will(name, b"first", 1, properties=[(wire.WILL_DELAY, 1000)]))
    second = guests.connect(cluster[2], name, will=Will(name, b"second", 1), present=True)
    third = guests.passing(cluster[1])
    third.publish(name, b"barrier", 1)
    watcher.receive_publish(b"barrier")
    second.abort()
    watcher.receive_publish(b"second")
    watcher.expect_nothing()


def test_a_will_without_delay_is_published_by_a_takeover(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    """[MQTT-3.1.2-8]: the node closes the connection without a DISCONNECT from the client."""
    watcher = guests.passing(cluster[3])
    watcher.subscribe((name, 1))
    guests.connect(cluster[1], name, will=Will(name, b"first", 1))
    second = guests.connect(cluster[2], name, present=True)
    watcher.receive_publish(b"first")
    guests.goodbye(second)
    watcher.expect_nothing()


def test_a_will_that_its_client_has_withdrawn_is_not_published(
    cluster: ClusterProcesses, guests: Guests, name: str
) -> None:
    watcher = guests.passing(cluster[3])
    watcher.subscribe((name, 1))
    for number in (1, 2, 3):
        guests.goodbye(guests.connect(cluster[number], name, will=Will(name, b"gone", 1)))
    guests.passing(cluster[1]).publish(name, b"barrier", 1)
    watcher.receive_publish(b"barrier")
    watcher.expect_nothing()


def test_a_delayed_will_is_published_once_by_whichever_node(
    cluster: ClusterProcesses, guests: Guests, name: str
) -> None:
    watchers = [guests.passing(member) for member in cluster]
    for watcher in watchers:
        watcher.subscribe((name, 1))
    dying = guests.connect(cluster[1], name, will=Will(name, b"gone", 1, properties=[(wire.WILL_DELAY, 1)]))
    dying.abort()
    for watcher in watchers:
        watcher.receive_publish(b"gone", 5)
        watcher.expect_nothing()


@pytest.mark.parametrize("level", [4, 5])
def test_of_many_connections_with_one_client_id_one_is_left(
    cluster: ClusterProcesses, guests: Guests, name: str, level: int
) -> None:
    """From three nodes at once, again and again."""
    found: list[Client] = []
    errors: list[BaseException] = []
    lock = threading.Lock()

    def storm(number: int) -> None:
        mine = 0
        while mine < 10 and not errors:
            try:
                client, connack = guests.try_to_connect(cluster[number], name, level)
                assert connack.code == 0, connack
            except ConnectionClosed:
                continue  # taken over before it was let in
            except BaseException as error:
                errors.append(error)
                return
            mine += 1
            with lock:
                found.append(client)

    threads = [threading.Thread(target=storm, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    last = guests.connect(cluster[1], name, level, present=True)
    for client in found:
        taken_over(client)
    last.subscribe((name, 1))
    guests.passing(cluster[2]).publish(name, b"for the last", 1)
    last.receive_publish(b"for the last")


def test_messages_that_come_during_takeovers_are_neither_lost_nor_doubled(
    cluster: ClusterProcesses, guests: Guests, name: str
) -> None:
    """The subscriber walks around the nodes while a publisher at another one never stops."""
    numbers = around(cluster)
    subscriber = guests.connect(cluster[next(numbers)], name)
    subscriber.subscribe((name, 2))
    publisher = guests.connect(cluster[3], f"{name}-p")
    delivered: list[int] = []
    received: dict[int, bytes] = {}
    sent = 0
    for _ in range(15):
        publisher.send(*[wire.publish(name, b"%d" % (sent + n), 2, n + 1) for n in range(20)])
        sent += 20
        following = guests.connect(cluster[next(numbers)], name, present=True)
        for packet in taken_over(subscriber):
            take(packet, received, delivered)
        subscriber = following
        for _ in range(20):
            publisher.send(wire.pubrel(publisher.expect(Pubrec).packet_id))
        for _ in range(20):
            publisher.expect(Pubcomp)
        read(subscriber, received, delivered, 5)
    read(subscriber, received, delivered, None)
    assert delivered == list(range(sent))


def around(cluster: ClusterProcesses) -> Iterator[int]:
    while True:
        yield from cluster.members


def take(packet: Packet, received: dict[int, bytes], delivered: list[int]) -> bytes:
    """What the subscriber does with a packet, and its answer."""
    if isinstance(packet, Pubrel):
        received.pop(packet.packet_id, None)
        return wire.pubcomp(packet.packet_id)
    assert isinstance(packet, Publish), packet
    if packet.packet_id not in received:
        received[packet.packet_id] = packet.payload
        delivered.append(int(packet.payload))
    else:
        assert packet.dup and received[packet.packet_id] == packet.payload, packet
    return wire.pubrec(packet.packet_id)


def read(client: Client, received: dict[int, bytes], delivered: list[int], limit: int | None) -> None:
    """Take so many packets, or all there are."""
    count = 0
    while limit is None or count < limit:
        try:
            packet = client.receive(0.5)
        except Silence:
            return
        count += 1
        client.send(take(packet, received, delivered))


def test_a_session_ends_when_its_expiry_has_passed_on_any_node(
    cluster: ClusterProcesses, guests: Guests, name: str
) -> None:
    guests.off_line(cluster[1], name, (name, 1), expiry=1)
    watcher = guests.passing(cluster[2])
    watcher.subscribe((f"{name}/will", 1))
    # The session of this one ends later than that of the other, and its will says so.
    lost = guests.connect(
        cluster[2], f"{name}-2", expiry=2, will=Will(f"{name}/will", b"", 1, properties=[(wire.WILL_DELAY, 1000)])
    )
    lost.abort()
    watcher.receive_publish(b"", 8)
    guests.connect(cluster[3], name, present=False)


def test_a_queue_follows_its_owner_from_node_to_node(cluster: ClusterProcesses, guests: Guests, name: str) -> None:
    guests.off_line(cluster[1], name, (name, 1))
    publisher = guests.passing(cluster[2])
    expected = []
    for number, member in enumerate([*cluster] * 3):
        publisher.publish(name, b"%d" % number, 1)
        expected.append(b"%d" % number)
        client = guests.connect(member, name, present=True)
        found = payloads_until_quiet(client)
        assert found == expected, "acknowledged messages don't come again"
        expected = []
        guests.goodbye(client)
