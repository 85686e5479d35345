"""Every hook point fires where it is to fire: once, in order, with its arguments; and says what it can decide."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rmq.hooks.points import DECIDE, NOTIFY, POINTS
from rmq.hooks.verdicts import ALLOW, DENY, DENY_AND_DISCONNECT, UNDECIDED, AuthRequest, AuthResult
from rmq.mqtt.message import Message
from rmq.mqtt.packets import Connect, SubscriptionRequest
from rmq.session.client_info import ClientInfo
from rmq.session.subscription import Subscription
from tests.support import wire
from tests.support.engine import Engine
from tests.support.packet_notation import V311
from tests.support.wire import Will
from tests.support.wire_parser import Disconnect, Puback, Publish, Pubrec, Suback, Unsuback

# Points that no step of the engine reaches yet; the list must shrink, not grow.
# ``before_startup`` is the node's; ``cluster_message_received`` comes with the cluster.
NOT_CALLED = {"before_startup", "cluster_message_received"}

Call = tuple[str, tuple[object, ...]]


def brief(value: object) -> object:
    """An argument, short enough to compare."""
    if isinstance(value, ClientInfo):
        return f"<{value.client_id}>"
    if isinstance(value, Message):
        return f"{value.topic}={value.payload.decode()}"
    if isinstance(value, AuthRequest):
        return f"<{value.client.client_id}>:{value.password!r}"
    if isinstance(value, Connect):
        return f"CONNECT {value.client_id}"
    if isinstance(value, SubscriptionRequest):
        return f"{value.topic_filter} at {value.qos}"
    if isinstance(value, Subscription):
        return f"{value.session.client_id}: {value.key} at {value.qos}"
    if isinstance(value, list):
        return [brief(item) for item in value]
    return value


class Recorder:
    """Handles every point and has no opinion."""

    def __init__(self, engine: Engine, *points: str) -> None:
        self.calls: list[Call] = []
        for name in points or POINTS:
            engine.hooks.register(name, self._handler(name), "recorder")

    def _handler(self, name: str) -> Callable[..., object]:
        point = POINTS[name]

        def handle(*args: object) -> object:
            self.calls.append((name, tuple(brief(arg) for arg in args)))
            if point.kind == NOTIFY:
                return None
            if point.kind == DECIDE:
                return UNDECIDED if point.answer is int else None
            return args[-1]

        return handle

    def take(self) -> list[Call]:
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def recorder(engine: Engine) -> Recorder:
    return Recorder(engine)


def test_connecting(engine: Engine, recorder: Recorder) -> None:
    engine.connect("a", username="u", password=b"p")
    assert recorder.take() == [
        ("client_connect", ("<a>", "CONNECT a")),
        ("client_authenticate", ("<a>:b'p'",)),
        ("client_connect_check_acl", ("<a>",)),
        ("client_connack", ("<a>", 0)),
        ("session_created", ("<a>",)),
        ("client_connected", ("<a>",)),
    ]


def test_resuming_creates_no_session(engine: Engine, recorder: Recorder) -> None:
    engine.connect("a", expiry=10).lose()
    recorder.take()
    engine.connect("a", clean=False, expiry=10)
    assert "session_created" not in [name for name, _ in recorder.take()]


def test_a_refused_connection(engine: Engine, recorder: Recorder) -> None:
    engine.limits.allow_anonymous = False
    engine.connect("a", code=0x87)
    assert [name for name, _ in recorder.take()] == ["client_connect", "client_authenticate", "client_connack"]
    engine.limits.max_clientid_len = 23
    engine.connect("a" * 24, code=0x85)
    assert recorder.take() == []


@pytest.mark.parametrize("expiry", [None, 10])
def test_disconnecting(engine: Engine, recorder: Recorder, expiry: int | None) -> None:
    client = engine.connect("a", expiry=expiry)
    recorder.take()
    client.disconnect()
    calls = recorder.take()
    assert calls[0][0] == "client_disconnected" and calls[0][1][:2] == ("<a>", 0)
    ended = ("session_terminated", ("a", 0))
    assert calls[1:] == ([] if expiry else [ended])
    engine.advance(11)
    assert recorder.take() == ([ended] if expiry else [])


@pytest.mark.parametrize("expiry", [None, 10])
def test_being_taken_over(engine: Engine, recorder: Recorder, expiry: int | None) -> None:
    engine.connect("a", expiry=expiry)
    recorder.take()
    engine.connect("a", clean=False, expiry=expiry)
    names = [name for name, _ in recorder.take()]
    assert names.count("client_disconnected") == 1
    assert names.index("client_disconnected") < names.index("client_connected")
    assert ("session_terminated" in names) == ("session_created" in names) == (expiry is None)


def test_subscribing_and_unsubscribing(engine: Engine, recorder: Recorder) -> None:
    client = engine.connect("a")
    recorder.take()
    client.subscribe(("t", 1), ("$share/g/#", 2))
    assert recorder.take() == [
        ("client_subscribe", ("<a>", "t at 1")),
        ("client_subscribe_check_acl", ("<a>", "t", 1)),
        ("client_subscribe", ("<a>", "$share/g/# at 2")),
        ("client_subscribe_check_acl", ("<a>", "$share/g/#", 2)),
        ("session_subscribed", ("<a>", "a: t at 1")),
        ("session_subscribed", ("<a>", "a: $share/g/# at 2")),
    ]
    client.send(wire.unsubscribe(9, ["t", "never"]))
    assert client.take(Unsuback).codes == [0, 0x11]
    assert recorder.take() == [
        ("client_unsubscribe", ("<a>", "t")),
        ("client_unsubscribe", ("<a>", "never")),
        ("session_unsubscribed", ("<a>", "a: t at 1")),
    ]


def test_a_message_on_its_way(engine: Engine, recorder: Recorder) -> None:
    subscriber, publisher = engine.connect("s"), engine.connect("p")
    subscriber.subscribe(("t", 2))
    recorder.take()
    publisher.publish("t", b"x", 2)
    subscriber.receive_all()
    assert recorder.take() == [
        ("client_publish", ("<p>", "t")),
        ("message_publish_check_acl", ("<p>", "t", 2, False)),
        ("message_publish", ("<p>", "t=x")),
        ("message_delivered", ("<s>", "t=x")),
        ("message_acked", ("<s>", "t=x")),
    ]
    publisher.publish("t", b"y", 2)
    names = [name for name, _ in recorder.take()]
    assert names == ["client_publish", "message_publish", "message_delivered"], "the verdict is cached"


def test_a_message_nobody_wants(engine: Engine, recorder: Recorder) -> None:
    publisher = engine.connect("p")
    recorder.take()
    publisher.publish("t", b"x")
    assert recorder.take()[-1] == ("message_nonsubscribed", ("t=x",))


def test_messages_for_a_client_that_is_away(engine: Engine, recorder: Recorder) -> None:
    subscriber, publisher = engine.connect("s", expiry=100), engine.connect("p")
    subscriber.subscribe(("t", 1))
    publisher.publish("t", b"1", 1)
    publisher.publish("t", b"2", 1)
    recorder.take()
    subscriber.lose()
    assert recorder.take()[-1] == ("offline_inflight_messages", ("s", ["t=1", "t=2"]))
    publisher.publish("t", b"3", 1)
    assert recorder.take()[-1] == ("offline_message", ("s", "t=3"))
    publisher.publish("t", b"4", 0)
    assert recorder.take()[-1] == ("message_dropped", (None, "t=4", "offline_qos0"))


def test_dropping_names_client_and_reason(engine: Engine, recorder: Recorder) -> None:
    engine.limits.max_inflight, engine.limits.max_mqueue_len = 1, 1
    client = engine.connect("s")
    client.subscribe(("t", 1))
    publisher = engine.connect("p")
    for number in range(3):
        publisher.publish("t", b"%d" % number, 1)
    dropped = [call for call in recorder.take() if call[0] == "message_dropped"]
    assert dropped == [("message_dropped", ("<s>", "t=1", "queue_full"))]


def test_a_will_has_no_client(engine: Engine, recorder: Recorder) -> None:
    client = engine.connect("a", will=Will("t", b"gone", 1))
    assert ("message_publish_check_acl", ("<a>", "t", 1, False)) in recorder.take()
    client.lose()
    assert ("message_publish", (None, "t=gone")) in recorder.take()


def test_keep_alive(engine: Engine, recorder: Recorder) -> None:
    client = engine.connect("a")
    recorder.take()
    client.send(wire.pingreq())
    assert recorder.take() == [("client_keepalive", ("<a>",))]


def test_the_engine_calls_every_other_point(engine: Engine, recorder: Recorder) -> None:
    subscriber = engine.connect("s", expiry=10, will=Will("w"))
    subscriber.subscribe(("t", 1))
    publisher = engine.connect("p")
    publisher.publish("t", b"1", 1)
    subscriber.send(wire.pingreq(), wire.unsubscribe(5, ["none"]))
    subscriber.receive_all()
    publisher.publish("t", b"2", 1)
    subscriber.lose()
    publisher.publish("t", b"3", 1, properties=[(wire.MESSAGE_EXPIRY, 100)])
    publisher.publish("t", b"4", 0)
    engine.open().send(wire.connect("s", 5, False))
    again = engine.connect("s", clean=True)
    again.subscribe(("t", 0))
    again.send(wire.unsubscribe(5, ["t"]))
    again.disconnect()
    engine.open().send(wire.connect("e", properties=[(wire.AUTH_METHOD, "m")]))
    assert {name for name, _ in recorder.calls} == set(POINTS) - NOT_CALLED


# What handlers decide.


@pytest.mark.parametrize(
    ("result", "level", "code"),
    [
        (None, 5, 0),
        (AuthResult(ALLOW), 5, 0),
        (AuthResult(DENY), 5, 0x87),
        (AuthResult(DENY, reason_code=0x86), 5, 0x86),
        (AuthResult(DENY, reason_code=0x86), V311, 4),
        (AuthResult(DENY), V311, 5),
        (AuthResult(DENY_AND_DISCONNECT, reason_code=0x8A), 5, 0x8A),
    ],
)
@pytest.mark.parametrize("point", ["client_connect", "client_authenticate"])
def test_who_may_connect(engine: Engine, point: str, result: AuthResult | None, level: int, code: int) -> None:
    engine.hooks.register(point, lambda *args: result, "test")
    client = engine.connect("a", level, username="u", password=b"p", code=code)
    assert client.closed == (code != 0)
    assert engine.counters.client_connack_auth_error == (code != 0)
    assert engine.has_session("a") == (code == 0)


@pytest.mark.parametrize(("result", "code"), [(None, 0x87), (AuthResult(ALLOW), 0), (AuthResult(DENY), 0x87)])
def test_without_an_opinion_the_listener_decides(engine: Engine, result: AuthResult | None, code: int) -> None:
    engine.limits.allow_anonymous = False
    engine.hooks.register("client_authenticate", lambda request: result, "test")
    engine.connect("a", username="u", code=code)
    engine.connect("b", code=code)


def test_a_superuser_is_asked_nothing(engine: Engine) -> None:
    engine.hooks.register("client_authenticate", lambda request: AuthResult(ALLOW, superuser=True), "test")
    recorder = Recorder(engine, "message_publish_check_acl", "client_subscribe_check_acl")
    client = engine.connect("root", will=Will("w"))
    client.subscribe(("#", 0))
    client.publish("t", b"x")
    assert client.payloads() == [b"x"]
    assert recorder.calls == []


@pytest.mark.parametrize(("level", "code"), [(5, 0x87), (V311, 0x80)])
def test_a_denied_filter_is_refused_alone(engine: Engine, level: int, code: int) -> None:
    engine.hooks.register(
        "client_subscribe_check_acl", lambda client, name, qos: DENY if name == "no" else UNDECIDED, "test"
    )
    client = engine.connect("a", level)
    client.send(wire.subscribe(1, [("yes", 1), ("no", 1), ("maybe", 0)], level=level))
    assert client.take(Suback).codes == [1, code, 0]
    assert engine.counters.client_subscribe_auth_error == engine.counters.client_subscribe_error == 1
    assert engine.session("a").subscription_count() == 2


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_denied_publish_is_answered_and_dropped(engine: Engine, qos: int) -> None:
    engine.hooks.register("message_publish_check_acl", lambda client, topic, qos, retain: DENY, "test")
    watcher, client = engine.connect("w"), engine.connect("a")
    watcher.subscribe(("#", 0))
    client.send(wire.publish("t", b"x", qos, 7 if qos else 0), wire.pingreq())
    answers = client.read()
    if qos:
        assert isinstance(answers[0], Puback if qos == 1 else Pubrec) and answers[0].code == 0x87
    assert not client.closed and watcher.read() == []
    assert engine.counters.dropped_publish_denied == engine.counters.messages_dropped == 1


def test_a_denied_publish_may_end_the_connection(engine: Engine) -> None:
    engine.hooks.register("message_publish_check_acl", lambda client, topic, qos, retain: DENY_AND_DISCONNECT, "test")
    client = engine.connect("a")
    client.publish("t")
    assert client.take(Disconnect).code == 0x87


def test_a_denied_will_refuses_the_connection(engine: Engine) -> None:
    engine.hooks.register("message_publish_check_acl", lambda client, topic, qos, retain: DENY, "test")
    engine.connect("a", will=Will("w"), code=0x87)
    engine.connect("b")


def test_a_message_may_be_changed_or_dropped(engine: Engine) -> None:
    def handle(client: ClientInfo | None, message: Message) -> Message | None:
        if message.payload == b"drop":
            return None
        return Message("other", message.payload.upper(), message.qos, message.retain, message.publisher)

    engine.hooks.register("message_publish", handle, "test")
    watcher, publisher = engine.connect("w"), engine.connect("p")
    watcher.subscribe(("#", 2))
    for qos in (0, 1, 2):
        assert publisher.publish("t", b"drop", qos) == 0
        publisher.publish("t", b"keep", qos)
    messages = watcher.receive_all()
    assert [(m.topic, m.payload, m.qos) for m in messages] == [("other", b"KEEP", qos) for qos in (0, 1, 2)]
    assert engine.counters.dropped_hook == engine.counters.messages_dropped == 3


def test_subscriptions_may_be_changed_or_refused(engine: Engine) -> None:
    def handle(client: ClientInfo, request: SubscriptionRequest) -> SubscriptionRequest | None:
        if request.topic_filter == "no":
            return None
        return SubscriptionRequest(f"{client.client_id}/{request.topic_filter}", 0)

    engine.hooks.register("client_subscribe", handle, "test")
    engine.hooks.register("client_unsubscribe", lambda client, name: None if name == "no" else f"a/{name}", "test")
    client = engine.connect("a")
    assert client.subscribe(("t", 2), ("no", 2)) == [0, 0x80]
    engine.connect("p").publish("a/t", b"x", 2)
    assert client.take(Publish).topic == "a/t"
    client.send(wire.unsubscribe(9, ["t", "no"]))
    assert client.take(Unsuback).codes == [0, 0x80]
    assert engine.session("a").subscription_count() == 0


@pytest.mark.parametrize(("verdict", "kept"), [(ALLOW, [b"old", b"new"]), (DENY, []), (UNDECIDED, [b"new"])])
def test_a_handler_may_judge_what_has_expired(engine: Engine, verdict: int, kept: list[bytes]) -> None:
    engine.hooks.register("message_expiry_check", lambda client, message: verdict, "test")
    client = engine.connect("s", expiry=1000)
    client.subscribe(("t", 1))
    client.lose()
    publisher = engine.connect("p")
    publisher.publish("t", b"old", 1, properties=[(wire.MESSAGE_EXPIRY, 5)])
    publisher.publish("t", b"new", 1, properties=[(wire.MESSAGE_EXPIRY, 500)])
    engine.advance(10)
    again = engine.open()
    again.send(wire.connect("s", 5, False, 0, [(wire.SESSION_EXPIRY, 1000)]))
    assert [message.payload for message in again.receive_all()] == kept
    assert engine.counters.dropped_expired == 2 - len(kept)
