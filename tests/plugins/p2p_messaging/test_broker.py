"""rmq-p2p-messaging in a running node, seen by clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import wire
from tests.support.client import Client
from tests.support.packet_notation import V5, V311
from tests.support.plugin_node import PluginNode
from tests.support.wire import Will
from tests.support.wire_parser import Disconnect, Puback, Publish, Pubrec

pytestmark = pytest.mark.realtime

NewClient = Callable[..., Client]
NAME = "rmq-p2p-messaging"
NOBODY = 0x10
NOT_AUTHORIZED = 0x87
TOPIC_NAME_INVALID = 0x90
RULES = """
disconnect_if_pub_rejected = false
rules = [
    ["deny", { clientid = "stranger" }, "publish", ["p2p/#"]],
    ["deny", { clientid = "guest" }, "publish", ["cmd/#"]],
    ["allow", "all"],
]
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginNode]:
    made = PluginNode(
        tmp_path_factory.mktemp("node"),
        (NAME, "rmq-acl"),
        {NAME: 'mode = "both"\n', "rmq-acl": RULES},
        ("listener.tcp.external.delayed_publish=true",),
    )
    yield made
    made.stop()


@pytest.fixture
def connect(node: PluginNode, new_client: NewClient) -> Callable[..., Client]:
    def make(client_id: str, level: int = V5, **options: Any) -> Client:
        client = new_client(node.address, client_id, level)
        client.connect(**options)
        return client

    return make


def got(client: Client) -> list[tuple[str, bytes, int, bool]]:
    return [(p.topic, p.payload, p.qos, p.retain) for p in client.drain() if isinstance(p, Publish)]


@pytest.mark.parametrize("level", [V5, V311])
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("topic", ["p2p/dev/sensor/temp", "sensor/temp/p2p/dev"])
def test_one_client_gets_it_and_nobody_else(connect: Callable[..., Client], topic: str, qos: int, level: int) -> None:
    dev, watcher, publisher = connect("dev", level), connect("watcher"), connect("publisher", level)
    watcher.subscribe(("#", 2), ("sensor/#", 2), ("p2p/#", 2), ("+/+/p2p/+", 2), ("$share/g/sensor/temp", 2))
    publisher.publish(topic, b"x", qos)
    message = dev.receive_publish(b"x")
    assert (message.topic, message.qos, message.retain) == ("sensor/temp", qos, False)
    watcher.expect_nothing()


def test_what_v5_tells_beside_comes_along_and_oneself_can_be_meant(connect: Callable[..., Client]) -> None:
    dev = connect("dev")
    dev.subscribe(("t", 1), properties=[(0x0B, 7)])
    dev.send_publish("p2p/dev/t", b"x", 1, properties=[(0x26, ("k", "v")), (0x08, "answers")])
    found = [packet for packet in (dev.receive(), dev.receive()) if isinstance(packet, Publish)]
    assert [(p.topic, sorted(p.properties)) for p in found] == [("t", [(0x08, "answers"), (0x26, ("k", "v"))])]


def test_nobody_is_there(connect: Callable[..., Client]) -> None:
    publisher = connect("publisher")
    publisher.send_publish("p2p/nobody/t", b"x", 1)
    assert publisher.expect(Puback).code == NOBODY
    publisher.send_publish("p2p/nobody/t", b"x", 2)
    assert publisher.expect(Pubrec).code == NOBODY
    old = connect("old", V311)
    assert old.publish("p2p/nobody/t", b"x", 1) == 0


def test_a_kept_session_gets_it_when_it_comes_back(node: PluginNode, connect: Callable[..., Client]) -> None:
    kept = connect("kept", clean=False, properties=[(0x11, 3600)])
    kept.disconnect()
    publisher = connect("publisher")
    for qos in (0, 1, 2):
        assert publisher.publish("p2p/kept/t", b"%d" % qos, qos) == 0
    kept = connect("kept", clean=False, properties=[(0x11, 3600)])
    assert [(m.payload, m.qos) for m in kept.receive_publishes(2)] == [(b"1", 1), (b"2", 2)]
    assert publisher.publish("p2p/kept/t", b"live", 0) == 0
    assert kept.receive_publish(b"live").qos == 0


def test_qos_2_is_once(connect: Callable[..., Client]) -> None:
    """[MQTT-4.3.3-10], for publishers whose session is kept and for others."""
    kept: dict[str, Any] = {"clean": False, "properties": [(0x11, 3600)]}
    for name, options in (("short", {}), ("long", kept)):
        dev, publisher = connect("dev"), connect(name, **options)
        publisher.send(wire.publish("p2p/dev/t", b"once", 2, 7))
        assert publisher.expect(Pubrec).code == 0
        publisher.send(wire.publish("p2p/dev/t", b"once", 2, 7, dup=True))
        assert publisher.expect(Pubrec).code == 0
        assert dev.receive_publish(b"once").qos == 2
        dev.expect_nothing()


def test_it_is_never_retained(connect: Callable[..., Client]) -> None:
    dev, publisher = connect("dev"), connect("publisher")
    publisher.publish("p2p/dev/kept/here", b"x", 1, retain=True)
    assert not dev.receive_publish(b"x").retain
    reader = connect("reader")
    reader.subscribe("kept/#", "p2p/#")
    reader.expect_nothing()


def test_later_subscribers_dont_get_it_either(tmp_path: Path, new_client: NewClient) -> None:
    """rmq-message-storage keeps what is for everybody, and gives that to them."""
    node = PluginNode(tmp_path, (NAME, "rmq-message-storage"))
    dev, publisher, late = (new_client(node.address, name) for name in ("dev", "publisher", "late"))
    dev.connect()
    publisher.connect()
    publisher.publish("p2p/dev/t", b"for one", 1)
    publisher.publish("t", b"for all", 1)
    assert dev.receive_publish().payload == b"for one"
    late.connect()
    late.subscribe(("t", 1), ("p2p/#", 1))
    assert late.receive_publish().payload == b"for all"
    late.expect_nothing()
    node.stop()


def test_access_is_checked_of_the_topic_as_it_is_written_and_as_it_is_seen(connect: Callable[..., Client]) -> None:
    dev = connect("dev")
    for name, topic in (("stranger", "p2p/dev/t"), ("guest", "p2p/dev/cmd/reboot"), ("guest", "cmd/reboot/p2p/dev")):
        client = connect(name)
        for _ in range(2):
            client.send_publish(topic, b"x", 1)
            assert client.expect(Puback).code == NOT_AUTHORIZED
        client.send_publish(topic, b"x", 0)
        client.close()
    guest = connect("guest")
    assert guest.publish("p2p/dev/t", b"fine", 1) == 0
    assert [payload for _, payload, _, _ in got(dev)] == [b"fine"]


@pytest.mark.parametrize("topic", ["p2p/dev", "p2p//t", "p2p/dev/$SYS/x", "x/p2p/dev/y"])
def test_other_topics_are_ordinary_ones(connect: Callable[..., Client], topic: str) -> None:
    dev, watcher, publisher = connect("dev"), connect("watcher"), connect("publisher")
    watcher.subscribe(topic)
    publisher.publish(topic, b"x", 1)
    assert watcher.receive_publish(b"x").topic == topic
    dev.expect_nothing()


def test_what_cant_be_kept_with_whom_it_is_for_is_refused(connect: Callable[..., Client], node: PluginNode) -> None:
    publisher = connect("publisher")
    publisher.send_publish("$delayed/1/p2p/dev/t", b"x", 1)
    assert publisher.expect(Puback).code == TOPIC_NAME_INVALID
    publisher.send_publish("$delayed/1/p2p/dev/t", b"x", 0)
    assert publisher.expect(Disconnect).code == TOPIC_NAME_INVALID
    connect("with-will", will=Will("p2p/dev/t", b"x"), code=TOPIC_NAME_INVALID)
    connect("other-will", will=Will("p2p", b"x"))


def test_the_api_can_send_to_one_client(node: PluginNode, connect: Callable[..., Client]) -> None:
    dev = connect("dev")
    answer = node.ask(
        "POST", "/api/v1/mqtt/publish", {"topic": "p2p/dev/t", "payload": "x", "qos": 1, "clientid": "api"}
    )
    assert answer.status_code == 200, answer.text
    assert dev.receive_publish(b"x").topic == "t"


def test_it_is_reloaded_unloaded_and_loaded(tmp_path: Path, new_client: NewClient) -> None:
    node = PluginNode(tmp_path)
    dev, publisher = new_client(node.address, "dev"), new_client(node.address, "publisher")
    dev.connect()
    publisher.connect()

    def arrives(topic: str) -> bool:
        publisher.publish(topic, b"x", 1)
        return got(dev) != []

    assert not arrives("p2p/dev/t")
    node.load(NAME)
    assert arrives("p2p/dev/t") and not arrives("t/p2p/dev")
    node.write(NAME, 'mode = "suffix"\n')
    assert node.reload(NAME).status_code == 200
    assert arrives("t/p2p/dev") and not arrives("p2p/dev/t")
    node.write(NAME, 'mode = "infix"\n')
    refused = node.reload(NAME)
    assert refused.status_code == 409 and "mode" in refused.text
    assert arrives("t/p2p/dev")
    attrs = node.plugin(NAME)["attrs"]
    assert (attrs["mode"], attrs["addressed"]) == ("suffix", 3)
    node.unload(NAME)
    assert not arrives("t/p2p/dev")
    node.stop()


def test_what_is_acknowledged_outlives_a_kill(tmp_path: Path, new_client: NewClient) -> None:
    node = PluginNode(tmp_path, (NAME,))
    kept, publisher = new_client(node.address, "kept"), new_client(node.address, "publisher")
    kept.connect(clean=False, properties=[(0x11, 3600)])
    kept.disconnect()
    publisher.connect()
    for number in range(20):
        assert publisher.publish("p2p/kept/t", b"%d" % number, 1 + number % 2) == 0
    node.process.kill()
    node.start_again()
    kept = new_client(node.address, "kept")
    kept.connect(clean=False, properties=[(0x11, 3600)])
    assert [m.payload for m in kept.receive_publishes(20)] == [b"%d" % number for number in range(20)]
    node.stop()
