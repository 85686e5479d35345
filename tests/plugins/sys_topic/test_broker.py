"""rmq-sys-topic in a running node, seen by clients: its figures are the node's own."""

from collections.abc import Iterator

import orjson
import pytest

from tests.conftest import Broker
from tests.support.client import Client
from tests.support.wire_parser import Publish

pytestmark = pytest.mark.realtime

EVENTS = "$SYS/brokers/1/+/sys-visitor/+"


@pytest.fixture
def watcher(broker: Broker) -> Iterator[Client]:
    client = Client(broker.address, "sys-watcher")
    client.connect()
    yield client
    client.close()


def test_the_last_figures_are_there_for_a_new_subscriber(watcher: Client) -> None:
    watcher.subscribe(("$SYS/brokers/1/stats", 1), ("$SYS/brokers/1/metrics", 1))
    received = {message.topic: message for message in watcher.receive_publishes(2)}
    stats = orjson.loads(received["$SYS/brokers/1/stats"].payload)
    metrics = orjson.loads(received["$SYS/brokers/1/metrics"].payload)
    assert all(message.retain and message.qos == 1 for message in received.values())
    assert stats["connections.max"] >= stats["connections.count"]
    # The stats went out before the metrics were read.
    assert metrics["messages.publish.system"] >= 1
    assert metrics["messages.publish"] >= metrics["messages.publish.system"] + metrics["messages.publish.custom"]


def test_the_coming_and_going_of_a_client_is_told_in_order(broker: Broker, watcher: Client) -> None:
    watcher.subscribe((EVENTS, 1))
    visitor = Client(broker.address, "sys-visitor")
    visitor.connect()
    visitor.subscribe("some/topic")
    visitor.unsubscribe("some/topic")
    visitor.disconnect()
    messages: list[Publish] = watcher.receive_publishes(6)
    visitor.close()
    assert [message.topic.removeprefix("$SYS/brokers/1/") for message in messages] == [
        "session/sys-visitor/created",
        "clients/sys-visitor/connected",
        "session/sys-visitor/subscribed",
        "session/sys-visitor/unsubscribed",
        "clients/sys-visitor/disconnected",
        "session/sys-visitor/terminated",
    ]
    for message in messages:
        assert orjson.loads(message.payload)["clientid"] == "sys-visitor"
        assert not message.retain
