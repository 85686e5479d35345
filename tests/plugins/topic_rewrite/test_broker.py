"""rmq-topic-rewrite in a running node, seen by clients."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Broker
from tests.support.client import Client
from tests.support.packet_notation import V5, V311
from tests.support.wire import Will
from tests.support.wire_parser import Disconnect, Puback

pytestmark = pytest.mark.realtime

OPTIONS = (
    'plugins.default_startups=["rmq-topic-rewrite", "rmq-acl"]',
    """plugins.rmq-topic-rewrite.rules=[
        { action = "all", source_topic_filter = "old/#", dest_topic = "new/$1", regex = "^old/(.+)$" },
        { action = "publish", source_topic_filter = "up/#", dest_topic = "from/${clientid}" },
        { action = "publish", source_topic_filter = "trap/#", dest_topic = "$1", regex = "^trap/(.+)$" }
    ]""",
    """plugins.rmq-acl.rules=[
        ["deny", "all", "publish", ["new/secret/#", "old/#"]],
        ["deny", "all", "subscribe", ["new/secret/#", "old/#"]],
        ["allow", "all"]
    ]""",
)


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    return start_broker(*OPTIONS)


@pytest.fixture
def watcher(broker: Broker) -> Iterator[Client]:
    client = Client(broker.address, "watcher")
    client.connect()
    codes = client.subscribe(("new/t", 1), ("new/gone", 1), ("from/#", 1)).codes
    assert codes == [1, 1, 1]
    yield client
    client.close()


@pytest.mark.parametrize("level", [V5, V311])
def test_old_names_reach_new_subscribers_and_the_other_way_round(broker: Broker, watcher: Client, level: int) -> None:
    client = Client(broker.address, "dev-1", level)
    client.connect()
    assert client.subscribe("old/cmd/#", "$share/g/old/x").codes == [0, 0]
    client.publish("old/t", b"1", 1)
    client.publish("up/anything", b"2", 1)
    assert [(m.topic, m.payload) for m in watcher.receive_publishes(2)] == [("new/t", b"1"), ("from/dev-1", b"2")]
    watcher.publish("new/cmd/go", b"3", 0)
    assert client.receive_publish(b"3").topic == "new/cmd/go"
    client.unsubscribe("old/cmd/#")
    watcher.publish("new/cmd/go", b"4", 1)
    watcher.publish("new/x", b"5", 0)
    assert client.receive_publish().payload == b"5"
    client.close()


def test_access_is_asked_about_what_topics_become(broker: Broker, watcher: Client) -> None:
    client = Client(broker.address, "dev-2")
    client.connect()
    assert client.subscribe("old/secret/x", "old/fine").codes == [0x87, 0]
    client.send_publish("old/secret/x", b"1", 1)
    assert client.expect(Disconnect).code == 0x87
    client.close()


@pytest.mark.parametrize("topic", ["old/secret/x", "trap/$SYS/x", "trap/new/secret/x"])
def test_no_will_goes_past_it(broker: Broker, topic: str) -> None:
    client = Client(broker.address, "dev-3")
    client.connect(will=Will(topic, b"x"), code=0x87)
    client.close()


def test_a_will_is_for_the_new_name(broker: Broker, watcher: Client) -> None:
    client = Client(broker.address, "dev-4")
    client.connect(will=Will("old/gone", b"x"))
    client.abort()
    assert watcher.receive_publish(b"x").topic == "new/gone"


@pytest.mark.parametrize("topic", ["trap/$SYS/x", "trap/$delayed/x/y"])
def test_what_nobody_may_publish_to_stays_so(broker: Broker, topic: str) -> None:
    client = Client(broker.address, "dev-5")
    client.connect()
    client.send_publish(topic, b"x", 1)
    assert client.expect(Puback).code in (0x87, 0x90)
    client.close()
