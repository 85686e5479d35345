"""Topics and filters with a meaning of their own: `$exclusive/`, `$limit/`, `$delayed/` and `$SYS`."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.conformance.conftest import Clients, Listeners
from tests.conftest import Broker
from tests.support import wire
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client
from tests.support.packet_notation import V5, V311
from tests.support.wire import Will
from tests.support.wire_parser import Connack

LISTENERS = {"special": ["limit_subscription=true", "delayed_publish=true"], "plain": []}
# Without the plugin of access rules: what is tested here must hold without any.
NODE_OPTIONS = ['plugins.default_startups=["rmq-sys-topic"]', "mqtt.delayed_publish_max=3"]

_KEEP = [(wire.SESSION_EXPIRY, 100)]


@pytest.fixture
def at(listener: Listeners) -> Broker:
    """The broker behind the listener on which everything is switched on."""
    return listener("special")


def _connected(
    clients: Clients, at: Broker, level: int = V5, client_id: str | None = None, keep: bool = False
) -> Client:
    client = clients(client_id, level, at)
    client.connect(clean=not keep, properties=_KEEP if keep and level == V5 else [])
    return client


def test_one_exclusive_subscriber(at: Broker, level: int, clients: Clients, topic: str) -> None:
    full = 0x97 if level == V5 else 0x80
    owner, other, plain = (_connected(clients, at, level) for _ in range(3))
    key = f"$exclusive/{topic}"
    assert owner.subscribe((key, 1)).codes == [1]
    assert other.subscribe((key, 1)).codes == [full]
    assert plain.subscribe((topic, 1)).codes == [1]
    publisher = _connected(clients, at, level)
    publisher.publish(topic, b"m", 1)
    message = owner.receive_publish(b"m")
    assert message.topic == topic
    plain.receive_publish(b"m")
    other.expect_nothing()
    owner.unsubscribe(key)
    assert other.subscribe((key, 0)).codes == [0]
    publisher.publish(topic, b"n", 1)
    other.receive_publish(b"n")
    owner.expect_nothing()


def test_so_many_subscribers(at: Broker, level: int, clients: Clients, topic: str) -> None:
    full = 0x97 if level == V5 else 0x80
    key = f"$limit/2/{topic}/#"
    first, second, third = (_connected(clients, at, level) for _ in range(3))
    assert first.subscribe((key, 1)).codes == second.subscribe((key, 1)).codes == [1]
    assert third.subscribe((key, 1), (f"$limit/2/{topic}", 0)).codes == [full, 0]
    second.disconnect()
    assert third.subscribe((key, 1)).codes == [1]


def test_retained_messages_come_with_such_a_subscription(at: Broker, clients: Clients, topic: str) -> None:
    publisher = _connected(clients, at)
    publisher.publish(topic, b"kept", 1, retain=True)
    client = _connected(clients, at)
    client.subscribe((f"$exclusive/{topic}", 1))
    assert client.receive_publish(b"kept").retain
    publisher.publish(topic, b"", 1, retain=True)


def test_ownership_follows_the_session(at: Broker, level: int, clients: Clients, unique: str, topic: str) -> None:
    full = 0x97 if level == V5 else 0x80
    key = f"$exclusive/{topic}"
    owner = _connected(clients, at, level, f"{unique}-owner", keep=True)
    owner.subscribe((key, 1))
    owner.abort()
    other = _connected(clients, at, level)
    assert other.subscribe((key, 1)).codes == [full], "it is kept off line"
    back = clients(f"{unique}-owner", level, at)
    assert back.connect(clean=False, properties=_KEEP if level == V5 else []).session_present
    assert back.subscribe((key, 1)).codes == [1]
    back.disconnect()
    clients(f"{unique}-owner", level, at).connect(clean=True)
    assert other.subscribe((key, 1)).codes == [1], "that session is over"


@pytest.mark.parametrize(
    "key", ["$limit/0/t", "$limit/x/t", "$limit/3", "$exclusive/", "$exclusive/$share/g/t", "$share/g/$limit/2/t"]
)
def test_filters_that_mean_nothing(at: Broker, level: int, clients: Clients, key: str) -> None:
    client = _connected(clients, at, level)
    assert client.subscribe((key, 1), ("fine", 1)).codes == [0x8F if level == V5 else 0x80, 1]


def test_switched_off(listener: Listeners, level: int, clients: Clients, topic: str) -> None:
    client = _connected(clients, listener("plain"), level)
    refused = 0x8F if level == V5 else 0x80
    assert client.subscribe((f"$exclusive/{topic}", 1), (f"$limit/2/{topic}", 1)).codes == [refused, refused]
    client.send_publish(f"$delayed/1/{topic}", b"m", 0)
    client.expect_disconnect(0x90)


@pytest.mark.realtime
def test_a_delayed_message(at: Broker, level: int, clients: Clients, topic: str) -> None:
    subscriber, publisher = _connected(clients, at, level), _connected(clients, at, level)
    subscriber.subscribe((topic, 2), (f"$delayed/1/{topic}", 2))
    began = time.monotonic()
    publisher.publish(f"$delayed/1/{topic}", b"later", 2)
    publisher.publish(topic, b"now", 2)
    subscriber.receive_publish(b"now")
    message = subscriber.receive_publish(b"later")
    assert time.monotonic() - began >= 0.9
    assert (message.topic, message.qos) == (topic, 2)
    subscriber.expect_nothing()


@pytest.mark.realtime
def test_no_more_delayed_messages_than_configured(at: Broker, clients: Clients, topic: str) -> None:
    publisher, subscriber = _connected(clients, at), _connected(clients, at)
    subscriber.subscribe((topic, 1))
    name = f"$delayed/2/{topic}"
    assert [publisher.publish(name, b"%d" % number, 1) for number in range(4)] == [0, 0, 0, 0x97]
    assert publisher.publish(name, b"4", 2) == 0x97
    old = _connected(clients, at, V311)
    old.send_publish(name, b"5", 1, 1)
    old.expect_disconnect()
    assert [message.payload for message in subscriber.receive_publishes(3)] == [b"0", b"1", b"2"]
    subscriber.expect_nothing()


@pytest.mark.parametrize("name", ["$delayed/x/t", "$delayed/5", "$delayed/5000000/t", "$delayed/1/$delayed/1/t"])
def test_delays_that_mean_nothing(at: Broker, clients: Clients, name: str) -> None:
    assert _connected(clients, at).publish(name, b"m", 1) == 0x90
    old = _connected(clients, at, V311)
    old.send_publish(name, b"m", 1, 1)
    old.expect_disconnect()


def test_nobody_publishes_to_sys(at: Broker, level: int, clients: Clients, unique: str) -> None:
    subscriber, publisher = _connected(clients, at, level), _connected(clients, at, level)
    subscriber.subscribe((f"$SYS/{unique}", 1))
    for name in (f"$SYS/{unique}", f"$delayed/0/$SYS/{unique}"):
        for qos in (1, 2):
            publisher.publish(name, b"m", qos)
    subscriber.expect_nothing()
    if level == V5:
        assert publisher.publish(f"$SYS/{unique}", b"m", 1) == 0x87
    refused = clients(level=level, at=at)
    refused.connect(will=Will(f"$SYS/{unique}", b"m"), code=0x87 if level == V5 else 5)
    refused.expect_closed()


def test_mqtt_4_7_2_1_wildcards_don_t_see_sys(at: Broker, clients: Clients, unique: str) -> None:
    everything, system = _connected(clients, at), _connected(clients, at)
    everything.subscribe(("#", 0), ("+/brokers/#", 0), (f"$exclusive/+/{unique}/#", 0))
    system.subscribe(("$SYS/brokers/+/clients/+/connected", 0))
    _connected(clients, at, client_id=unique)
    while unique not in system.receive_publish().topic:
        pass
    assert not [packet for packet in everything.drain() if getattr(packet, "topic", "").startswith("$SYS")]


def test_the_rules_that_ship_protect_sys(broker: Broker, clients: Clients, unique: str) -> None:
    # Their default closes the connection of who tries; whatever they are about is the filter or topic itself.
    client = clients()
    client.connect()
    client.send_publish(f"$SYS/{unique}", b"m", 1, 1)
    client.expect_disconnect(0x87)


@pytest.mark.realtime
def test_special_topics_survive_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("restart")
    options = {"special": LISTENERS["special"]}
    node = BrokerProcess(directory, (), options)
    try:
        owner = Client(node.addresses["special"], "owner")
        owner.connect(properties=_KEEP)
        owner.subscribe(("$exclusive/t/#", 1), ("$limit/1/u", 1))
        publisher = Client(node.addresses["special"], "publisher")
        publisher.connect(properties=_KEEP)
        for qos in (1, 2):
            assert publisher.publish(f"$delayed/1/t/{qos}", b"soon", qos) == 0
        assert publisher.publish("$delayed/3/t/late", b"late", 1, retain=True) == 0
        publisher.send_publish("$delayed/1/t/half", b"half", 2, 77)
        publisher.receive()  # PUBREC, and no PUBREL
        for client in (owner, publisher):
            client.abort()
        os.kill(node.pid, signal.SIGKILL)
        assert node.stop() == -signal.SIGKILL
        node = BrokerProcess(directory, (), options)
        other = Client(node.addresses["special"], "other")
        other.connect()
        assert other.subscribe(("$exclusive/t/#", 1), ("$limit/1/u", 1), ("$limit/2/v", 1)).codes == [0x97, 0x97, 1]
        publisher = Client(node.addresses["special"], "publisher")
        publisher.connect(clean=False, properties=_KEEP)
        publisher.send(wire.publish("$delayed/1/t/half", b"half", 2, 77, dup=True))
        publisher.receive()
        owner = Client(node.addresses["special"], "owner")
        assert owner.connect(clean=False, properties=_KEEP).session_present
        received = [(message.topic, message.payload) for message in owner.receive_publishes(4)]
        assert sorted(received[:3]) == [("t/1", b"soon"), ("t/2", b"soon"), ("t/half", b"half")]
        assert received[3] == ("t/late", b"late")
        owner.expect_nothing()
        for client in (owner, publisher, other):
            client.close()
    finally:
        assert node.stop() == 0, node.log[-4000:]


def test_a_will_can_t_be_delayed_that_way(at: Broker, clients: Clients) -> None:
    client = clients(at=at)
    client.send(wire.connect(client.client_id, will=Will("$delayed/5/t", b"m")))
    assert client.expect(Connack).code == 0x90
    client.expect_closed()
