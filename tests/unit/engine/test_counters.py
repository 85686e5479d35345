"""After a scripted scenario every counter has exactly the value that the script gives it, and no other one moved."""

from __future__ import annotations

import pytest

from rmq.hooks.verdicts import ALLOW, DENY, AuthResult, EnhancedAuthRequest
from rmq.metrics.keys import metrics_snapshot, stats_snapshot
from rmq.mqtt.message import FROM_ADMIN, FROM_BRIDGE, FROM_SYSTEM, Message
from tests.support import wire
from tests.support.engine import Engine
from tests.support.wire import Will


class Watch:
    """What the counters gained since it was made, or since it was last asked."""

    def __init__(self, engine: Engine) -> None:
        self._counters = engine.counters
        self._before = metrics_snapshot(engine.counters)

    def gained(self, *without: str) -> dict[str, int]:
        """Every metric that moved, but bytes and those named."""
        now = metrics_snapshot(self._counters)
        before, self._before = self._before, now
        skip = {"bytes.received", "bytes.sent", *without}
        return {name: now[name] - before[name] for name in now if now[name] != before[name] and name not in skip}


@pytest.fixture
def watch(engine: Engine) -> Watch:
    return Watch(engine)


CONNECTED = {
    "client.connect": 1,
    "client.authenticate": 1,
    "client.auth.anonymous": 1,
    "client.connack": 1,
    "client.connected": 1,
    "session.created": 1,
    "packets.connect.received": 1,
    "packets.connack.sent": 1,
}


def test_connect_and_disconnect(engine: Engine, watch: Watch) -> None:
    client = engine.connect("a")
    assert watch.gained() == CONNECTED
    client.disconnect()
    assert watch.gained() == {
        "packets.disconnect.received": 1,
        "client.disconnected": 1,
        "connections.closed_by_client": 1,
        "session.terminated": 1,
    }


def test_resume_take_over_and_expire(engine: Engine, watch: Watch) -> None:
    engine.connect("a", expiry=10).lose()
    assert watch.gained() == {**CONNECTED, "client.disconnected": 1, "connections.lost": 1}
    engine.connect("a", clean=False, expiry=10)
    watch.gained()
    client = engine.connect("a", clean=False, expiry=10)
    resumed = {**CONNECTED, "session.resumed": 1, "session.takeovers": 1, "client.disconnected": 1}
    del resumed["session.created"]
    assert watch.gained() == {**resumed, "packets.disconnect.sent": 1}
    client.lose()
    watch.gained()
    engine.advance(11)
    assert watch.gained() == {"session.expired": 1, "session.terminated": 1}


@pytest.mark.parametrize(
    ("reason", "more"),
    [
        (0x86, "client.connack.auth.error"),
        (0x87, "client.connack.auth.error"),
        (0x8A, "client.connack.auth.error"),
        (0x88, "client.connack.unavailable.error"),
        (0x97, "client.connack.unavailable.error"),
        (0x80, ""),
    ],
)
def test_refusals(engine: Engine, watch: Watch, reason: int, more: str) -> None:
    engine.hooks.register("client_authenticate", lambda request: AuthResult(DENY, reason_code=reason), "test")
    engine.connect("a", username="u", code=reason)
    expected = {
        "client.connect": 1,
        "client.authenticate": 1,
        "client.connack": 1,
        "client.connack.error": 1,
        "packets.connect.received": 1,
        "packets.connack.sent": 1,
    }
    if more:
        expected[more] = 1
    assert watch.gained() == expected


def test_an_anonymous_client_that_is_not_welcome(engine: Engine, watch: Watch) -> None:
    engine.limits.allow_anonymous = False
    engine.connect("a", code=0x87)
    gained = watch.gained()
    assert gained["client.auth.anonymous.error"] == 1 and "client.auth.anonymous" not in gained
    engine.connect("a", username="u", code=0x87)
    assert "client.auth.anonymous.error" not in watch.gained()


def test_subscribe_and_unsubscribe(engine: Engine, watch: Watch) -> None:
    client = engine.connect("a")
    engine.hooks.register("client_subscribe_check_acl", lambda c, name, qos: DENY if name == "no" else ALLOW, "test")
    watch.gained()
    client.subscribe(("t", 1), ("no", 1), ("bad/#/x", 1))
    assert watch.gained() == {
        "packets.subscribe.received": 1,
        "packets.suback.sent": 1,
        "client.subscribe.check.acl": 3,
        "client.subscribe": 1,
        "client.subscribe.error": 2,
        "client.subscribe.auth.error": 1,
        "session.subscribed": 1,
    }
    client.send(wire.unsubscribe(2, ["t", "never"]))
    assert watch.gained() == {
        "packets.unsubscribe.received": 1,
        "packets.unsuback.sent": 1,
        "client.unsubscribe": 2,
        "session.unsubscribed": 1,
    }


FLOWS = {
    0: {},
    1: {"packets.puback.sent": 1, "packets.puback.received": 1},
    2: {
        **{f"packets.{kind}.{way}": 1 for kind in ("pubrec", "pubrel", "pubcomp") for way in ("sent", "received")},
    },
}


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("expiry", [None, 100])
def test_one_message_at_each_qos(engine: Engine, watch: Watch, qos: int, expiry: int | None) -> None:
    subscriber, publisher = engine.connect("s", expiry=expiry), engine.connect("p", expiry=expiry)
    subscriber.subscribe(("t", 2))
    watch.gained()
    publisher.publish("t", b"x", qos)
    subscriber.receive_all()
    acked = {"messages.acked": 1, "messages.acked.custom": 1} if qos else {}
    assert watch.gained() == {
        "packets.publish.received": 1,
        "packets.publish.sent": 1,
        "messages.publish": 1,
        "messages.publish.custom": 1,
        "messages.delivered": 1,
        "messages.delivered.custom": 1,
        f"messages.qos{qos}.received": 1,
        f"messages.qos{qos}.sent": 1,
        **FLOWS[qos],
        **acked,
    }


def test_a_message_nobody_wants(engine: Engine, watch: Watch) -> None:
    publisher = engine.connect("p")
    watch.gained()
    publisher.publish("t")
    assert watch.gained() == {
        "packets.publish.received": 1,
        "messages.publish": 1,
        "messages.publish.custom": 1,
        "messages.qos0.received": 1,
        "messages.nonsubscribed": 1,
        "messages.nonsubscribed.custom": 1,
    }


@pytest.mark.parametrize(("origin", "name"), [(FROM_ADMIN, "admin"), (FROM_SYSTEM, "system"), (FROM_BRIDGE, "bridge")])
def test_messages_count_by_where_they_come_from(engine: Engine, watch: Watch, origin: int, name: str) -> None:
    subscriber = engine.connect("s")
    subscriber.subscribe(("t", 1))
    watch.gained()
    for topic in ("t", "nobody"):
        engine.broker.publish(Message(topic, b"x", 1, False, "", origin=origin))
    engine.turn()
    subscriber.receive_all()
    assert watch.gained() == {
        **{f"messages.{what}": 1 for what in ("delivered", "acked", "nonsubscribed")},
        **{f"messages.{what}.{name}": 1 for what in ("delivered", "acked", "nonsubscribed")},
        "messages.publish": 2,
        f"messages.publish.{name}": 2,
        "messages.qos1.sent": 1,
        "packets.publish.sent": 1,
        "packets.puback.received": 1,
    }


def test_a_will(engine: Engine, watch: Watch) -> None:
    subscriber = engine.connect("s")
    subscriber.subscribe(("w", 1))
    client = engine.connect("a", will=Will("w", qos=1))
    watch.gained()
    client.lose()
    subscriber.receive_all()
    gained = watch.gained()
    for what in ("publish", "delivered", "acked"):
        assert gained[f"messages.{what}"] == gained[f"messages.{what}.lastwill"] == 1


def test_retained_messages(engine: Engine, watch: Watch) -> None:
    publisher = engine.connect("p")
    publisher.publish("t/1", b"x", 1, retain=True)
    publisher.publish("t/2", b"x", 1, retain=True)
    publisher.publish("t/1", b"y", 1, retain=True)
    publisher.publish("t/2", b"", 1, retain=True)
    assert watch.gained()["messages.retained"] == 3
    subscriber = engine.connect("s")
    watch.gained()
    subscriber.subscribe(("t/#", 1))
    subscriber.receive_all()
    gained = watch.gained()
    assert gained["messages.delivered.retain"] == gained["messages.delivered"] == 1
    assert gained["messages.acked.retain"] == 1


def test_answers_to_nothing(engine: Engine, watch: Watch) -> None:
    client = engine.connect("a")
    watch.gained()
    client.send(wire.puback(1), wire.pubrec(2), wire.pubrel(3), wire.pubcomp(4))
    gained = watch.gained()
    assert gained.pop("packets.acks.unexpected") == 3
    for kind in ("puback", "pubrec", "pubrel", "pubcomp"):
        assert gained.pop(f"packets.{kind}.received") == 1
    assert gained == {"packets.pubrel.sent": 1, "packets.pubcomp.sent": 1}


def test_sent_again(engine: Engine, watch: Watch) -> None:
    client = engine.connect("a", expiry=10)
    client.subscribe(("t", 2))
    publisher = engine.connect("p")
    publisher.publish("t", b"1", 1)
    publisher.publish("t", b"2", 2)
    client.lose()
    watch.gained()
    engine.connect("p2").publish("t", b"3", 1)
    again = engine.open()
    again.send(wire.connect("a", 5, False, 0, [(wire.SESSION_EXPIRY, 10)]))
    gained = watch.gained()
    assert gained["messages.redelivered"] == 2
    assert gained["messages.queued"] == 1
    assert gained["messages.delivered"] == gained["packets.publish.sent"] == 3


def test_a_qos2_message_sent_twice(engine: Engine, watch: Watch) -> None:
    client = engine.connect("a")
    watch.gained()
    client.send(wire.publish("t", b"x", 2, 5), wire.publish("t", b"x", 2, 5, dup=True))
    gained = watch.gained()
    assert gained["client.publish.duplicate"] == 1
    assert gained["messages.publish"] == 1
    assert gained["messages.qos2.received"] == gained["packets.pubrec.sent"] == 2


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (b"\x82\x00", "connections.malformed_packets"),
        (wire.connect("b"), "connections.protocol_errors"),
        (wire.publish("t", bytes(300)), "connections.packets_too_large"),
    ],
)
def test_bad_packets(engine: Engine, watch: Watch, sent: bytes, name: str) -> None:
    engine.limits.max_packet_size = 200
    client = engine.connect("a")
    watch.gained()
    client.send(sent)
    assert watch.gained() == {
        name: 1,
        "packets.disconnect.sent": 1,
        "client.disconnected": 1,
        "session.terminated": 1,
    }


def test_bytes(engine: Engine) -> None:
    client = engine.connect("a")
    received = len(wire.connect("a", keep_alive=0))
    assert engine.counters.bytes_received == received
    sent = engine.counters.bytes_sent
    client.read()
    for packet, reply in ((wire.pingreq(), 2), (wire.subscribe(1, [("t", 0)]), 6), (wire.publish("t", b"x"), 7)):
        client.send(packet)
        received += len(packet)
        sent += reply
        assert len(client.sock.received) == reply
        client.read()
        assert (engine.counters.bytes_received, engine.counters.bytes_sent) == (received, sent)


def test_an_exchange_of_auth_packets(engine: Engine, watch: Watch) -> None:
    def handle(request: EnhancedAuthRequest) -> AuthResult:
        return AuthResult(ALLOW if request.data == b"right" else DENY)

    engine.hooks.register("client_enhanced_auth", handle, "test")
    for data in (b"right", b"wrong"):
        client = engine.open()
        client.send(wire.connect("a", properties=[(wire.AUTH_METHOD, "m"), (wire.AUTH_DATA, data)]))
    gained = watch.gained()
    assert (gained["enhanced_auth.started"], gained["enhanced_auth.completed"], gained["enhanced_auth.failed"]) == (
        2,
        1,
        1,
    )


def test_stats_tell_what_is_there(engine: Engine) -> None:
    publisher = engine.connect("p")
    subscriber = engine.connect("s", expiry=100, properties=[(wire.RECEIVE_MAXIMUM, 2)])
    subscriber.subscribe(("t", 1), ("$share/g/t/#", 1), ("u", 1))
    engine.connect("away", expiry=100).lose()
    for number in range(5):
        publisher.publish("t", b"%d" % number, 1)
    publisher.publish("kept", b"x", retain=True)
    publisher.send(wire.publish("none", b"x", 2, 77))
    stats = stats_snapshot(engine.broker.refresh_stats())
    expected = {
        "connections": 2,
        "sessions": 3,
        "subscriptions": 3,
        "subscriptions_shared": 1,
        "retained": 1,
        "out_inflights": 2,
        "message_queues": 8,
        "in_inflights": 1,
    }
    assert {name: stats[f"{name}.count"] for name in expected} == expected
    subscriber.receive_all()
    publisher.send(wire.pubrel(77))
    publisher.lose()
    stats = stats_snapshot(engine.broker.refresh_stats())
    assert stats["connections.count"] == 1 and stats["connections.max"] == 2
    assert stats["out_inflights.count"] == stats["message_queues.count"] == stats["in_inflights.count"] == 0
    assert stats["out_inflights.max"] == 2 and stats["message_queues.max"] == 8
