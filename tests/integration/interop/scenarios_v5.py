"""What every client library must be able to do with the broker in MQTT 5 only."""

from __future__ import annotations

from dataclasses import replace

from .adapters.base import Message, PublishProperties, Subscribe, Will
from .lab import Lab

# mqtt.js groups user properties by name, so equal names stand together here; their order is still checked.
ALL_PROPERTIES = PublishProperties(
    payload_format=1,
    content_type="text/plain; charset=utf-8",
    response_topic="answers/Zürich",
    correlation_data=bytes(range(256)),
    user=(("trace", "1"), ("trace", "2"), ("trace", "1"), ("größe", "5 µm"), ("empty", "")),
)


async def publish_properties_arrive_unchanged(lab: Lab) -> None:
    """[MQTT-3.3.2-4], [MQTT-3.3.2-15], [MQTT-3.3.2-16], [MQTT-3.3.2-17], [MQTT-3.3.2-18], [MQTT-3.3.2-20]."""
    publisher = await lab.client("pub")
    subscriber = await lab.client("sub")
    await subscriber.subscribe(Subscribe(lab.topic("p"), 2))
    for qos in (0, 1, 2):
        sent = Message(lab.topic("p"), "Größe".encode(), qos, properties=ALL_PROPERTIES)
        await publisher.publish(sent)
        assert await subscriber.receive() == sent
    bare = Message(lab.topic("p"), b"bare", 1)
    await publisher.publish(bare)
    assert await subscriber.receive() == bare


async def properties_are_kept_with_retained_and_queued_messages(lab: Lab) -> None:
    publisher = await lab.client("pub")
    sleeper, _ = await lab.connect("sleep", clean=False, session_expiry_s=600)
    await sleeper.subscribe(Subscribe(lab.topic("p"), 2))
    await lab.disconnect(sleeper)
    sent = Message(lab.topic("p"), "Größe".encode(), 2, retain=True, properties=ALL_PROPERTIES)
    await publisher.publish(sent)
    woken, session_present = await lab.connect("sleep", clean=False, session_expiry_s=600)
    assert session_present in (True, None)
    assert await woken.receive() == replace(sent, retain=False)
    late = await lab.client("late")
    await late.subscribe(Subscribe(lab.topic("p"), 2))
    assert await late.receive() == sent


async def message_expiry_is_passed_on_counted_down(lab: Lab) -> None:
    """[MQTT-3.3.2-6]."""
    publisher = await lab.client("pub")
    sleeper, _ = await lab.connect("sleep", clean=False, session_expiry_s=600)
    await sleeper.subscribe(Subscribe(lab.topic("e"), 1))
    await lab.disconnect(sleeper)
    await publisher.publish(Message(lab.topic("e"), b"e", 1, properties=PublishProperties(message_expiry_s=3600)))
    woken, _ = await lab.connect("sleep", clean=False, session_expiry_s=600)
    received = await woken.receive()
    assert received.properties.message_expiry_s is not None
    assert 3500 <= received.properties.message_expiry_s <= 3600


async def request_and_response(lab: Lab) -> None:
    requester, responder = await lab.client("ask"), await lab.client("tell")
    await requester.subscribe(Subscribe(lab.topic("answers/me"), 1))
    await responder.subscribe(Subscribe(lab.topic("questions"), 1))
    for number in range(3):
        asked = PublishProperties(response_topic=lab.topic("answers/me"), correlation_data=bytes([0, number, 255]))
        await requester.publish(Message(lab.topic("questions"), b"?", 1, properties=asked))
        question = await responder.receive()
        assert question.properties.response_topic is not None
        answered = PublishProperties(correlation_data=question.properties.correlation_data)
        await responder.publish(Message(question.properties.response_topic, b"!", 1, properties=answered))
        answer = await requester.receive()
        assert (answer.payload, answer.properties.correlation_data) == (b"!", bytes([0, number, 255]))


async def no_local(lab: Lab) -> None:
    """[MQTT-3.8.3-3]."""
    talker, other = await lab.client("talk"), await lab.client("other")
    await talker.subscribe(Subscribe(lab.topic("chat"), 1, no_local=True))
    await talker.publish(Message(lab.topic("chat"), b"mine", 1))
    await other.publish(Message(lab.topic("chat"), b"theirs", 1))
    assert (await talker.receive()).payload == b"theirs"


async def retain_as_published(lab: Lab) -> None:
    """[MQTT-3.3.1-12], [MQTT-3.3.1-13]."""
    publisher = await lab.client("pub")
    keeps, clears = await lab.client("keeps"), await lab.client("clears")
    await keeps.subscribe(Subscribe(lab.topic("r"), 1, retain_as_published=True))
    await clears.subscribe(Subscribe(lab.topic("r"), 1))
    for retain in (True, False):
        await publisher.publish(Message(lab.topic("r"), b"r", 1, retain=retain))
        assert (await keeps.receive()).retain is retain
        assert (await clears.receive()).retain is False


async def retain_handling(lab: Lab) -> None:
    """[MQTT-3.3.1-9], [MQTT-3.3.1-10], [MQTT-3.3.1-11]."""
    publisher = await lab.client("pub")
    topic, barrier = lab.topic("r"), lab.topic("barrier")
    await publisher.publish(Message(topic, b"kept", 1, retain=True))
    for handling, times in ((0, 2), (1, 1), (2, 0)):
        subscriber = await lab.client(f"rh{handling}")
        await subscriber.subscribe(Subscribe(barrier, 1))
        for _ in range(2):
            await subscriber.subscribe(Subscribe(topic, 1, retain_handling=handling))
        await publisher.publish(Message(barrier, b"", 1))
        received: list[Message] = []
        while (message := await subscriber.receive()).topic != barrier:
            received.append(message)
        assert [m.payload for m in received] == [b"kept"] * times, f"retain handling {handling}"


async def subscription_identifiers(lab: Lab) -> None:
    """[MQTT-3.3.4-3]."""
    publisher, subscriber = await lab.client("pub"), await lab.client("sub")
    await subscriber.subscribe(Subscribe(lab.topic("one"), 1, identifier=1))
    await subscriber.subscribe(Subscribe(lab.topic("two"), 1, identifier=268_435_455))
    await subscriber.subscribe(Subscribe(lab.topic("none"), 1))
    for name, expected in (("one", (1,)), ("two", (268_435_455,)), ("none", ())):
        await publisher.publish(Message(lab.topic(name), b"", 1))
        assert (await subscriber.receive()).properties.subscription_ids == expected


async def session_ends_at_disconnect_without_expiry(lab: Lab) -> None:
    first, _ = await lab.connect("brief", clean=False, session_expiry_s=0)
    await first.subscribe(Subscribe(lab.topic("t"), 1))
    await lab.disconnect(first)
    _, session_present = await lab.connect("brief", clean=False, session_expiry_s=0)
    assert session_present in (False, None)


async def reconnecting_within_the_delay_cancels_the_will(lab: Lab) -> None:
    """[MQTT-3.1.3-9]."""
    watcher = await lab.client("watch")
    await watcher.subscribe(Subscribe(lab.topic("#"), 1))
    relay, address = await lab.relay()
    will = Will(lab.topic("will"), b"gone", 1, delay_s=300)
    doomed, _ = await lab.connect("doomed", clean=False, session_expiry_s=600, will=will, relay=address)
    await relay.cut()
    await lab.abandon(doomed)
    back, session_present = await lab.connect("doomed", clean=False, session_expiry_s=600)
    assert session_present in (True, None)
    await back.publish(Message(lab.topic("barrier"), b"b", 1))
    assert (await watcher.receive()).topic == lab.topic("barrier")


SCENARIOS_V5 = (
    publish_properties_arrive_unchanged,
    properties_are_kept_with_retained_and_queued_messages,
    message_expiry_is_passed_on_counted_down,
    request_and_response,
    no_local,
    retain_as_published,
    retain_handling,
    subscription_identifiers,
    session_ends_at_disconnect_without_expiry,
    reconnecting_within_the_delay_cancels_the_will,
)
