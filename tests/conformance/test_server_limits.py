"""What a client may rely on at the edges: slow readers, all packet identifiers used up, a broker that stops."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.conftest import Clients
from tests.support import wire
from tests.support.broker_process import BrokerProcess
from tests.support.client import Client, ConnectionClosed, payloads
from tests.support.packet_notation import V5
from tests.support.wire_parser import Disconnect, Packet, Publish


def test_a_slow_reader_holds_nobody_up(level: int, clients: Clients, topic: str) -> None:
    slow, quick, publisher = clients(level=level), clients(level=level), clients(level=level)
    for client in (slow, quick, publisher):
        client.connect()
    slow.subscribe((f"{topic}/0", 0), (f"{topic}/1", 1))
    quick.subscribe(f"{topic}/0")
    filler = b"x" * 20_000
    sent = [b"%06d" % number + filler for number in range(1000)]
    for start in range(0, len(sent), 20):
        for payload in sent[start : start + 20]:
            publisher.send_publish(f"{topic}/0", payload)
        publisher.expect_nothing()
        # 20 MB go past the slow reader's buffers; the quick one gets every message all the same.
        assert payloads(quick.drain()) == sent[start : start + 20]
    publisher.publish(f"{topic}/1", b"acknowledged", 1)
    # QoS 1 is kept whatever happens to QoS 0; it may wait until the reader has taken what is already on its way.
    got: list[bytes] = []
    while (payload := slow.receive_publish().payload) != b"acknowledged":
        got.append(payload)
    assert 0 < len(got) <= len(sent)
    assert got == sorted(got), "what is not dropped stays in order"
    assert set(got) <= set(sent)


def test_mqtt_2_2_1_packet_ids_go_round_without_meeting_one_in_flight(clients: Clients, topic: str) -> None:
    subscriber, publisher = clients(level=4), clients(level=4)
    subscriber.connect()
    publisher.connect()
    subscriber.subscribe((topic, 1))
    publisher.publish(topic, b"stays in flight", 1)
    stuck = subscriber.expect(Publish)
    count, batch = 66_000, 500
    for start in range(0, count, batch):
        publisher.send(
            b"".join(
                wire.publish(topic, b"%d" % number, 1, 1 + number % 65_535, level=4)
                for number in range(start, start + batch)
            )
        )
        number = start
        while number < start + batch:
            acknowledgements = b""
            # What has come so far is acknowledged in one segment: a segment for each would take several times as long.
            while publish := subscriber.next_publish(wait=not acknowledgements):
                assert publish.packet_id != stuck.packet_id, f"packet id in use given to message {number}"
                assert publish.payload == b"%d" % number
                acknowledgements += wire.puback(publish.packet_id)
                number += 1
            subscriber.send(acknowledgements)
        publisher.drain()
    subscriber.send(wire.puback(stuck.packet_id))
    subscriber.expect_nothing()


def _drain_until_closed(client: Client) -> list[Packet]:
    packets: list[Packet] = []
    try:
        while True:
            packets.append(client.receive())
    except ConnectionClosed:
        return packets


@pytest.mark.realtime
def test_mqtt_4_13_2_a_broker_that_stops_says_so(tmp_path: Path, clients: Clients) -> None:
    process = BrokerProcess(tmp_path)
    try:
        new = Client(process.address, "new", V5)
        old = Client(process.address, "old", 4)
        new.connect()
        old.connect()
        assert process.stop() == 0
        packets = _drain_until_closed(new)
        assert [packet.code for packet in packets if isinstance(packet, Disconnect)] == [0x8B]
        assert _drain_until_closed(old) == []
        new.close()
        old.close()
    finally:
        process.stop()
    assert "Traceback" not in process.log
