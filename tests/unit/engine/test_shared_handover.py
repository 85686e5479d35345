"""What becomes of shared messages when their member goes: [MQTT-4.8.2-4], [MQTT-4.8.2-5], [MQTT-4.8.2-6]."""

from __future__ import annotations

import pytest

from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Publish

SHARE = "$share/g/t"


def member(engine: Engine, client_id: str, expiry: int | None, *, window: int = 2, qos: int = 2) -> Client:
    client = engine.connect(client_id, expiry=expiry, properties=[(wire.RECEIVE_MAXIMUM, window)])
    client.subscribe((SHARE, qos))
    return client


def resume(engine: Engine, client_id: str) -> Client:
    client = engine.open()
    client.send(wire.connect(client_id, 5, False, 0, [(wire.SESSION_EXPIRY, 1000)]))
    return client


def leave(client: Client, how: str) -> None:
    if how == "disconnect":
        client.disconnect()
    elif how == "error":
        client.send(wire.publish("bad/#"))
    else:
        client.lose()


def payloads(messages: list[Publish]) -> list[bytes]:
    return [message.payload for message in messages]


LEAVING = pytest.mark.parametrize("how", ["lose", "disconnect", "error"])
LIFETIMES = pytest.mark.parametrize("expiry", [None, 1000], ids=["transient", "persistent"])
HEIRS = pytest.mark.parametrize("heir_expiry", [None, 1000], ids=["to transient", "to persistent"])


@LEAVING
@LIFETIMES
@HEIRS
@pytest.mark.parametrize("qos", [1, 2])
def test_all_that_may_move_goes_to_the_other_member(
    engine: Engine, how: str, expiry: int | None, heir_expiry: int | None, qos: int
) -> None:
    publisher = engine.connect("p")
    first = member(engine, "first", expiry)
    for number in range(6):
        publisher.publish("t", b"%d" % number, qos)
    assert payloads([p for p in first.read() if isinstance(p, Publish)]) == [b"0", b"1"]
    heir = member(engine, "heir", heir_expiry)
    leave(first, how)
    moved = payloads(heir.receive_all())
    # QoS 1: sent ones too. QoS 2: only those that were never sent.
    assert moved == [b"%d" % number for number in range(0 if qos == 1 else 2, 6)]
    again = resume(engine, "first").receive_all()
    if qos == 2 and expiry:
        assert payloads(again) == [b"0", b"1"] and all(message.dup for message in again)
        assert engine.counters.messages_dropped == 0
    else:
        assert again == []
        # A QoS 2 message that was sent must not go to anybody else, and its session is over.
        assert engine.counters.dropped_session_ended == (2 if qos == 2 else 0)
        assert engine.counters.messages_dropped == engine.counters.dropped_session_ended
    resumed = resume(engine, "heir")
    assert resumed.receive_all() == []


@LIFETIMES
def test_a_qos2_message_that_was_received_is_not_delivered_again(engine: Engine, expiry: int | None) -> None:
    publisher = engine.connect("p")
    first = member(engine, "first", expiry)
    heir = member(engine, "heir", None, qos=2)
    for number in range(2):
        publisher.publish("t", b"%d" % number, 2)
    (mine,) = [p for p in first.read() if isinstance(p, Publish)]
    first.send(wire.pubrec(mine.packet_id))
    first.lose()
    theirs = heir.receive_all()
    assert len(theirs) == 1 and theirs[0].payload != mine.payload
    assert resume(engine, "first").receive_all() == []
    assert engine.counters.messages_dropped == 0


def test_of_an_expired_session_only_what_was_never_sent_is_inherited(engine: Engine) -> None:
    publisher = engine.connect("p")
    first = member(engine, "first", 10)
    for number in range(4):
        publisher.publish("t", b"%d" % number, 2)
    first.lose()  # nobody there who could take them
    engine.advance(5)
    assert len(engine.session("first").outbound or ()) == 4
    heir = member(engine, "heir", None)
    engine.advance(6)
    assert payloads(heir.receive_all()) == [b"2", b"3"]
    assert engine.counters.dropped_session_ended == 2


@LIFETIMES
def test_with_nobody_to_take_them_a_persistent_member_keeps_them(engine: Engine, expiry: int | None) -> None:
    publisher = engine.connect("p")
    first = member(engine, "first", expiry)
    for number in range(4):
        publisher.publish("t", b"%d" % number, 1)
    first.lose()
    kept = payloads(resume(engine, "first").receive_all())
    if expiry:
        assert kept == [b"0", b"1", b"2", b"3"]
        assert engine.counters.messages_dropped == 0
    else:
        assert kept == []
        assert engine.counters.dropped_session_ended == 4


def test_a_persistent_member_that_is_away_inherits_from_a_session_that_ends(engine: Engine) -> None:
    away = member(engine, "away", 1000)
    away.lose()
    live = member(engine, "live", None)
    publisher = engine.connect("p")
    for number in range(3):
        publisher.publish("t", b"%d" % number, 1)
    live.lose()
    assert payloads(resume(engine, "away").receive_all()) == [b"0", b"1", b"2"]


def test_a_persistent_member_that_leaves_keeps_them_from_one_that_is_away_too(engine: Engine) -> None:
    away = member(engine, "away", 1000)
    away.lose()
    other = member(engine, "other", 1000)
    engine.connect("p").publish("t", b"x", 1)
    other.lose()
    assert resume(engine, "away").receive_all() == []
    assert payloads(resume(engine, "other").receive_all()) == [b"x"]


@pytest.mark.parametrize("expiry", [None, 1000])
def test_a_message_answered_with_an_error_goes_to_nobody(engine: Engine, expiry: int | None) -> None:
    publisher = engine.connect("p")
    first = member(engine, "first", expiry)
    heir = member(engine, "heir", None)
    publisher.publish("t", b"one", 1)
    publisher.publish("t", b"two", 2)
    for client in (first, heir):
        for packet in client.read():
            assert isinstance(packet, Publish)
            refuse = wire.puback if packet.qos == 1 else wire.pubrec
            client.send(refuse(packet.packet_id, 0x83))
            assert client.read() == [], "no PUBREL for a refused message"
    first.lose()
    assert heir.receive_all() == []
    assert resume(engine, "first").receive_all() == []
    assert engine.counters.dropped_rejected == engine.counters.messages_dropped == 2


def test_plain_messages_stay_with_their_session(engine: Engine) -> None:
    first = member(engine, "first", 1000)
    first.subscribe(("plain", 1))
    heir = member(engine, "heir", None)
    heir.subscribe(("plain", 1))
    engine.connect("p").publish("plain", b"x", 1)
    first.lose()
    assert payloads(heir.receive_all()) == [b"x"]
    assert payloads(resume(engine, "first").receive_all()) == [b"x"]


def test_a_member_of_another_share_inherits_nothing(engine: Engine) -> None:
    first = member(engine, "first", None)
    engine.connect("p").publish("t", b"x", 1)
    other = engine.connect("other")
    other.subscribe(("$share/other/t", 1), ("$share/g/+", 1))
    first.lose()
    assert other.receive_all() == []
    assert engine.counters.dropped_session_ended == 1


def test_the_heir_gets_it_with_its_own_options(engine: Engine) -> None:
    first = member(engine, "first", None)
    engine.connect("p").publish("t", b"x", 2, retain=True)
    first.lose()
    second = member(engine, "second", None)
    publisher = engine.connect("p2")
    publisher.publish("t", b"y", 2, retain=True)
    heir = engine.connect("heir")
    heir.subscribe((SHARE, 1 | wire.RETAIN_AS_PUBLISHED), properties=[(wire.SUBSCRIPTION_ID, 7)])
    assert [p.qos for p in second.read() if isinstance(p, Publish)] == [2]
    publisher.publish("t", b"z", 1, retain=True)
    second.lose()
    messages = heir.receive_all()
    assert [(m.payload, m.qos, m.retain, m.get(wire.SUBSCRIPTION_ID)) for m in messages] == [(b"z", 1, True, 7)]


def test_taking_over_hands_nothing_over(engine: Engine) -> None:
    first = member(engine, "first", 1000)
    heir = member(engine, "heir", None)
    publisher = engine.connect("p")
    for number in range(4):
        publisher.publish("t", b"%d" % number, 1)
    assert len(first.read()) == 2
    again = resume(engine, "first")
    assert len(payloads(again.receive_all())) == 2
    assert len(payloads(heir.receive_all())) == 2


def test_the_gauges_agree_afterwards(engine: Engine) -> None:
    first = member(engine, "first", 1000)
    publisher = engine.connect("p")
    for number in range(5):
        publisher.publish("t", b"%d" % number, 1)
    heir = member(engine, "heir", 1000, window=3)
    first.lose()
    stats = engine.broker.refresh_stats()
    assert (stats.out_inflights.count, stats.message_queues.count) == (3, 2)
    heir.receive_all()
    stats = engine.broker.refresh_stats()
    assert (stats.out_inflights.count, stats.message_queues.count) == (0, 0)
