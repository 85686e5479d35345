"""Answers, claims and restarts on a journal that is slow: order is kept, and nobody is told anything too early."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rmq.engine.broker import BrokerOptions
from rmq.session.limits import ACK_MEMORY, Limits
from tests.support import wire
from tests.support.engine import Client
from tests.support.wire import Will
from tests.support.wire_parser import Connack, Disconnect, Packet, Pingresp, Puback, Pubcomp, Publish, Pubrec, Suback
from tests.unit.storage.conftest import StartEngine
from tests.unit.storage.disk_engine import DiskEngine, received, resumed


def subscribed(engine: DiskEngine, client_id: str = "s", topic_filter: str = "kept", expiry: int = 1000) -> None:
    client = engine.connect(client_id, expiry=expiry)
    client.subscribe((topic_filter, 2))
    client.disconnect()


def kinds(packets: Sequence[Packet]) -> list[str]:
    return [type(packet).__name__ for packet in packets]


# Answers


def test_an_answer_that_need_not_wait_waits_for_those_before_it(start: StartEngine) -> None:
    """[MQTT-4.6.0-2]: PUBACKs in the order of their PUBLISHes; PINGRESP comes last."""
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p")
    engine.hold()
    publisher.send(
        wire.publish("lost", b"", 1, 1),
        wire.publish("kept", b"a", 1, 2),
        wire.publish("lost", b"", 1, 3),
        wire.publish("kept", b"b", 2, 4),
        wire.publish("lost", b"", 2, 5),
        wire.pingreq(),
    )
    assert [packet.packet_id for packet in publisher.read() if isinstance(packet, Puback)] == [1]
    engine.go_on()
    packets = publisher.read()
    assert kinds(packets) == ["Puback", "Puback", "Pubrec", "Pubrec", "Pingresp"]
    ids = [packet.packet_id for packet in packets if isinstance(packet, Puback | Pubrec)]
    assert ids == [2, 3, 4, 5]


def test_a_ping_that_waits_for_nothing_is_answered_at_once(start: StartEngine) -> None:
    engine = start()
    client = engine.connect("c")
    engine.hold()
    client.send(wire.publish("lost", b"", 1, 1), wire.pingreq())
    assert kinds(client.read()) == ["Puback", "Pingresp"]


def test_qos_0_that_is_retained_is_kept_before_the_ping_is_answered(start: StartEngine) -> None:
    engine = start()
    client = engine.connect("c")
    engine.hold()
    client.send(wire.publish("r", b"x", 0, 0, True), wire.pingreq())
    assert client.read() == []
    engine.go_on()
    client.take(Pingresp)
    engine.kill()
    assert start(time=engine.time).broker.ctx.retained.count == 1


def test_answers_come_batch_by_batch(start: StartEngine) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p")
    engine.hold()
    for number in range(1, 4):
        publisher.send(wire.publish("kept", b"", 1, number))
    assert publisher.read() == []
    engine.work()
    assert [packet.packet_id for packet in publisher.read() if isinstance(packet, Puback)] == [1]
    engine.work()
    assert [packet.packet_id for packet in publisher.read() if isinstance(packet, Puback)] == [2, 3]


def test_a_qos_2_message_sent_again_while_it_is_written_is_one_message(start: StartEngine) -> None:
    engine = start()
    subscribed(engine)
    publisher = engine.connect("p", expiry=1000)
    engine.hold()
    publisher.send(wire.publish("kept", b"1", 2, 7), wire.publish("kept", b"1", 2, 7, dup=True))
    engine.go_on()
    assert publisher.take(Pubrec).packet_id == 7
    engine.hold()
    publisher.send(wire.pubrel(7), wire.pubrel(7))
    assert publisher.read() == []
    engine.go_on()
    assert publisher.take(Pubcomp).code == 0
    assert received(engine) == [b"1"]


def test_what_waits_counts_against_the_receive_maximum(start: StartEngine) -> None:
    limits = Limits("tcp.external")
    limits.receive_maximum = 3
    engine = start(limits=limits)
    subscribed(engine)
    publisher = engine.connect("p")
    engine.hold()
    publisher.send(*[wire.publish("kept", b"", 1, number) for number in (1, 2, 3)])
    assert not publisher.closed
    publisher.send(wire.publish("kept", b"", 1, 4))
    assert publisher.closed and publisher.take(Disconnect).code == 0x93
    engine.go_on()
    again = engine.connect("p")
    again.send(*[wire.publish("kept", b"", 1, number) for number in (1, 2, 3)])
    assert len(again.read()) == 3


def test_under_memory_only_what_must_wait_waits(start: StartEngine) -> None:
    limits = Limits("tcp.memory")
    limits.ack_policy = ACK_MEMORY
    engine = start()
    subscribed(engine)
    hasty = engine.connect("h", limits=limits)
    keeper = engine.connect("k", limits=limits, expiry=1000)
    engine.hold()
    hasty.send(wire.publish("kept", b"1", 1, 1), wire.publish("kept", b"2", 2, 2))
    assert kinds(hasty.read()) == ["Puback", "Pubrec"]
    keeper.send(wire.publish("kept", b"3", 2, 1))
    assert keeper.read() == [], "its packet identifier must not be forgotten"
    engine.go_on()
    assert kinds(keeper.read()) == ["Pubrec"]
    assert received(engine) == [b"1", b"2", b"3"]


def test_a_subscription_is_there_before_what_follows_it(start: StartEngine) -> None:
    """SUBSCRIBE pauses its connection: a PUBLISH behind it finds the subscription."""
    engine = start()
    engine.hold()
    client = engine.open()
    client.send(
        wire.connect("c", keep_alive=0, properties=[(wire.SESSION_EXPIRY, 100)]),
        wire.subscribe(1, [("t", 1)]),
        wire.publish("t", b"own", 1, 2),
    )
    assert client.read() == []
    engine.go_on()
    assert sorted(kinds(client.read())) == ["Connack", "Puback", "Publish", "Suback"]


def test_a_retained_message_on_its_way_reaches_a_new_subscriber_once(start: StartEngine) -> None:
    engine = start()
    publisher = engine.connect("p")
    subscriber = engine.connect("s")
    engine.hold()
    publisher.send(wire.publish("t", b"new", 1, 1, True))
    subscriber.send(wire.subscribe(1, [("t", 1)]))
    suback, message = subscriber.read()
    assert isinstance(suback, Suback) and isinstance(message, Publish)
    assert message.retain and message.payload == b"new"
    subscriber.send(wire.puback(message.packet_id))
    engine.go_on()
    assert subscriber.read() == []


def test_pipelined_retained_replays_of_a_persistent_session_come_once_each(start: StartEngine) -> None:
    engine = start()
    publisher = engine.connect("p")
    for number in range(300):
        publisher.publish(f"r/{number}", b"%d" % number, 1, retain=True)
    client = engine.connect("c", expiry=1000)
    engine.hold()
    client.send(wire.subscribe(1, [("r/#", 1)]), wire.pingreq())
    engine.go_on()
    found = [message.payload for message in client.receive_all()]
    assert sorted(found) == sorted(b"%d" % number for number in range(300))


# Claims


def connecting(engine: DiskEngine, client_id: str = "c", *, clean: bool = False, will: Will | None = None) -> Client:
    client = engine.open()
    client.send(wire.connect(client_id, clean=clean, keep_alive=0, properties=[(wire.SESSION_EXPIRY, 100)], will=will))
    return client


def test_claims_of_one_client_id_are_served_one_after_the_other(start: StartEngine) -> None:
    engine = start()
    engine.hold()
    clients = [connecting(engine) for _ in range(5)]
    other = connecting(engine, "other")
    assert all(client.read() == [] for client in clients)
    engine.go_on()
    assert other.take(Connack).code == 0
    for position, client in enumerate(clients[:-1]):
        connack, *rest = client.read()
        assert isinstance(connack, Connack) and connack.session_present == (position > 0)
        assert client.closed and isinstance(rest[-1], Disconnect) and rest[-1].code == 0x8E
    last = clients[-1].take(Connack)
    assert last.session_present and not clients[-1].closed
    assert len(engine.broker.claims) == 0
    assert engine.broker.session_count() == 2


def test_a_clean_start_behind_a_resume_begins_anew(start: StartEngine) -> None:
    engine = start()
    subscribed(engine, "c")
    engine.hold()
    first = connecting(engine)
    second = connecting(engine, clean=True)
    third = connecting(engine)
    engine.go_on()
    presents = [client.read()[0] for client in (first, second, third)]
    assert [packet.session_present for packet in presents if isinstance(packet, Connack)] == [True, False, True]
    assert engine.session("c").subscription_count() == 0


@pytest.mark.parametrize("clean", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_a_connection_that_ends_before_its_session_is_open(start: StartEngine, clean: bool, known: bool) -> None:
    engine = start()
    subscribed(engine, "w", "will")
    if known:
        subscribed(engine, "c")
    engine.hold()
    gone = connecting(engine, clean=clean, will=Will("will", b"never connected", 1))
    gone.lose()
    next_one = connecting(engine)
    engine.go_on()
    connack = next_one.take(Connack)
    assert connack.code == 0 and not next_one.closed
    assert len(engine.broker.claims) == 0
    assert engine.session("c").channel is next_one.channel
    assert received(engine, "w") == [], "a CONNECT that got no CONNACK has no will"
    next_one.disconnect(0, [(wire.SESSION_EXPIRY, 0)])
    assert not engine.has_session("c")
    assert engine.broker.session_count() == 1


def test_one_that_is_lost_while_its_session_opens_and_nobody_follows(start: StartEngine) -> None:
    engine = start()
    engine.hold()
    connecting(engine).lose()
    engine.go_on()
    assert engine.session("c").disconnected_at > 0
    engine.pass_time(101)
    assert not engine.has_session("c"), "it expires as any other"


def test_a_transient_connection_over_a_kept_session(start: StartEngine) -> None:
    engine = start()
    subscribed(engine, "c")
    engine.hold()
    client = engine.open()
    client.send(wire.connect("c", keep_alive=0), wire.subscribe(1, [("x", 1)]))
    assert client.read() == []
    client2 = connecting(engine)
    engine.go_on()
    assert kinds(client.read())[:2] == ["Connack", "Suback"] or client.closed
    assert client2.read() and engine.session("c").persistent


def test_epochs_go_on_after_a_restart(start: StartEngine) -> None:
    """An older claim must never win over a newer one."""
    engine = start()
    for _ in range(5):
        resumed_or_new = connecting(engine)
        resumed_or_new.read()
    epoch = engine.session("c").epoch
    engine.kill()
    again = start(time=engine.time)
    client = connecting(again)
    connack = client.take(Connack)
    assert connack.session_present and again.session("c").epoch > epoch


# What lies between two batches


@pytest.mark.parametrize("steps", range(4))
def test_shared_messages_of_a_session_that_ends_survive_a_kill_at_any_moment(start: StartEngine, steps: int) -> None:
    """The end of a session and what becomes of its shared messages are one batch."""
    engine = start()
    subscribed(engine, "a", "$share/g/t")
    engine.connect("p").publish("t", b"shared", 1)
    subscribed(engine, "b", "$share/g/t")
    engine.hold()
    client = engine.open()
    client.send(wire.connect("a", keep_alive=0))  # a clean start ends the session
    engine.work(steps)
    engine.kill()
    again = start(time=engine.time)
    found = [message for name in "ab" if again.has_session(name) for message in received(again, name)]
    assert found == [b"shared"]


def test_the_rules_of_a_replay_are_those_of_the_time(start: StartEngine) -> None:
    """With other options packet identifiers would shift, and acknowledgements would remove other messages."""
    options = BrokerOptions()
    options.max_retained = 2
    engine = start(options)
    client = engine.connect("s", expiry=1000)
    client.subscribe(("t/#", 1), ("t/+", 1))
    client.disconnect()
    publisher = engine.connect("p")
    for number in range(4):
        publisher.publish(f"t/{number}", b"%d" % number, 1, retain=True)
    client = resumed(engine)
    messages = client.read()
    client.acknowledge(messages[:2])
    client.lose()
    engine.kill()
    changed = BrokerOptions()
    changed.allow_multiple_matches = True
    changed.max_retained = 0
    again = start(changed, time=engine.time)
    assert received(again) == [b"2", b"3"]
    assert again.broker.ctx.retained.count == 2, "the others were refused, and their publishers told"
    again.connect("p").publish("t/9", b"9", 1)
    assert received(again) == [b"9", b"9"], "and from now on the new rules hold"
    again.port.snapshots.begin_soon()
    again.turn()
    again.kill()
    assert start(options, time=again.time).recovery.snapshot == 1
