"""What is not allowed (3.9.3, 3.4.2.1, 3.5.2.1, 4.13.2): the code reaches the client, the message reaches nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.conftest import Clients, Listeners
from tests.conftest import Broker
from tests.support import wire
from tests.support.client import Client, payloads
from tests.support.packet_notation import V5
from tests.support.wire import Will
from tests.support.wire_parser import Puback, Pubcomp, Pubrec

_RULES = """plugins.rmq-acl.rules=[
    ["deny", {clientid = "banned"}, "connect"],
    ["deny", {user = "mallory"}, "connect"],
    ["deny", "all", "publish", ["nopub/#"]],
    ["deny", "all", "subscribe", ["nosub/#"]],
    ["allow", "all"],
]""".replace("\n", " ")

NODE_OPTIONS = [_RULES, "plugins.rmq-acl.disconnect_if_pub_rejected=false"]
LISTENERS = {"strict": [], "receives-2": ["receive_maximum=2"]}


@pytest.fixture
def strict(listener: Listeners) -> Broker:
    """A broker that guards nopub/# and nosub/# and tells MQTT 5 clients so in their acknowledgements."""
    return listener("strict")


@pytest.fixture
def closing(start_broker: Callable[..., Broker]) -> Broker:
    """A broker that guards nopub/# and nosub/# and closes the connection of who publishes there."""
    return start_broker(_RULES, "plugins.rmq-acl.disconnect_if_pub_rejected=true")


def _connected(clients: Clients, at: Broker, level: int = V5, properties: wire.Properties = ()) -> Client:
    client = clients(level=level, at=at)
    client.connect(properties=properties)
    return client


def test_mqtt_3_9_3_subscription_that_is_not_allowed(strict: Broker, level: int, clients: Clients) -> None:
    client = _connected(clients, strict, level)
    refused = 0x87 if level == V5 else 0x80
    assert client.subscribe(("open/1", 1), ("nosub/1", 1), ("open/2", 2)).codes == [1, refused, 2]
    assert client.subscribe(("$share/g/nosub/1", 1)).codes == [refused]
    if level == V5:
        assert client.unsubscribe("nosub/1").codes == [0x11], "a refused subscription was never made"
    publisher = _connected(clients, strict, level)
    publisher.publish("open/2", b"m", 2)
    client.receive_publish(b"m")


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt_3_4_2_1_publish_that_is_not_allowed(qos: int, strict: Broker, level: int, clients: Clients) -> None:
    watcher = _connected(clients, strict, level)
    assert watcher.subscribe(("nopub/#", 2), ("open/#", 2)).codes == [2, 2]
    publisher = _connected(clients, strict, level)
    # Version 3 cannot be told: acknowledged and dropped [MQTT-3.3.5-2].
    expected = 0x87 if level == V5 and qos else 0
    for _ in range(3):
        assert publisher.publish("nopub/x", b"secret", qos, True) == expected
    publisher.publish("open/x", b"open", 1)
    assert payloads(watcher.drain()) == [b"open"]
    late = _connected(clients, strict, level)
    assert late.subscribe(("nopub/#", 1)).codes == [1]
    late.expect_nothing()  # not retained either


def test_mqtt_4_3_3_refused_pubrec_ends_the_exchange(strict: Broker, clients: Clients) -> None:
    publisher = _connected(clients, strict)
    publisher.send_publish("nopub/x", b"m", 2, 5)
    pubrec = publisher.expect(Pubrec)
    assert pubrec.code == 0x87
    publisher.send(wire.pubrel(5))
    assert publisher.expect(Pubcomp).code == 0x92, "the packet identifier is free again"
    publisher.send_publish("open/x", b"m", 2, 5)
    assert publisher.expect(Pubrec).code < 0x80


def test_mqtt_4_9_0_2_refused_messages_take_no_place(listener: Listeners, clients: Clients) -> None:
    publisher = _connected(clients, listener("receives-2"))
    for packet_id in range(1, 11):
        publisher.send_publish("nopub/x", b"m", 1 + packet_id % 2, packet_id)
        assert publisher.expect(Pubrec if packet_id % 2 else Puback).code == 0x87
    publisher.expect_nothing()


def test_topic_alias_is_learnt_from_a_refused_message(strict: Broker, clients: Clients) -> None:
    publisher = _connected(clients, strict)
    alias: wire.Properties = [(wire.TOPIC_ALIAS, 1)]
    publisher.send_publish("nopub/x", b"m", 1, 1, properties=alias)
    assert publisher.expect(Puback).code == 0x87
    publisher.send_publish("", b"m", 1, 2, properties=alias)
    assert publisher.expect(Puback).code == 0x87, "the alias stands for the guarded topic, and is judged as it"


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_mqtt_4_13_2_publish_that_closes(qos: int, closing: Broker, level: int, clients: Clients) -> None:
    publisher = _connected(clients, closing, level)
    publisher.send_publish("nopub/x", b"m", qos)
    publisher.expect_disconnect(0x87)


def test_a_will_that_is_not_allowed_is_not_published(strict: Broker, level: int, clients: Clients) -> None:
    watcher = _connected(clients, strict, level)
    assert watcher.subscribe("nopub/#", "open/#").codes == [0, 0]
    client = clients(level=level, at=strict)
    client.send(wire.connect(client.client_id, level, True, 60, (), Will("nopub/x", b"secret will")))
    client.receive()
    client.close()
    marker = clients(client.client_id, level, strict)
    marker.connect()
    marker.publish("open/marker", b"marker", 1)
    assert payloads(watcher.drain()) == [b"marker"]


def test_mqtt_3_1_4_2_client_that_is_not_allowed(strict: Broker, level: int, clients: Clients) -> None:
    client = clients("banned", level, strict)
    connack = client.connect(code=0x87 if level == V5 else 5)
    assert not connack.session_present
    client.expect_closed()


def test_who_is_refused_takes_nobody_over(strict: Broker, clients: Clients) -> None:
    first = clients("wanted", at=strict)
    first.connect(properties=[(wire.SESSION_EXPIRY, 100)])
    first.subscribe(("open/x", 1))
    intruder = clients("wanted", at=strict)
    intruder.connect(clean=True, username="mallory", code=0x87)
    intruder.expect_closed()
    first.expect_nothing()
    publisher = _connected(clients, strict)
    publisher.publish("open/x", b"still here")
    first.receive_publish(b"still here")
