"""rmq-auto-subscription in a running node, seen by clients."""

from collections.abc import Callable

import pytest

from tests.conftest import Broker
from tests.support import wire
from tests.support.client import Client
from tests.support.packet_notation import V5, V311

pytestmark = pytest.mark.realtime

OPTIONS = (
    'plugins.default_startups=["rmq-auto-subscription"]',
    """plugins.rmq-auto-subscription.subscribes=[
        { topic_filter = "cmd/${clientid}/#", qos = 1 },
        { topic_filter = "news/${clientid}", qos = 0, retain_handling = 0 }
    ]""",
)


@pytest.fixture
def broker(start_broker: Callable[..., Broker]) -> Broker:
    return start_broker(*OPTIONS)


@pytest.mark.parametrize("level", [V5, V311])
def test_a_client_gets_what_it_never_asked_for(broker: Broker, level: int) -> None:
    publisher = Client(broker.address, f"p-{level}")
    publisher.connect()
    publisher.publish(f"news/dev-{level}", b"kept", 1, retain=True)
    client = Client(broker.address, f"dev-{level}", level)
    client.connect()
    assert client.receive_publish(b"kept").retain  # behind it, the subscriptions are in force
    publisher.publish(f"cmd/dev-{level}/go", b"1", 1)
    publisher.publish("cmd/other/go", b"2", 1)
    publisher.publish(f"news/dev-{level}", b"3", 0)
    assert [(m.payload, m.qos) for m in client.receive_publishes(2)] == [(b"1", 1), (b"3", 0)]
    for one in (client, publisher):
        one.close()


def test_a_kept_session_keeps_them(broker: Broker) -> None:
    publisher = Client(broker.address, "p")
    publisher.connect()
    publisher.publish("news/keeper", b"kept", 1, retain=True)
    keeping = [(wire.SESSION_EXPIRY, 60)]
    client = Client(broker.address, "keeper")
    client.connect(properties=keeping)
    client.receive_publish(b"kept")
    client.disconnect()
    publisher.publish("cmd/keeper/go", b"while away", 1)
    again = Client(broker.address, "keeper")
    again.connect(clean=False, properties=keeping)
    assert {again.receive_publish().payload for _ in range(2)} == {b"while away", b"kept"}
    for one in (client, again, publisher):
        one.close()
