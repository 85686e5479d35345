"""Whatever clients do, a replica that is told the same operations holds the same state."""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rmq.engine.broker import BrokerOptions
from rmq.routing.share_groups import STRATEGY_NAMES
from tests.support import wire
from tests.support.engine import Client, Engine
from tests.support.wire import Will
from tests.support.wire_parser import Packet, Publish, Pubrec, Pubrel
from tests.unit.storage.replica import Replica

NAMES: Final = ("a", "b", "c")
TOPICS: Final = ("t", "u/v", "w")
FILTERS: Final = ("t", "#", "u/+", "$share/g/t", "$share/g/#", "$share/h/u/v", "w")

names = st.sampled_from(NAMES)
topics = st.sampled_from(TOPICS)
qos_levels = st.integers(0, 2)


class ReplicaMachine(RuleBasedStateMachine):
    """Three clients that do everything a client can do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: dict[str, Client] = {}
        self.waiting: dict[str, list[Packet]] = {}
        self.count = 0

    @initialize(strategy=st.sampled_from(sorted(STRATEGY_NAMES)), queue=st.integers(0, 4), newest=st.booleans())
    def begin(self, strategy: str, queue: int, newest: bool) -> None:
        options = BrokerOptions()
        options.shared_subscription_strategy = strategy
        options.max_retained = 2
        options.retained_ttl_s = 50
        self.engine = Engine(options)
        self.engine.limits.max_inflight = 3
        self.engine.limits.max_mqueue_len = queue
        self.engine.limits.drop_newest = newest
        self.replica = Replica(self.engine)

    @rule(
        name=names,
        clean=st.booleans(),
        expiry=st.sampled_from([0, 10, 100]),
        window=st.integers(1, 4),
        largest=st.sampled_from([0, 0, 20]),
        delay=st.sampled_from([None, 0, 5]),
        level=st.sampled_from([4, 5, 5]),
    )
    def connect(
        self, name: str, clean: bool, expiry: int, window: int, largest: int, delay: int | None, level: int
    ) -> None:
        will = (
            None if delay is None else Will("w", b"will of " + name.encode(), 1, properties=[(wire.WILL_DELAY, delay)])
        )
        properties: list[wire.Property] = [(wire.SESSION_EXPIRY, expiry), (wire.RECEIVE_MAXIMUM, window)]
        if largest:
            properties.append((wire.MAXIMUM_PACKET_SIZE, largest))
        client = self.engine.open(level)
        client.send(wire.connect(name, level, clean, 0, properties, will))
        self.clients[name] = client
        self.waiting[name] = []

    @rule(name=names, topic_filter=st.sampled_from(FILTERS), qos=qos_levels, number=st.integers(0, 2))
    def subscribe(self, name: str, topic_filter: str, qos: int, number: int) -> None:
        if client := self.clients.get(name):
            properties: list[wire.Property] = [(wire.SUBSCRIPTION_ID, number)] if number and client.level == 5 else []
            client.send(wire.subscribe(1, [(topic_filter, qos)], properties, client.level))

    @rule(name=names, topic_filter=st.sampled_from(FILTERS))
    def unsubscribe(self, name: str, topic_filter: str) -> None:
        if client := self.clients.get(name):
            client.send(wire.unsubscribe(2, [topic_filter], level=client.level))

    @rule(
        name=names,
        topic=topics,
        qos=qos_levels,
        retain=st.booleans(),
        size=st.sampled_from([0, 1, 30]),
        expiry=st.sampled_from([None, 3]),
        packet_id=st.integers(10, 12),
    )
    def publish(
        self, name: str, topic: str, qos: int, retain: bool, size: int, expiry: int | None, packet_id: int
    ) -> None:
        if client := self.clients.get(name):
            self.count += 1
            payload = b"%d" % self.count + bytes(size - 1) if size else b""
            properties: list[wire.Property] = []
            if expiry is not None and client.level == 5:
                properties.append((wire.MESSAGE_EXPIRY, expiry))
            packet = wire.publish(topic, payload, qos, packet_id if qos else 0, retain, False, properties, client.level)
            client.send(packet)

    @rule(name=names, packet_id=st.integers(10, 12))
    def release(self, name: str, packet_id: int) -> None:
        if client := self.clients.get(name):
            client.send(wire.pubrel(packet_id))

    @rule(name=names, position=st.integers(0, 5), refuse=st.booleans())
    def answer(self, name: str, position: int, refuse: bool) -> None:
        waiting = self.waiting.get(name)
        client = self.clients.get(name)
        if not waiting or client is None:
            return
        packet = waiting.pop(position % len(waiting))
        reason = 0x80 if refuse and client.level == 5 else None
        if isinstance(packet, Pubrel):
            client.send(wire.pubcomp(packet.packet_id))
        elif isinstance(packet, Publish):
            answer = wire.puback if packet.qos == 1 else wire.pubrec
            client.send(answer(packet.packet_id, reason))

    @rule(name=names, packet_id=st.integers(1, 5), kind=st.sampled_from([wire.puback, wire.pubrec, wire.pubcomp]))
    def answer_what_may_not_have_been_asked(self, name: str, packet_id: int, kind: object) -> None:
        if client := self.clients.get(name):
            assert callable(kind)
            client.send(kind(packet_id))

    @rule(name=names, how=st.sampled_from(["lose", "disconnect", "with will", "shorter"]))
    def leave(self, name: str, how: str) -> None:
        client = self.clients.pop(name, None)
        if client is None:
            return
        if how == "lose" or client.level != 5:
            client.lose()
        elif how == "shorter":
            client.disconnect(0, [(wire.SESSION_EXPIRY, 0)])
        else:
            client.disconnect(4 if how == "with will" else 0)

    @rule(seconds=st.sampled_from([0.1, 4, 11, 120]))
    def pass_time(self, seconds: float) -> None:
        self.engine.advance(seconds)

    @invariant()
    def replica_is_equal(self) -> None:
        for name, client in list(self.clients.items()):
            self.waiting[name] += [
                packet
                for packet in client.read()
                if isinstance(packet, Pubrel | Pubrec) or (isinstance(packet, Publish) and packet.qos)
            ]
            if client.closed:
                del self.clients[name]
        self.replica.check()
        assert self.engine.counters.internal_errors == 0


TestReplica = ReplicaMachine.TestCase
TestReplica.settings = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
