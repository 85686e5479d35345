"""Bridges of running nodes to a real nats-server, seen by clients on both sides."""

import json
from collections.abc import Callable

import pytest

from tests.plugins.bridge_mqtt.conftest import PATIENCE_S, await_subscriber, receive_all
from tests.plugins.bridge_nats.conftest import nats_option
from tests.support import wire
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client, Silence
from tests.support.nats_server import NatsClient, NatsServer
from tests.support.wire import Properties
from tests.support.wire_parser import Puback

pytestmark = pytest.mark.realtime

OUT = 'plugins.default_startups=["rmq-bridge-egress-nats"]'
IN = 'plugins.default_startups=["rmq-bridge-ingress-nats"]'
BOTH = 'plugins.default_startups=["rmq-bridge-egress-nats", "rmq-bridge-ingress-nats"]'
DIAL = Callable[..., Client]
DIAL_NATS = Callable[..., NatsClient]
START = Callable[..., BrokerProcess]
MAKE = Callable[..., NatsServer]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_go_out_under_their_subjects(
    dial: DIAL, dial_nats: DIAL_NATS, start_node: START, make_nats: MAKE, qos: int
) -> None:
    server = make_nats()
    server.start()
    there = dial_nats(server)
    there.subscribe("far.>")
    entries = '[{ local.topic_filter = "out/#", remote.topic = "far.${local.topic}", remote.skip_levels = 1 }]'
    node = start_node(OUT, nats_option("egress", server.url, entries))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out/a")
    while there.take().payload != b"probe":
        pass
    for number in range(50):
        publisher.publish("out/a.b//c d", b"%d" % number, qos)
    got = [there.take() for _ in range(50)]
    assert [m.payload for m in got] == [b"%d" % number for number in range(50)]
    assert {m.subject for m in got} == {"far.a//b./.c%20d"}
    assert {m.headers["qos"] for m in got} == {str(qos)}


def test_properties_go_out_as_headers_and_come_back(
    dial: DIAL, dial_nats: DIAL_NATS, start_node: START, make_nats: MAKE
) -> None:
    server = make_nats()
    server.start()
    there = dial_nats(server)
    there.subscribe(">")
    node = start_node(
        BOTH,
        nats_option("egress", server.url, '[{ local.topic_filter = "out" }]', name="one"),
        nats_option("ingress", server.url, '[{ remote.topic = "in" }]', name="two"),
    )
    here = dial(node.address, "here")
    here.subscribe(("in", 2))
    await_subscriber(here, "out")
    while there.take().subject != "out":
        pass
    properties: Properties = [
        (wire.CONTENT_TYPE, "text/plain"),
        (wire.RESPONSE_TOPIC, "answer/here"),
        (wire.CORRELATION_DATA, b"\x00\xff"),
        (wire.PAYLOAD_FORMAT, 1),
        (wire.MESSAGE_EXPIRY, 500),
        (wire.USER_PROPERTY, ("a", "b")),
        (wire.USER_PROPERTY, ("a", "c")),
        (wire.USER_PROPERTY, ("Nats-Rollup", "all")),
    ]
    here.publish("out", b"x", 1, properties=properties)
    while (got := there.take()).payload != b"x":
        pass
    assert got.headers["Mqtt-Content-Type"] == "text/plain"
    assert 490 <= int(got.headers["Mqtt-Message-Expiry"]) <= 500
    assert "Nats-Rollup" not in got.headers
    assert json.loads(got.headers["Mqtt-User-Properties"]) == [["a", "b"], ["a", "c"], ["Nats-Rollup", "all"]]
    there.publish("in", b"y", {**got.headers, "rmq-bridge": "[]"})
    back = here.receive_publish(b"y", timeout_s=20)
    assert back.qos == 1
    found = [pair for pair in back.properties if pair[0] != wire.MESSAGE_EXPIRY and "rmq" not in str(pair[1])]
    assert sorted(map(repr, found)) == sorted(repr(pair) for pair in properties if pair[0] != wire.MESSAGE_EXPIRY)


def test_what_waits_for_a_server_that_is_away_arrives_when_it_is_back(
    dial: DIAL, dial_nats: DIAL_NATS, start_node: START, make_nats: MAKE
) -> None:
    server = make_nats()
    server.start()
    dial_nats(server).make_stream("ALL", ["out"])
    server.kill()
    node = start_node(OUT, nats_option("egress", server.url, '[{ local.topic_filter = "out" }]'))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out")
    publish_all(publisher, "out", range(200))
    node.kill()
    start_node(before=node)
    server.start()
    watcher = dial_nats(server)
    while watcher.stream_length("ALL") < 201:
        pass
    found = [payload for payload in watcher.stream_payloads("ALL", 1) if payload != b"probe"]
    assert list(dict.fromkeys(found)) == [b"%d" % number for number in range(200)]


@pytest.mark.parametrize("fault", ["killed", "frozen"])
def test_a_server_that_fails_under_load_loses_nothing_of_a_stream(
    dial: DIAL, dial_nats: DIAL_NATS, start_node: START, make_nats: MAKE, fault: str
) -> None:
    server = make_nats()
    server.start()
    dial_nats(server).make_stream("ALL", ["out"])
    more = ', jetstream = true, sender_capacity = 20, request_timeout = "1s", connection_timeout = "1s"'
    node = start_node(OUT, nats_option("egress", server.url, '[{ local.topic_filter = "out" }]', more))
    publisher = dial(node.address, "pub")
    await_subscriber(publisher, "out")
    publish_all(publisher, "out", range(300))
    server.kill() if fault == "killed" else server.freeze()
    publish_all(publisher, "out", range(300, 600))
    while "bridge not connected" not in node.log:
        pass
    server.start() if fault == "killed" else server.thaw()
    publish_all(publisher, "out", range(600, 900))
    watcher = dial_nats(server)
    expected = {b"%d" % number for number in range(900)} | {b"probe"}
    found: list[bytes] = []
    while len(set(found)) < 901:
        found += watcher.stream_payloads("ALL", len(found) + 1)
    assert set(found) == expected


def test_messages_come_in(dial: DIAL, dial_nats: DIAL_NATS, start_node: START, make_nats: MAKE) -> None:
    server = make_nats()
    server.start()
    entries = '[{ remote.topic = "far.>", local.topic = "in/${remote.topic}", local.allow_empty_forward = false }]'
    node = start_node(IN, nats_option("ingress", server.url, entries))
    here = dial(node.address, "here")
    here.subscribe(("in/#", 2))
    there = dial_nats(server)
    await_bridge(there, here, "far.probe")
    there.publish("far.empty", b"")
    for number in range(300):
        there.publish("far.a//b./.c%20d", b"%d" % number, {"qos": "2", "retain": "true"} if number % 2 else None)
    got = [here.receive_publish() for _ in range(300)]
    # Each QoS has its own order.
    for first, qos in ((0, 0), (1, 2)):
        assert [m.payload for m in got if m.qos == qos] == [b"%d" % number for number in range(first, 300, 2)]
    assert {m.topic for m in got} == {"in/far/a.b//c d"}


def publish_all(publisher: Client, topic: str, numbers: range) -> None:
    """Publish with QoS 1, twenty at a time, until all is acknowledged."""
    for start in range(0, len(numbers), 20):
        part = numbers[start : start + 20]
        for number in part:
            publisher.send_publish(topic, b"%d" % number, 1)
        for _ in part:
            assert publisher.expect(Puback, PATIENCE_S).code == 0


def await_bridge(there: NatsClient, here: Client, subject: str) -> None:
    """Publish there until it comes here."""
    while True:
        there.publish(subject, b"probe")
        there.settle()
        try:
            here.receive_publish(b"probe", timeout_s=0.2)
        except Silence:
            continue
        break


def test_a_group_shares_what_comes(dial: DIAL, dial_nats: DIAL_NATS, start_node: START, make_nats: MAKE) -> None:
    server = make_nats()
    server.start()
    there = dial_nats(server)
    entries = '[{ remote.topic = "far.>", remote.group = "g" }]'
    nodes = [start_node(IN, nats_option("ingress", server.url, entries)) for _ in range(2)]
    for node in nodes:
        probe = dial(node.address, "probe")
        probe.subscribe("far/probe")
        await_bridge(there, probe, "far.probe")
    listeners = [dial(node.address, "here") for node in nodes]
    for listener in listeners:
        listener.subscribe("far/shared")
    for number in range(100):
        there.publish("far.shared", b"%d" % number)
    there.settle()
    found: list[list[bytes]] = [[], []]
    while len(found[0]) + len(found[1]) < 100:
        for listener, mine in zip(listeners, found, strict=True):
            try:
                mine.append(listener.receive_publish(timeout_s=0.1).payload)
            except Silence:
                continue
    assert sorted(found[0] + found[1]) == sorted(b"%d" % number for number in range(100))
    assert found[0] and found[1]


def test_what_a_stream_has_comes_though_node_and_server_die(
    dial: DIAL, dial_nats: DIAL_NATS, start_node: START, make_nats: MAKE
) -> None:
    server = make_nats()
    server.start()
    there = dial_nats(server)
    there.make_stream("ALL", ["far.>"])
    entries = '[{ remote.topic = "far.>", remote.group = "mine", remote.stream = "ALL" }]'
    option = nats_option("ingress", server.url, entries, ', jetstream = true, ack_wait = "2s", request_timeout = "1s"')
    node = start_node(IN, option)
    here = dial(node.address, "here", keeping=True)
    here.subscribe(("far/#", 2))
    here.disconnect()
    for number in range(300):
        there.publish("far.a", b"%d" % number)
    there.settle()
    node.kill()
    node = start_node(before=node)
    for number in range(300, 600):
        there.publish("far.a", b"%d" % number)
    there.settle()
    while there.stream_length("ALL") < 600:
        pass
    server.kill()
    server.start()
    here = dial(node.address, "here", keeping=True)
    found: set[bytes] = set()
    while len(found) < 600:
        found.add(receive_all(here, 1)[0])
    assert found == {b"%d" % number for number in range(600)}
    there = dial_nats(server)
    while there.unacknowledged("ALL", "mine"):
        pass


def test_out_and_in_is_no_loop(dial: DIAL, dial_nats: DIAL_NATS, start_node: START, make_nats: MAKE) -> None:
    server = make_nats()
    server.start()
    nodes = [
        start_node(
            BOTH,
            nats_option("egress", server.url, '[{ local.topic_filter = "t/#" }]', name=name),
            nats_option("ingress", server.url, '[{ remote.topic = "t.>" }]', name=name),
        )
        for name in ("one", "two")
    ]
    there = dial_nats(server)
    for node in nodes:
        probe = dial(node.address, "probe")
        probe.subscribe("t/probe")
        await_bridge(there, probe, "t.probe")
        await_subscriber(dial(node.address, "second probe"), "t/x")
    there.subscribe("t.a.>")
    clients = [dial(node.address, "here") for node in nodes]
    for client in clients:
        client.subscribe(("t/a/#", 2))
    for number in range(20):
        clients[number % 2].send_publish("t/a/b", b"%d" % number, 0)
    expected = sorted(b"%d" % number for number in range(20))
    assert sorted(there.take().payload for _ in range(20)) == expected
    for client in clients:
        assert sorted(client.receive_publish(timeout_s=PATIENCE_S).payload for _ in range(20)) == expected
    # What came back would stand before this in every queue.
    clients[0].send_publish("t/a/end", b"end", 0)
    assert clients[1].receive_publish(timeout_s=PATIENCE_S).payload == b"end"
    assert there.take().payload == b"end"
    there.expect_nothing()
