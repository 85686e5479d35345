"""One subscriber's session against a model of what the protocol promises it, and against a replica of the state."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from rmq.mqtt.message import Message
from rmq.session.limits import Limits
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire_parser import Connack, Packet, Publish, Pubrel, Suback
from tests.unit.storage.replica import Replica

EXPIRY: Final = 1000
# What may end a message that was never delivered; "rejected" and "session_ended" may also hit delivered ones.
NEVER_DELIVERED: Final = {"queue_full", "expired", "offline_qos0", "out_buffer_full"}


class Subscriber:
    """A client that keeps what the protocol tells it to keep, and finds fault with whatever breaks a promise."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.client: Client | None = None
        self.window = 0
        self.pending: list[Packet] = []  # not answered yet
        self.outstanding: set[int] = set()  # PUBLISHes of this connection that aren't complete
        self.meaning: dict[int, int] = {}  # packet identifiers in use: which message they stand for
        self.undecided: set[int] = set()  # QoS 2 identifiers whose message was delivered, before PUBREL
        self.last: dict[int, int] = {}  # the last number of each QoS on this connection
        self.delivered: Counter[int] = Counter()

    def connect(self, limits: Limits, *, persistent: bool, clean: bool, window: int) -> bool:
        """Connect, and subscribe if there is no session; whether there was one."""
        client = self.engine.open(limits=limits)
        properties: list[wire.Property] = [(wire.RECEIVE_MAXIMUM, window)]
        if persistent:
            properties.append((wire.SESSION_EXPIRY, EXPIRY))
        client.send(wire.connect("s", 5, clean, 0, properties))
        connack, *rest = client.read()
        assert isinstance(connack, Connack) and connack.code == 0
        self.client, self.window = client, min(window, limits.max_inflight)
        self.pending.clear()
        self.outstanding.clear()
        self.last.clear()
        if not connack.session_present:
            assert not rest
            self.meaning.clear()
            self.undecided.clear()
            client.send(wire.subscribe(1, [("t", 2)]))
            assert isinstance(client.read()[0], Suback)
        self.take(rest)
        return connack.session_present

    def read(self) -> None:
        if self.client is not None:
            self.take(self.client.read())

    def take(self, packets: list[Packet]) -> None:
        for packet in packets:
            if isinstance(packet, Publish):
                self._take_publish(packet)
            else:
                assert isinstance(packet, Pubrel), packet
                # Nothing is released that wasn't received: unless it was completed and PUBCOMP was lost, which is
                # kept in ``meaning`` until it is known to have arrived.
                assert packet.packet_id in self.meaning
                self.pending = [p for p in self.pending if getattr(p, "packet_id", 0) != packet.packet_id]
                self.pending.append(packet)

    def _take_publish(self, packet: Publish) -> None:
        number = int(packet.payload)
        assert number > self.last.get(packet.qos, -1), "[MQTT-4.6.0-6] out of order on one connection"
        self.last[packet.qos] = number
        if packet.qos == 0:
            self.delivered[number] += 1
            return
        packet_id = packet.packet_id
        assert packet_id not in self.outstanding, "a packet identifier is used again while it is in use"
        assert self.meaning.get(packet_id, number) == number, "a packet identifier changed its meaning"
        if number in self.delivered:
            assert packet.dup, "[MQTT-3.3.1-1] sent again without DUP"
        assert packet.qos == 1 or packet_id in self.undecided or number not in self.delivered, "QoS 2 delivered twice"
        self.outstanding.add(packet_id)
        assert len(self.outstanding) <= self.window, "[MQTT-3.3.4-9] more in flight than the receive maximum"
        self.meaning[packet_id] = number
        if packet_id not in self.undecided:
            self.delivered[number] += 1
        if packet.qos == 2:
            self.undecided.add(packet_id)
        self.pending.append(packet)

    def answer(self, position: int, reason: int) -> None:
        """Answer one of the packets that wait for it."""
        assert self.client is not None
        packet = self.pending.pop(position % len(self.pending))
        packet_id = int(getattr(packet, "packet_id", 0))
        complete = True
        if isinstance(packet, Pubrel):
            self.undecided.discard(packet_id)
            answer = wire.pubcomp(packet_id)
        elif isinstance(packet, Publish) and packet.qos == 1:
            answer = wire.puback(packet_id, reason)
        else:
            answer = wire.pubrec(packet_id, reason)
            complete = reason >= 0x80
            if complete:
                self.undecided.discard(packet_id)
        if complete:
            self.outstanding.discard(packet_id)
            del self.meaning[packet_id]
        self.client.send(answer)


class SessionMachine(RuleBasedStateMachine):
    """Publishers, one subscriber, time and broken connections."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = Engine()
        self.replica = Replica(self.engine)
        self.publisher = self.engine.connect("p")
        self.subscriber = Subscriber(self.engine)
        self.count = 0
        self.wanted: set[int] = set()  # published while there was a session
        self.dropped: dict[int, str] = {}
        self.written: set[int] = set()  # put into an out-buffer
        self.engine.hooks.register("message_dropped", self._on_dropped, "model")
        self.engine.hooks.register("message_delivered", self._on_delivered, "model")

    def _on_dropped(self, client: object, message: Message, reason: str) -> None:
        number = int(message.payload)
        assert number not in self.dropped, "dropped twice"
        self.dropped[number] = reason

    def _on_delivered(self, client: object, message: Message) -> None:
        self.written.add(int(message.payload))

    @initialize(
        persistent=st.booleans(),
        window=st.integers(1, 5),
        queue=st.integers(0, 6),
        newest=st.booleans(),
        buffer=st.sampled_from([20, 1_000_000]),
    )
    def begin(self, persistent: bool, window: int, queue: int, newest: bool, buffer: int) -> None:
        limits = Limits("tcp.model")
        limits.max_inflight = 4
        limits.max_mqueue_len = queue
        limits.drop_newest = newest
        limits.out_buffer_limit = buffer
        self.limits, self.persistent = limits, persistent
        self.subscriber.connect(limits, persistent=persistent, clean=True, window=window)

    @property
    def connected(self) -> bool:
        return self.subscriber.client is not None

    @rule(qos=st.integers(0, 2), count=st.integers(1, 4), expiry=st.sampled_from([None, None, None, 5]))
    def publish(self, qos: int, count: int, expiry: int | None) -> None:
        properties: list[wire.Property] = [] if expiry is None else [(wire.MESSAGE_EXPIRY, expiry)]
        for _ in range(count):
            if self.engine.has_session("s"):
                self.wanted.add(self.count)
            self.publisher.publish("t", b"%d" % self.count, qos, properties=properties)
            self.count += 1

    @precondition(lambda self: self.subscriber.pending and self.connected)
    @rule(position=st.integers(0, 9), reason=st.sampled_from([0, 0, 0, 0x10, 0x80, 0x97]))
    def answer(self, position: int, reason: int) -> None:
        self.subscriber.answer(position, reason)

    @precondition(lambda self: self.connected)
    @rule()
    def stop_reading(self) -> None:
        assert self.subscriber.client is not None
        self.subscriber.client.take_nothing()

    @precondition(lambda self: self.connected)
    @rule(count=st.sampled_from([None, 1, 30, 100]))
    def go_on_reading(self, count: int | None) -> None:
        assert self.subscriber.client is not None
        self.subscriber.client.take_bytes(count)

    @precondition(lambda self: self.connected)
    @rule(gently=st.booleans())
    def leave(self, gently: bool) -> None:
        client = self.subscriber.client
        assert client is not None
        if gently:
            client.disconnect()
        else:
            client.lose()
        self.subscriber.client = None

    @rule(window=st.integers(1, 5), clean=st.sampled_from([False, False, False, True]))
    def connect(self, window: int, clean: bool) -> None:
        """Resume, begin anew, or take over."""
        expected = self.engine.has_session("s") and self.persistent and not clean
        found = self.subscriber.connect(self.limits, persistent=self.persistent, clean=clean, window=window)
        assert found == expected

    @rule(seconds=st.sampled_from([0.1, 3, 6]))
    def pass_time(self, seconds: float) -> None:
        self.engine.advance(seconds)

    @precondition(lambda self: not self.connected)
    @rule()
    def expire(self) -> None:
        self.engine.advance(EXPIRY + 1)
        assert not self.engine.has_session("s")

    @invariant()
    def promises_are_kept(self) -> None:
        self.subscriber.read()
        self.replica.check()
        assert self.engine.counters.messages_dropped == len(self.dropped)
        assert self.engine.counters.internal_errors == 0
        never = {number for number, reason in self.dropped.items() if reason in NEVER_DELIVERED}
        assert not never & self.subscriber.delivered.keys()
        assert not never & self.written

    def teardown(self) -> None:
        """Let everything arrive: what was wanted is delivered, or was dropped for a reason that was told."""
        if not hasattr(self, "limits"):
            return
        subscriber = self.subscriber
        if subscriber.client is None:
            subscriber.connect(self.limits, persistent=self.persistent, clean=False, window=3)
        assert subscriber.client is not None
        subscriber.client.take_bytes()
        for _ in range(10_000):
            subscriber.read()
            if not subscriber.pending:
                break
            subscriber.answer(0, 0)
        self.promises_are_kept()
        assert not subscriber.pending
        for number in self.wanted:
            told = number in subscriber.delivered or number in self.dropped
            assert told or number in self.written, f"message {number} is lost and nobody was told"
        outbound = self.engine.session("s").outbound
        assert outbound is None or (len(outbound) == 0 and outbound.inflight == 0)


TestSession = SessionMachine.TestCase
TestSession.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize("persistent", [False, True])
def test_the_model_sees_messages(persistent: bool) -> None:
    """The machine itself, once through by hand: a machine that never receives anything would find nothing."""
    machine = SessionMachine()
    machine.begin(persistent, 2, 2, newest=False, buffer=1_000_000)
    for qos in (0, 1, 2):
        machine.publish(qos, 3, None)
        machine.promises_are_kept()
    assert machine.dropped and machine.subscriber.delivered and machine.subscriber.pending
    machine.leave(gently=False)
    machine.teardown()
    assert len(machine.wanted) == 9
