"""Messages between two different client libraries: each publishes to every other, at every QoS."""

from __future__ import annotations

import itertools

import pytest

from tests.conftest import Broker

from .adapters.base import V5, V311, Door, Message, PublishProperties, Subscribe
from .lab import Lab, run_scenario

LIBRARIES = ("paho", "aiomqtt", "gmqtt", "mqttjs")
PROPERTIES = PublishProperties(
    content_type="a/b", response_topic="r", correlation_data=b"\x00\xff", user=(("k", "1"), ("k", "2"))
)


def _pairs() -> list[object]:
    return [
        pytest.param(a, b, id=f"{a}-to-{b}", marks=[pytest.mark.interop_js] if "mqttjs" in (a, b) else [])
        for a, b in itertools.permutations(LIBRARIES, 2)
    ]


@pytest.mark.parametrize("version", [V311, V5], ids=["v311", "v5"])
@pytest.mark.parametrize(("sender", "receiver"), _pairs())
def test_pair(broker: Broker, sender: str, receiver: str, version: int) -> None:
    async def scenario(lab: Lab) -> None:
        subscriber = await lab.client("sub", library=receiver)
        publisher = await lab.client("pub", library=sender)
        await subscriber.subscribe(Subscribe(lab.topic("#"), 2))
        properties = PROPERTIES if version == V5 else PublishProperties()
        for qos in (0, 1, 2):
            sent = [Message(lab.topic(f"{qos}/{n}"), bytes([n]), qos, properties=properties) for n in range(30)]
            await publisher.publish_all(sent)
            assert await subscriber.receive_many(30) == sent

    run_scenario(Door(broker.address), sender, version, scenario)
