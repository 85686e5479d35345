"""What may have reached a client before the node died comes again with DUP, acknowledged or not."""

from __future__ import annotations

import pytest

from rmq.session.outbound import MAX_LEAVING
from tests.support import wire
from tests.support.engine import Client
from tests.support.wire_parser import Connack, Packet, Publish
from tests.unit.storage.conftest import StartEngine
from tests.unit.storage.disk_engine import DiskEngine

WINDOW = 3
COUNT = 100


def connected(engine: DiskEngine) -> tuple[Client, list[Packet]]:
    """A client with a small window, and what came behind its CONNACK."""
    client = engine.open()
    properties = [(wire.SESSION_EXPIRY, 1000), (wire.RECEIVE_MAXIMUM, WINDOW)]
    client.send(wire.connect("s", clean=False, keep_alive=0, properties=properties))
    connack, *rest = client.read()
    assert isinstance(connack, Connack) and connack.code == 0, connack
    return client, rest


def take(client: Client, packets: list[Packet]) -> list[Publish]:
    """``packets`` and all that comes while every message is acknowledged at once."""
    found: list[Publish] = []
    while batch := [packet for packet in packets if isinstance(packet, Publish)]:
        found += batch
        client.send(*(wire.puback(packet.packet_id) for packet in batch))
        packets = client.read()
    return found


@pytest.mark.parametrize("starts", [1, 2])
def test_messages_whose_acknowledgement_was_not_written_come_again_with_dup(start: StartEngine, starts: int) -> None:
    """[MQTT-3.3.1-1]. A node that dies again before the client is back hasn't forgotten which they are."""
    engine = start()
    client, _ = connected(engine)
    client.subscribe(("t", 1))
    client.lose()
    publisher = engine.connect("p")
    for number in range(COUNT):
        publisher.publish("t", b"%d" % number, 1)
    client, packets = connected(engine)
    engine.hold()
    sent = take(client, packets)
    assert len(sent) == WINDOW + MAX_LEAVING, "it goes on before they are written, but not for ever"
    for _ in range(starts):
        engine.kill()
        engine = start(time=engine.time)
    again = take(*connected(engine))
    assert [(m.packet_id, m.payload) for m in again[: len(sent)]] == [(m.packet_id, m.payload) for m in sent]
    assert [m.dup for m in again] == [True] * len(sent) + [False] * (COUNT - len(sent))


def test_it_goes_on_when_they_are_written(start: StartEngine) -> None:
    engine = start()
    client, _ = connected(engine)
    client.subscribe(("t", 1))
    publisher = engine.connect("p")
    for number in range(COUNT):
        publisher.publish("t", b"%d" % number, 1)
    engine.hold()
    sent = take(client, client.read())
    assert len(sent) == WINDOW + MAX_LEAVING
    engine.go_on()
    sent += take(client, client.read())
    assert [m.payload for m in sent] == [b"%d" % number for number in range(COUNT)]
