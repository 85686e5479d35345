"""Bridges of running nodes to mosquitto and to other nodes, seen by clients on both sides."""

import socket
from collections.abc import Callable

import pytest

from tests.plugins.bridge_mqtt.conftest import Mosquitto, await_subscriber, bridge_option, receive_all
from tests.support import wire
from tests.support.broker_process import BrokerProcess, free_ports
from tests.support.certificates import Certificates
from tests.support.client import Client
from tests.support.packet_notation import V5, V311
from tests.support.wire import Properties

pytestmark = pytest.mark.realtime

OUT = 'plugins.default_startups=["rmq-bridge-egress-mqtt"]'
IN = 'plugins.default_startups=["rmq-bridge-ingress-mqtt"]'
BOTH = 'plugins.default_startups=["rmq-bridge-egress-mqtt", "rmq-bridge-ingress-mqtt"]'
DIAL = Callable[..., Client]
START = Callable[..., BrokerProcess]
MAKE = Callable[..., Mosquitto]


def url(address: tuple[str, int], scheme: str = "tcp") -> str:
    return f"{scheme}://{address[0]}:{address[1]}"


@pytest.mark.parametrize("version", ["v4", "v5"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_go_out_under_other_names(
    dial: DIAL, start_node: START, make_mosquitto: MAKE, version: str, qos: int
) -> None:
    remote = make_mosquitto()
    remote.start()
    subscriber = dial(remote.address, "sub")
    subscriber.subscribe(("far/#", 2))
    entries = '[{ local.topic_filter = "out/+/#", remote.topic = "far/${local.topic}", remote.skip_levels = 1 }]'
    node = start_node(OUT, bridge_option("egress", url(remote.address), entries, f', mqtt_ver = "{version}"'))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out/a/b")
    assert subscriber.receive_publish(b"probe").topic == "far/a/b"
    for number in range(50):
        publisher.publish("out/a/b", b"%d" % number, qos)
    got = [subscriber.receive_publish() for _ in range(50)]
    assert [(m.payload, m.qos, m.topic) for m in got] == [(b"%d" % n, qos, "far/a/b") for n in range(50)]


def test_properties_go_along_by_mqtt_5(dial: DIAL, start_node: START, make_mosquitto: MAKE) -> None:
    remote = make_mosquitto()
    remote.start()
    subscriber = dial(remote.address, "sub")
    subscriber.subscribe(("out", 2))
    node = start_node(
        OUT, bridge_option("egress", url(remote.address), '[{ local.topic_filter = "out" }]', ', mqtt_ver = "v5"')
    )
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out")
    subscriber.receive_publish(b"probe")
    properties: Properties = [
        (wire.CONTENT_TYPE, "text/plain"),
        (wire.USER_PROPERTY, ("a", "b")),
        (wire.MESSAGE_EXPIRY, 500),
    ]
    publisher.publish("out", b"x", 1, properties=properties)
    got = dict(subscriber.receive_publish(b"x").properties)
    assert got[wire.CONTENT_TYPE] == "text/plain"
    assert 490 <= int(str(got[wire.MESSAGE_EXPIRY])) <= 500
    assert got[wire.USER_PROPERTY] == ("rmq-bridge", "link")  # the last of both


@pytest.mark.parametrize("qos", [1, 2])
def test_a_broker_that_is_killed_gets_all_in_order_when_it_is_back(
    dial: DIAL, start_node: START, make_mosquitto: MAKE, qos: int
) -> None:
    remote = make_mosquitto()
    remote.start()
    subscriber = dial(remote.address, "sub", keeping=True)
    subscriber.subscribe(("out", 2))
    subscriber.disconnect()
    node = start_node(OUT, bridge_option("egress", url(remote.address), '[{ local.topic_filter = "out" }]'))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out")
    watcher = dial(remote.address, "watcher", keeping=True)
    remote.kill()
    for number in range(300):
        publisher.publish("out", b"%d" % number, qos)
    remote.start()
    subscriber = dial(remote.address, "sub", keeping=True)
    assert receive_all(subscriber, 300) == [b"%d" % number for number in range(300)]
    watcher.abort()


@pytest.mark.parametrize("qos", [1, 2])
def test_a_node_that_is_killed_forgets_nothing_it_has_acknowledged(
    dial: DIAL, start_node: START, make_mosquitto: MAKE, qos: int
) -> None:
    remote = make_mosquitto()  # which isn't there yet
    node = start_node(OUT, bridge_option("egress", url(remote.address), '[{ local.topic_filter = "out" }]'))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out")
    for number in range(200):
        publisher.publish("out", b"%d" % number, qos)
    node.kill()
    remote.start()
    subscriber = dial(remote.address, "sub")
    subscriber.subscribe(("out", 2))
    start_node(before=node)
    assert receive_all(subscriber, 200) == [b"%d" % number for number in range(200)]
    subscriber.expect_nothing()


@pytest.mark.parametrize("version", ["v4", "v5"])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_come_in(dial: DIAL, start_node: START, make_mosquitto: MAKE, version: str, qos: int) -> None:
    remote = make_mosquitto()
    remote.start()
    entries = '[{ remote.topic = "far/#", remote.qos = 2, local.topic = "in/${remote.topic}" }]'
    node = start_node(IN, bridge_option("ingress", url(remote.address), entries, f', mqtt_ver = "{version}"'))
    subscriber = dial(node.address, "sub")
    subscriber.subscribe(("in/#", 2))
    publisher = dial(remote.address, "pub")
    await_subscriber(publisher, "far/a")
    subscriber.receive_publish(b"probe")
    for number in range(50):
        publisher.publish("far/a", b"%d" % number, qos)
    got = [subscriber.receive_publish() for _ in range(50)]
    assert [(m.payload, m.qos, m.topic) for m in got] == [(b"%d" % n, qos, "in/far/a") for n in range(50)]


def test_messages_come_in_without_their_first_levels(dial: DIAL, start_node: START, make_mosquitto: MAKE) -> None:
    remote = make_mosquitto()
    remote.start()
    entries = '[{ remote.topic = "far/+/#", local.topic = "in/${remote.topic}", local.skip_levels = 2 }]'
    node = start_node(IN, bridge_option("ingress", url(remote.address), entries))
    subscriber = dial(node.address, "sub")
    subscriber.subscribe(("in/#", 2))
    publisher = dial(remote.address, "pub")
    await_subscriber(publisher, "far/a/b/c")
    assert subscriber.receive_publish(b"probe").topic == "in/b/c"


@pytest.mark.parametrize("qos", [1, 2])
def test_what_came_while_the_node_was_dead_comes_once(
    dial: DIAL, start_node: START, make_mosquitto: MAKE, qos: int
) -> None:
    remote = make_mosquitto()
    remote.start()
    node = start_node(IN, bridge_option("ingress", url(remote.address), '[{ remote.topic = "far", remote.qos = 2 }]'))
    subscriber = dial(node.address, "sub", keeping=True)
    subscriber.subscribe(("far", 2))
    publisher = dial(remote.address, "pub")
    await_subscriber(publisher, "far")
    subscriber.receive_publish(b"probe")
    for number in range(100):
        publisher.publish("far", b"%d" % number, qos)
        if number == 50:
            node.kill()
    again = start_node(before=node)
    found = receive_all(subscriber, 0)
    subscriber = dial(again.address, "sub", keeping=True)
    while len(set(found)) < 100 or found[-1] != b"99":
        found.append(subscriber.receive_publish(timeout_s=20).payload)
    if qos == 2:
        assert found == [b"%d" % number for number in range(100)]
    assert list(dict.fromkeys(found)) == [b"%d" % number for number in range(100)]


def test_over_tls_with_certificates_of_both(
    dial: DIAL, start_node: START, make_mosquitto: MAKE, certificates: Certificates
) -> None:
    authority = certificates.authority
    remote = make_mosquitto(authority.server, authority.cafile)
    remote.start()
    client = authority.client("bridge")
    keys = f', root_cert = "{authority.cafile}", client_cert = "{client.certfile}", client_key = "{client.keyfile}"'
    entries = '[{ local.topic_filter = "out", remote.retain = true }]'
    node = start_node(OUT, bridge_option("egress", url(remote.address, "tls"), entries, keys))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out")
    raw = socket.create_connection(remote.address)
    subscriber = dial(
        remote.address, "sub", sock=certificates.client_context().wrap_socket(raw, server_hostname="localhost")
    )
    subscriber.subscribe(("out", 1 | 0x08))  # Retain As Published: whichever of the two comes first
    assert subscriber.receive_publish().retain


@pytest.mark.parametrize("version", ["v4", "v5"])
def test_out_and_in_by_one_bridge_is_no_loop(dial: DIAL, start_node: START, make_mosquitto: MAKE, version: str) -> None:
    remote = make_mosquitto()
    remote.start()
    more = f', mqtt_ver = "{version}"'
    node = start_node(
        BOTH,
        bridge_option("egress", url(remote.address), '[{ local.topic_filter = "t/#" }]', more),
        bridge_option("ingress", url(remote.address), '[{ remote.topic = "t/#" }]', more),
    )
    here = dial(node.address, "here")
    await_subscriber(here, "t/probe")
    there = dial(remote.address, "there")
    await_subscriber(there, "t/probe")
    listener = dial(remote.address, "listener")
    listener.subscribe(("t/#", 2))
    here.publish("t/a", b"out", 1)
    seen = receive_all(listener, 1)
    there.publish("t/b", b"end", 1)
    assert seen + receive_all(listener, 1) == [b"out", b"end"]
    # What comes back stands before this in every queue.
    here.publish("t/c", b"once more", 1)
    assert receive_all(listener, 1) == [b"once more"]
    listener.expect_nothing()


def test_two_nodes_bridged_both_ways_pass_a_message_once(dial: DIAL, start_node: START) -> None:
    ports = free_ports(2)
    entries = '[{ local.topic_filter = "t/#" }]'
    nodes = [
        start_node(
            OUT,
            bridge_option("egress", f"tcp://127.0.0.1:{ports[1 - number]}", entries, ', mqtt_ver = "v5"'),
            f'listener.tcp.second={{ addr = "127.0.0.1:{ports[number]}" }}',
        )
        for number in range(2)
    ]
    clients = [dial(node.address, "c") for node in nodes]
    for client in clients:
        await_subscriber(client, "t/probe")
    listeners = [dial(node.address, "l") for node in nodes]
    for listener in listeners:
        listener.subscribe(("t/#", 2))
    for number in range(20):
        clients[number % 2].publish("t/a", b"%d" % number, 2)
    seen = [receive_all(listener, 20) for listener in listeners]
    assert [sorted(one) for one in seen] == [sorted(b"%d" % n for n in range(20))] * 2
    for listener in listeners:
        listener.expect_nothing()


def test_nobody_else_has_the_name_of_such_a_session(dial: DIAL, start_node: START) -> None:
    node = start_node(OUT)
    for level, code in ((V5, 0x85), (V311, 2)):
        dial(node.address, "$rmq/bridge/egress/link/0/0", level=level, code=code)
