"""Acknowledgements that come early, late, twice, or for something else: nothing is lost, doubled or stuck."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.packet_notation import V5, V311
from tests.support.wire_parser import Disconnect, Puback, Pubcomp, Publish, Pubrec, Pubrel

LIFETIMES = pytest.mark.parametrize("expiry", [None, 1000], ids=["transient", "persistent"])


def subscriber(engine: Engine, expiry: int | None, window: int = 16) -> Client:
    client = engine.connect("s", expiry=expiry, properties=[(wire.RECEIVE_MAXIMUM, window)])
    client.subscribe(("t", 2))
    return client


def resume(engine: Engine, window: int) -> Client:
    client = engine.open()
    properties: list[wire.Property] = [(wire.SESSION_EXPIRY, 1000), (wire.RECEIVE_MAXIMUM, window)]
    client.send(wire.connect("s", V5, False, 0, properties))
    client.connack = None
    return client


def publish(engine: Engine, count: int, qos: int) -> None:
    publisher = engine.connect("p")
    for number in range(count):
        publisher.publish("t", b"%d" % number, qos)


def packet_ids(client: Client) -> list[int]:
    return [packet.packet_id for packet in client.read() if isinstance(packet, Publish)]


def nothing_left(engine: Engine) -> bool:
    outbound = engine.session("s").outbound
    return outbound is None or (len(outbound) == 0 and outbound.inflight == 0 and not outbound.has_waiting())


@LIFETIMES
@pytest.mark.parametrize(("qos", "answer"), [(1, wire.pubrec), (2, wire.puback)])
def test_the_wrong_kind_of_acknowledgement_ends_the_connection_and_loses_nothing(
    engine: Engine, expiry: int | None, qos: int, answer: Callable[[int], bytes]
) -> None:
    client = subscriber(engine, expiry, window=1)
    publish(engine, 2, qos)
    (packet_id,) = packet_ids(client)
    client.send(answer(packet_id))
    assert client.take(Disconnect).code == 0x82
    if expiry:
        again = resume(engine, 16).receive_all()
        assert [(p.payload, p.dup) for p in again] == [(b"0", True), (b"1", False)]


@LIFETIMES
@pytest.mark.parametrize("qos", [1, 2])
def test_a_pubcomp_before_its_time_changes_nothing(engine: Engine, expiry: int | None, qos: int) -> None:
    client = subscriber(engine, expiry, window=1)
    publish(engine, 2, qos)
    (message,) = client.read()
    client.send(wire.pubcomp(1))
    assert client.read() == []
    assert engine.counters.unexpected_acks == 1
    client.acknowledge([message])
    assert [p.payload for p in client.receive_all()] == [b"1"]
    assert nothing_left(engine)


@LIFETIMES
def test_an_acknowledgement_that_comes_twice_counts_once(engine: Engine, expiry: int | None) -> None:
    client = subscriber(engine, expiry, window=1)
    publish(engine, 3, 1)
    (first,) = packet_ids(client)
    client.send(wire.puback(first), wire.puback(first))
    assert len(packet_ids(client)) == 1, "one place was freed, not two"
    assert engine.counters.unexpected_acks == 1
    assert engine.counters.messages_acked == 1


@LIFETIMES
def test_a_pubrec_that_comes_twice_is_answered_twice(engine: Engine, expiry: int | None) -> None:
    client = subscriber(engine, expiry)
    publish(engine, 1, 2)
    (packet_id,) = packet_ids(client)
    client.send(wire.pubrec(packet_id), wire.pubrec(packet_id))
    assert client.read() == [Pubrel(packet_id), Pubrel(packet_id)]
    assert engine.counters.messages_acked == 1
    client.send(wire.pubcomp(packet_id))
    assert nothing_left(engine)


@LIFETIMES
def test_acknowledgements_in_another_order(engine: Engine, expiry: int | None) -> None:
    client = subscriber(engine, expiry, window=4)
    publish(engine, 8, 1)
    ids = packet_ids(client)
    client.send(*[wire.puback(packet_id) for packet_id in reversed(ids)])
    assert [p.payload for p in client.receive_all()] == [b"4", b"5", b"6", b"7"]
    assert nothing_left(engine)


def test_a_pubrec_for_a_message_that_waits_to_be_sent_again(engine: Engine) -> None:
    # It was received on the connection before: from PUBREC on the PUBLISH must not be sent any more [MQTT-4.3.3-8].
    client = subscriber(engine, 1000)
    publish(engine, 5, 2)
    ids = packet_ids(client)
    client.lose()
    again = resume(engine, 2)
    assert packet_ids(again) == ids[:2]
    again.send(wire.pubrec(ids[2]))
    assert again.read() == [Pubrel(ids[2])]
    again.send(wire.pubcomp(ids[2]), wire.pubrec(ids[0]), wire.pubcomp(ids[0]))
    again.send(wire.pubrec(ids[1]), wire.pubcomp(ids[1]))
    sent = [packet for packet in again.read() if isinstance(packet, Publish)]
    assert [packet.packet_id for packet in sent] == ids[3:]
    again.acknowledge(sent)
    again.receive_all()
    assert nothing_left(engine)


def test_a_puback_for_a_message_that_waits_to_be_sent_again(engine: Engine) -> None:
    client = subscriber(engine, 1000)
    publish(engine, 3, 1)
    ids = packet_ids(client)
    client.lose()
    again = resume(engine, 1)
    assert packet_ids(again) == ids[:1]
    again.send(wire.puback(ids[1]))
    assert again.read() == []
    again.send(wire.puback(ids[0]))
    assert packet_ids(again) == ids[2:]
    again.send(wire.puback(ids[2]))
    assert nothing_left(engine)


@LIFETIMES
@pytest.mark.parametrize("qos", [1, 2])
def test_acknowledging_what_was_never_sent_does_not_lose_it(engine: Engine, expiry: int | None, qos: int) -> None:
    client = subscriber(engine, expiry, window=1)
    publish(engine, 3, qos)
    (first,) = client.read()
    answer = wire.puback if qos == 1 else wire.pubrec
    client.send(answer(2), answer(3))
    client.read()
    client.acknowledge([first])
    assert [p.payload for p in client.receive_all()] == [b"1", b"2"]
    assert nothing_left(engine)


def test_the_release_goes_first_when_a_session_is_resumed(engine: Engine) -> None:
    client = subscriber(engine, 1000)
    publish(engine, 4, 2)
    ids = packet_ids(client)
    client.send(wire.pubrec(ids[1]), wire.pubrec(ids[3]))
    client.lose()
    again = resume(engine, 16)
    _, *packets = again.read()
    assert [(type(p).__name__, getattr(p, "packet_id", 0)) for p in packets] == [
        ("Pubrel", ids[1]),
        ("Pubrel", ids[3]),
        ("Publish", ids[0]),
        ("Publish", ids[2]),
    ]
    again.acknowledge(packets)
    assert again.receive_all() == []
    assert nothing_left(engine)


@pytest.mark.parametrize("level", [V311, V5])
def test_a_released_message_may_be_published_anew(engine: Engine, level: int) -> None:
    watcher = engine.connect("w")
    watcher.subscribe(("t", 0))
    client = engine.connect("a", level)
    for number in range(3):
        client.send(wire.publish("t", b"%d" % number, 2, 5, level=level), wire.pubrel(5))
        assert [type(packet) for packet in client.read()] == [Pubrec, Pubcomp]
    assert watcher.payloads() == [b"0", b"1", b"2"]


def test_inbound_identifiers_survive_a_reconnection(engine: Engine) -> None:
    watcher = engine.connect("w")
    watcher.subscribe(("t", 0))
    client = engine.connect("a", expiry=100)
    client.send(wire.publish("t", b"1", 2, 5))
    client.lose()
    again = engine.connect("a", clean=False, expiry=100)
    again.send(wire.publish("t", b"1", 2, 5, dup=True))
    assert again.take(Pubrec).packet_id == 5
    again.send(wire.pubrel(5), wire.pubrel(5))
    first, second = again.read()
    assert isinstance(first, Pubcomp) and first.code == 0
    assert isinstance(second, Pubcomp) and second.code == 0x92
    assert watcher.payloads() == [b"1"]


def test_they_end_with_the_session(engine: Engine) -> None:
    watcher = engine.connect("w")
    watcher.subscribe(("t", 0))
    for clean in (True, True):
        client = engine.connect("a", clean=clean, expiry=100)
        client.send(wire.publish("t", b"x", 2, 5))
        client.lose()
    assert watcher.payloads() == [b"x", b"x"]


@LIFETIMES
def test_packet_identifiers_go_round(engine: Engine, expiry: int | None) -> None:
    client = subscriber(engine, expiry)
    publisher = engine.connect("p")
    publisher.publish("t", b"stays", 1)
    (stays,) = packet_ids(client)
    outbound = engine.session("s").outbound
    assert outbound is not None
    outbound.last_packet_id = 65_533
    seen = []
    for _ in range(4):
        publisher.send(wire.publish("t", b"x", 1, 1))
        assert publisher.take(Puback).code == 0
        seen += packet_ids(client)
        client.send(wire.puback(seen[-1]))
    assert stays == 1 and seen == [65_534, 65_535, 2, 3]
