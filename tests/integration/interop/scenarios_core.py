"""What every client library must be able to do with the broker in MQTT 3.1, 3.1.1 and 5.

"Nothing more arrives" is always shown with a barrier message sent afterwards, never by waiting.
"""

from __future__ import annotations

from .adapters.base import InteropClient, Message, Subscribe, Will
from .lab import Lab

LARGE_PAYLOAD = bytes(range(256)) * 2000  # 512,000 bytes, every byte value
MANY = 1_000
SHARED_MESSAGES = 60


async def connects_with_a_clean_session(lab: Lab) -> None:
    client, session_present = await lab.connect("one")
    assert session_present in (False, None)
    await client.publish(Message(lab.topic("ping"), b"x", 1))


async def _round_trip(lab: Lab, qos: int) -> None:
    subscriber = await lab.client("sub")
    publisher = await lab.client("pub")
    assert await subscriber.subscribe(Subscribe(lab.topic("t"), qos)) == qos
    sent = Message(lab.topic("t"), bytes(range(256)), qos)
    await publisher.publish(sent)
    assert await subscriber.receive() == sent
    empty = Message(lab.topic("t"), b"", qos)
    await publisher.publish(empty)
    assert await subscriber.receive() == empty
    assert subscriber.inbox.is_empty()


async def round_trip_qos_0(lab: Lab) -> None:
    await _round_trip(lab, 0)


async def round_trip_qos_1(lab: Lab) -> None:
    await _round_trip(lab, 1)


async def round_trip_qos_2(lab: Lab) -> None:
    await _round_trip(lab, 2)


async def delivers_with_the_lower_qos(lab: Lab) -> None:
    """[MQTT-3.8.4-8] (3.1.1: [MQTT-3.8.4-6])."""
    publisher = await lab.client("pub")
    for granted in (0, 1, 2):
        subscriber = await lab.client(f"sub{granted}")
        assert await subscriber.subscribe(Subscribe(lab.topic("+/q"), granted)) == granted
        for qos in (0, 1, 2):
            await publisher.publish(Message(lab.topic(f"{qos}/q"), b"p", qos))
            assert (await subscriber.receive()).qos == min(qos, granted)
        await lab.disconnect(subscriber)


async def retained_messages(lab: Lab) -> None:
    publisher = await lab.client("pub")
    live = await lab.client("live")
    topic = lab.topic("state")
    await live.subscribe(Subscribe(topic, 1))
    await publisher.publish(Message(topic, b"old", 1, retain=True))
    await publisher.publish(Message(topic, b"new", 1, retain=True))
    assert [(m.payload, m.retain) for m in await live.receive_many(2)] == [(b"old", False), (b"new", False)]

    late = await lab.client("late")
    await late.subscribe(Subscribe(lab.topic("#"), 1))
    assert await late.receive() == Message(topic, b"new", 1, retain=True)

    await publisher.publish(Message(topic, b"", 1, retain=True))
    later = await lab.client("later")
    await later.subscribe(Subscribe(lab.topic("#"), 1))
    await publisher.publish(Message(lab.topic("barrier"), b"b", 1))
    assert (await later.receive()).topic == lab.topic("barrier"), "a cleared retained message was sent"


async def will_when_the_cable_is_cut(lab: Lab) -> None:
    watcher = await lab.client("watch")
    await watcher.subscribe(Subscribe(lab.topic("will/#"), 2))
    for qos in (0, 1, 2):
        relay, address = await lab.relay()
        will = Will(lab.topic(f"will/{qos}"), b"gone", qos, retain=qos == 1)
        doomed, _ = await lab.connect(f"doom{qos}", will=will, relay=address)
        await relay.cut()
        assert await watcher.receive() == Message(will.topic, will.payload, qos)
        await lab.abandon(doomed)
    late = await lab.client("late")
    await late.subscribe(Subscribe(lab.topic("will/+"), 1))
    assert await late.receive() == Message(lab.topic("will/1"), b"gone", 1, retain=True)


async def no_will_after_disconnect(lab: Lab) -> None:
    """[MQTT-3.14.4-3]."""
    watcher = await lab.client("watch")
    await watcher.subscribe(Subscribe(lab.topic("#"), 1))
    polite, _ = await lab.connect("polite", will=Will(lab.topic("will"), b"gone", 1))
    await lab.disconnect(polite)
    # The same client id again: when it is connected, the broker is through with the first connection.
    again = await lab.client("polite")
    await again.publish(Message(lab.topic("barrier"), b"b", 1))
    assert (await watcher.receive()).topic == lab.topic("barrier")


async def _persistent(lab: Lab, role: str, relay: tuple[str, int] | None = None) -> tuple[InteropClient, bool | None]:
    return await lab.connect(role, clean=False, session_expiry_s=600, relay=relay)


async def session_resumes_with_queued_messages(lab: Lab) -> None:
    publisher = await lab.client("pub")
    sleeper, session_present = await _persistent(lab, "sleep")
    assert session_present in (False, None)
    await sleeper.subscribe(Subscribe(lab.topic("q/#"), 2))
    await lab.disconnect(sleeper)
    queued = [Message(lab.topic(f"q/{n}"), f"m{n}".encode(), 1 + n % 2) for n in range(20)]
    await publisher.publish_all(queued)
    woken, session_present = await _persistent(lab, "sleep")
    assert session_present in (True, None)
    received = await woken.receive_many(20)
    # A QoS 2 message reaches the application at its PUBREL, so order only holds within one QoS.
    for qos in (1, 2):
        assert [m for m in received if m.qos == qos] == [m for m in queued if m.qos == qos]
    # The subscription is still there.
    await publisher.publish(Message(lab.topic("q/live"), b"live", 1))
    assert (await woken.receive()).payload == b"live"


async def session_survives_a_cut_cable(lab: Lab) -> None:
    publisher = await lab.client("pub")
    relay, address = await lab.relay()
    sleeper, _ = await _persistent(lab, "sleep", address)
    await sleeper.subscribe(Subscribe(lab.topic("q"), 2))
    await relay.cut()
    await lab.abandon(sleeper)
    queued = [Message(lab.topic("q"), bytes([n]), 2) for n in range(10)]
    await publisher.publish_all(queued)
    woken, session_present = await _persistent(lab, "sleep")
    assert session_present in (True, None)
    assert await woken.receive_many(10) == queued
    assert woken.inbox.is_empty()


async def clean_start_discards_the_session(lab: Lab) -> None:
    """[MQTT-3.1.2-4] (3.1.1: [MQTT-3.1.2-6])."""
    publisher = await lab.client("pub")
    sleeper, _ = await _persistent(lab, "sleep")
    await sleeper.subscribe(Subscribe(lab.topic("q"), 1))
    await lab.disconnect(sleeper)
    await publisher.publish(Message(lab.topic("q"), b"lost", 1))
    fresh, session_present = await lab.connect("sleep")
    assert session_present in (False, None)
    await fresh.subscribe(Subscribe(lab.topic("barrier"), 1))
    await publisher.publish(Message(lab.topic("q"), b"unsubscribed", 1))
    await publisher.publish(Message(lab.topic("barrier"), b"b", 1))
    assert (await fresh.receive()).topic == lab.topic("barrier")


async def a_second_connection_takes_over(lab: Lab) -> None:
    """[MQTT-3.1.4-3] (3.1.1: [MQTT-3.1.4-2])."""
    publisher = await lab.client("pub")
    first, _ = await _persistent(lab, "same")
    await first.subscribe(Subscribe(lab.topic("t"), 1))
    second, session_present = await _persistent(lab, "same")
    assert session_present in (True, None)
    await lab.abandon(first)
    await publisher.publish(Message(lab.topic("t"), b"for the second", 1))
    assert (await second.receive()).payload == b"for the second"
    assert first.inbox.is_empty()


async def shared_subscription_between_two_clients(lab: Lab) -> None:
    publisher = await lab.client("pub")
    group = [await lab.client("a"), await lab.client("b")]
    plain = await lab.client("plain")
    for member in group:
        assert await member.subscribe(Subscribe("$share/g/" + lab.topic("work/#"), 1)) == 1
    await plain.subscribe(Subscribe(lab.topic("work/#"), 1))
    sent = [Message(lab.topic(f"work/{n % 7}"), str(n).encode(), 1) for n in range(SHARED_MESSAGES)]
    await publisher.publish_all(sent)
    assert await plain.receive_many(SHARED_MESSAGES) == sent
    # Both members also get a barrier of their own: what each received before it is its whole share.
    shares: list[list[Message]] = []
    for member in group:
        await member.subscribe(Subscribe(lab.topic("barrier"), 1))
    await publisher.publish(Message(lab.topic("barrier"), b"", 1))
    for member in group:
        share: list[Message] = []
        while (message := await member.receive()).topic != lab.topic("barrier"):
            share.append(message)
        shares.append(share)
    assert sorted(int(m.payload) for m in shares[0] + shares[1]) == list(range(SHARED_MESSAGES))
    assert all(shares), f"one member got everything: {[len(share) for share in shares]}"


async def a_leaving_member_hands_its_share_to_the_other(lab: Lab) -> None:
    publisher = await lab.client("pub")
    stays, leaves = await lab.client("stays"), await lab.client("leaves")
    shared = "$share/g/" + lab.topic("work")
    for member in (stays, leaves):
        await member.subscribe(Subscribe(shared, 1))
    await leaves.unsubscribe(shared)
    sent = [Message(lab.topic("work"), str(n).encode(), 1) for n in range(10)]
    await publisher.publish_all(sent)
    assert await stays.receive_many(10) == sent


async def unsubscribe_ends_delivery(lab: Lab) -> None:
    publisher = await lab.client("pub")
    subscriber = await lab.client("sub")
    await subscriber.subscribe(Subscribe(lab.topic("a/+"), 1))
    await subscriber.subscribe(Subscribe(lab.topic("b"), 1))
    await publisher.publish(Message(lab.topic("a/1"), b"1", 1))
    assert (await subscriber.receive()).topic == lab.topic("a/1")
    await subscriber.unsubscribe(lab.topic("a/+"))
    await subscriber.unsubscribe(lab.topic("never/subscribed"))
    await publisher.publish(Message(lab.topic("a/2"), b"2", 1))
    await publisher.publish(Message(lab.topic("b"), b"barrier", 1))
    assert (await subscriber.receive()).topic == lab.topic("b")


async def large_payloads(lab: Lab) -> None:
    publisher = await lab.client("pub")
    subscriber = await lab.client("sub")
    await subscriber.subscribe(Subscribe(lab.topic("large"), 2))
    for qos in (0, 1, 2):
        await publisher.publish(Message(lab.topic("large"), LARGE_PAYLOAD, qos))
        received = await subscriber.receive()
        assert received.qos == qos
        assert received.payload == LARGE_PAYLOAD, f"{len(received.payload)} bytes arrived, or other ones"


async def _many_in_order(lab: Lab, qos: int) -> None:
    publisher = await lab.client("pub")
    subscriber = await lab.client("sub")
    await subscriber.subscribe(Subscribe(lab.topic("many"), qos))
    sent = [Message(lab.topic("many"), str(n).encode(), qos) for n in range(MANY)]
    await publisher.publish_all(sent)
    received = await subscriber.receive_many(MANY)
    assert [int(m.payload) for m in received] == list(range(MANY))
    assert {m.qos for m in received} == {qos}


async def many_messages_in_order_qos_0(lab: Lab) -> None:
    await _many_in_order(lab, 0)


async def many_messages_in_order_qos_1(lab: Lab) -> None:
    await _many_in_order(lab, 1)


async def many_messages_in_order_qos_2(lab: Lab) -> None:
    await _many_in_order(lab, 2)


async def unicode_topics(lab: Lab) -> None:
    publisher = await lab.client("pub")
    subscriber = await lab.client("sub")
    names = ["Zürich/温度", "مرحبا/שלום", "🌡️/😀", " leading space / trailing ", "ﬁ/fi", "a\u0300/\u00e0", "//"]
    await subscriber.subscribe(Subscribe(lab.topic("+/+"), 1))
    await subscriber.subscribe(Subscribe(lab.topic("//"), 1))
    for name in names:
        sent = Message(lab.topic(name), name.encode(), 1)
        await publisher.publish(sent)
        assert await subscriber.receive() == sent
    # Equal to a reader, not to MQTT: topics are compared byte by byte, never normalised ([MQTT-4.7.3-4]).
    exact = await lab.client("exact")
    await exact.subscribe(Subscribe(lab.topic("\u00e0"), 1))
    await publisher.publish(Message(lab.topic("a\u0300"), b"decomposed", 1))
    await publisher.publish(Message(lab.topic("\u00e0"), b"composed", 1))
    assert (await exact.receive()).payload == b"composed"
    await subscriber.unsubscribe(lab.topic("+/+"))


SCENARIOS = (
    connects_with_a_clean_session,
    round_trip_qos_0,
    round_trip_qos_1,
    round_trip_qos_2,
    delivers_with_the_lower_qos,
    retained_messages,
    will_when_the_cable_is_cut,
    no_will_after_disconnect,
    session_resumes_with_queued_messages,
    session_survives_a_cut_cable,
    clean_start_discards_the_session,
    a_second_connection_takes_over,
    shared_subscription_between_two_clients,
    a_leaving_member_hands_its_share_to_the_other,
    unsubscribe_ends_delivery,
    large_payloads,
    many_messages_in_order_qos_0,
    many_messages_in_order_qos_1,
    many_messages_in_order_qos_2,
    unicode_topics,
)

# MQTT 3.1 is the same protocol for these; its own differences are tested byte by byte in tests/conformance.
SCENARIOS_V31 = (
    round_trip_qos_0,
    round_trip_qos_1,
    round_trip_qos_2,
    retained_messages,
    will_when_the_cable_is_cut,
    session_resumes_with_queued_messages,
    shared_subscription_between_two_clients,
    unsubscribe_ends_delivery,
)
