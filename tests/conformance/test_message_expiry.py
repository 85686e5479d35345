"""Message expiry and session expiry by the clock (3.3.2.3.3, 3.1.2.11.2, 3.1.3.2.2).

Nothing here sleeps: where time has to pass, the test waits for an event of the broker's own clock.
"""

from __future__ import annotations

import time

import pytest

from tests.conformance.conftest import Clients
from tests.conftest import Broker
from tests.support import wire
from tests.support.alarm import Alarm
from tests.support.client import TIMEOUT_S, Client
from tests.support.packet_notation import V311
from tests.support.wire import Will
from tests.support.wire_parser import Publish

_KEEP = [(wire.SESSION_EXPIRY, 100)]


def _connected(clients: Clients, properties: wire.Properties = ()) -> Client:
    client = clients()
    client.connect(properties=properties)
    return client


def test_mqtt_3_3_2_6_expiry_is_passed_on(clients: Clients, topic: str) -> None:
    subscriber, publisher = _connected(clients), _connected(clients)
    subscriber.subscribe((topic, 2))
    for qos in (0, 1, 2):
        publisher.publish(topic, b"m", qos, False, [(wire.MESSAGE_EXPIRY, 3600)])
        expiry = subscriber.receive_publish(b"m").get(wire.MESSAGE_EXPIRY)
        assert isinstance(expiry, int) and 3595 <= expiry <= 3600


def test_mqtt_3_3_2_5_message_without_expiry_gets_none(clients: Clients, topic: str) -> None:
    subscriber, publisher = _connected(clients), _connected(clients)
    subscriber.subscribe((topic, 1))
    publisher.publish(topic, b"m")
    assert subscriber.receive_publish(b"m").get(wire.MESSAGE_EXPIRY) is None


@pytest.mark.realtime
def test_mqtt_3_3_2_5_expired_messages_leave_the_queue_and_the_rest_is_counted_down(
    broker: Broker, clients: Clients, topic: str
) -> None:
    first, publisher = _connected(clients, _KEEP), _connected(clients)
    old = clients(level=V311)
    old.connect(clean=False)
    for client in (first, old):
        client.subscribe((topic, 2))
        client.disconnect()
    publisher.publish(f"{topic}/retained", b"expires", 1, True, [(wire.MESSAGE_EXPIRY, 1)])
    publisher.publish(f"{topic}/kept", b"stays", 1, True, [(wire.MESSAGE_EXPIRY, 100)])
    publisher.publish(topic, b"qos 1 expires", 1, False, [(wire.MESSAGE_EXPIRY, 1)])
    publisher.publish(topic, b"qos 2 expires", 2, False, [(wire.MESSAGE_EXPIRY, 1)])
    publisher.publish(topic, b"qos 1 stays", 1, False, [(wire.MESSAGE_EXPIRY, 100)])
    publisher.publish(topic, b"qos 2 stays", 2, False, [(wire.MESSAGE_EXPIRY, 100)])
    publisher.publish(topic, b"no expiry", 1)
    alarm = Alarm(broker.address, 2)
    alarm.wait()

    second = clients(first.client_id)
    assert second.connect(clean=False, properties=_KEEP).session_present
    got = {packet.payload: packet.get(wire.MESSAGE_EXPIRY) for packet in second.receive_publishes(3)}
    assert set(got) == {b"qos 1 stays", b"qos 2 stays", b"no expiry"}
    for payload in (b"qos 1 stays", b"qos 2 stays"):
        left = got[payload]
        assert isinstance(left, int) and 90 <= left <= 98, "[MQTT-3.3.2-6] less the time it has waited"
    assert got[b"no expiry"] is None
    second.expect_nothing()

    old_again = clients(old.client_id, V311)
    old_again.connect(clean=False)
    assert {packet.payload for packet in old_again.receive_publishes(3)} == set(got), "for a 3.1.1 client too"
    old_again.expect_nothing()

    late = _connected(clients)
    late.subscribe((f"{topic}/retained", 1), (f"{topic}/kept", 1))
    left = late.receive_publish(b"stays").get(wire.MESSAGE_EXPIRY)
    assert isinstance(left, int) and 90 <= left <= 98
    late.expect_nothing()
    publisher.publish(f"{topic}/kept", b"", 1, True)


@pytest.mark.realtime
def test_mqtt_3_3_2_5_a_message_held_back_by_receive_maximum_expires(
    broker: Broker, clients: Clients, topic: str
) -> None:
    subscriber, publisher = _connected(clients, [(wire.RECEIVE_MAXIMUM, 1)]), _connected(clients)
    subscriber.subscribe((topic, 1))
    publisher.publish(topic, b"in flight")
    publisher.publish(topic, b"held", 1, False, [(wire.MESSAGE_EXPIRY, 1)])
    publisher.publish(topic, b"held and stays")
    publish = subscriber.expect(Publish)
    Alarm(broker.address, 2).wait()
    subscriber.send(wire.puback(publish.packet_id))
    subscriber.receive_publish(b"held and stays")
    subscriber.expect_nothing()


@pytest.mark.realtime
def test_mqtt_3_1_2_23_session_ends_when_its_expiry_has_passed(clients: Clients, topic: str) -> None:
    # The will delay is longer than the session's life, so the will tells that the session has ended.
    watcher = _connected(clients)
    watcher.subscribe(topic)
    short = clients()
    delay: wire.Properties = [(wire.WILL_DELAY, 3600)]
    short.connect(properties=[(wire.SESSION_EXPIRY, 1)], will=Will(topic, b"session ended", 0, False, delay))
    short.subscribe((f"{topic}/x", 1))
    extended = _connected(clients, [(wire.SESSION_EXPIRY, 1)])
    extended.subscribe((f"{topic}/x", 1))
    connected = _connected(clients, [(wire.SESSION_EXPIRY, 1)])
    connected.subscribe((f"{topic}/x", 1))
    started = time.monotonic()
    short.abort()
    extended.disconnect(0, [(wire.SESSION_EXPIRY, 100)])
    watcher.receive_publish(b"session ended", 1 + TIMEOUT_S)
    assert time.monotonic() - started >= 0.9
    publisher = _connected(clients)
    publisher.publish(f"{topic}/x", b"m")
    connected.receive_publish(b"m")

    again = clients(short.client_id)
    assert not again.connect(clean=False).session_present
    again.expect_nothing()
    kept = clients(extended.client_id)
    assert kept.connect(clean=False).session_present
    kept.receive_publish(b"m")


@pytest.mark.realtime
def test_mqtt_3_1_3_2_2_will_delay(clients: Clients, topic: str) -> None:
    watcher = _connected(clients)
    watcher.subscribe((topic, 1))
    client = clients()
    client.connect(properties=_KEEP, will=Will(topic, b"delayed", 1, False, [(wire.WILL_DELAY, 1)]))
    started = time.monotonic()
    client.abort()
    watcher.expect_nothing()
    publish = watcher.receive_publish(b"delayed", 1 + TIMEOUT_S)
    assert time.monotonic() - started >= 0.9, "before the delay had passed"
    assert publish.get(wire.WILL_DELAY) is None
    again = clients(client.client_id)
    assert again.connect(clean=False, properties=_KEEP).session_present, "the will has not ended the session"


@pytest.mark.realtime
def test_mqtt_3_1_3_9_reconnect_cancels_the_delayed_will_for_good(broker: Broker, clients: Clients, topic: str) -> None:
    watcher = _connected(clients)
    watcher.subscribe((topic, 1))
    client = clients()
    client.connect(properties=_KEEP, will=Will(topic, b"cancelled", 1, False, [(wire.WILL_DELAY, 1)]))
    client.abort()
    again = clients(client.client_id)
    assert again.connect(clean=False, properties=_KEEP).session_present
    Alarm(broker.address, 2).wait()
    watcher.expect_nothing()


@pytest.mark.realtime
def test_what_has_replaced_an_expiring_thing_does_not_expire_with_it(
    broker: Broker, clients: Clients, topic: str
) -> None:
    publisher = _connected(clients)
    publisher.publish(f"{topic}/retained", b"expires", 1, True, [(wire.MESSAGE_EXPIRY, 1)])
    publisher.publish(f"{topic}/retained", b"replaced", 1, True)
    session = _connected(clients, [(wire.SESSION_EXPIRY, 1)])
    session.disconnect()
    session_again = clients(session.client_id)
    assert session_again.connect(clean=False, properties=_KEEP).session_present
    session_again.disconnect()
    Alarm(broker.address, 2).wait()
    late = _connected(clients)
    late.subscribe((f"{topic}/retained", 1))
    late.receive_publish(b"replaced")
    publisher.publish(f"{topic}/retained", b"", 1, True)
    third = clients(session.client_id)
    assert third.connect(clean=False, properties=_KEEP).session_present
