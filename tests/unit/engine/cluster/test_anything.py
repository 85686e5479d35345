"""Random clients on three members, whose commands, applying, links and lives are disturbed: replicas stay equal.

In the end everything that holds anything up is let go. Then all members hold the same, each client id has one
connection at most, what was acknowledged is there, nothing of QoS 2 came twice, and nobody waits for anything.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.support import wire
from tests.support.engine import Client
from tests.support.wire_parser import Connack, Packet, Puback, Pubcomp, Publish, Pubrec, Pubrel, Suback
from tests.unit.engine.cluster.group import Group
from tests.unit.engine.cluster.member import Member

NODES: Final = (1, 2, 3)
EXPIRY: Final = 10_000

nodes = st.sampled_from(NODES)
client_ids = st.sampled_from(["a", "b", "c"])
qos_levels = st.integers(0, 2)
filters = st.sampled_from(["t", "+", "$share/g/t"])


class Subscriber:
    """A client as its user sees it, over all its connections: what came, each message of QoS 2 once."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.released: set[int] = set()
        self.got: Counter[bytes] = Counter()
        self.got_once: Counter[bytes] = Counter()
        self.asked: dict[int, str] = {}
        self.granted: set[str] = set()


class AnythingGoes(RuleBasedStateMachine):
    """Publishers are transient and wait for nothing; subscribers have sessions that are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.group = Group(Path(self.folder.name))
        self.users: dict[str, Subscriber] = {}
        self.publishers: dict[int, Client] = {}
        self.sent = 0
        self.acknowledged: dict[bytes, int] = {}
        self.pending: dict[tuple[int, int], tuple[bytes, int]] = {}
        self.expected: dict[bytes, set[str]] = {}

    @initialize()
    def start(self) -> None:
        for node_id in NODES:
            self.group.start(node_id)
        for client_id, node_id in (("a", 1), ("b", 2), ("c", 3)):
            self.connect(client_id, node_id)
            self.subscribe(client_id, "t", 2)
            self.subscribe(client_id, "$share/g/t", 2)

    def member(self, node_id: int) -> Member | None:
        member = self.group.members.get(node_id)
        return None if member is None or member.is_cut_off else member

    def all_are_here(self) -> bool:
        members = self.group.members
        return len(members) == 3 and not any(member.is_cut_off for member in members.values())

    # Subscribers

    def _read(self, user: Subscriber) -> None:
        client = user.client
        if client is None:
            return
        while packets := client.read():
            answers = [a for packet in packets if (a := self._answer(user, packet))]
            if answers and not client.closed:
                client.send(*answers)
        if client.closed:
            user.client = None

    def _answer(self, user: Subscriber, packet: Packet) -> bytes:
        if isinstance(packet, Connack):
            assert packet.code or packet.session_present or not user.granted, "a session is gone"
        elif isinstance(packet, Suback):
            topic_filter = user.asked.pop(packet.packet_id)
            if packet.codes[0] < 0x80:
                user.granted.add(topic_filter)
        elif isinstance(packet, Publish):
            new = packet.qos < 2 or packet.packet_id not in user.released
            if new and not packet.retain:
                user.got[packet.payload] += 1
                user.got_once[packet.payload] += packet.qos == 2
            if packet.qos == 2:
                user.released.add(packet.packet_id)
                return wire.pubrec(packet.packet_id)
            return wire.puback(packet.packet_id) if packet.qos else b""
        elif isinstance(packet, Pubrel):
            user.released.discard(packet.packet_id)
            return wire.pubcomp(packet.packet_id)
        return b""

    def _read_all(self) -> None:
        for user in self.users.values():
            self._read(user)
        for node_id, publisher in list(self.publishers.items()):
            self._read_publisher(node_id, publisher)

    @rule(client_id=client_ids, node=nodes)
    def connect(self, client_id: str, node: int) -> None:
        member = self.member(node)
        if member is None:
            return
        user = self.users.setdefault(client_id, Subscriber())
        self._read(user)
        client = member.open()
        user.client = client
        user.asked.clear()
        properties = [(wire.SESSION_EXPIRY, EXPIRY), (wire.RECEIVE_MAXIMUM, 3)]
        client.send(wire.connect(client_id, clean=False, keep_alive=0, properties=properties))
        self._read_all()

    @rule(client_id=client_ids)
    def lose(self, client_id: str) -> None:
        user = self.users.get(client_id)
        if user is not None and user.client is not None and not user.client.closed:
            user.client.lose()
            user.client = None

    @rule(client_id=client_ids, topic_filter=filters, qos=st.integers(1, 2))
    def subscribe(self, client_id: str, topic_filter: str, qos: int) -> None:
        user = self.users.get(client_id)
        if user is None or user.client is None or user.client.closed:
            return
        packet_id = user.client.next_packet_id()
        user.asked[packet_id] = topic_filter
        user.client.send(wire.subscribe(packet_id, [(topic_filter, qos)]))
        self._read_all()

    # Publishers

    def _read_publisher(self, node_id: int, publisher: Client) -> None:
        for packet in publisher.read():
            if isinstance(packet, (Puback, Pubrec)):
                payload, qos = self.pending.pop((node_id, packet.packet_id))
                if packet.code < 0x80:
                    self.acknowledged[payload] = qos
                    if qos == 2 and not publisher.closed:
                        publisher.send(wire.pubrel(packet.packet_id))
            assert isinstance(packet, (Connack, Puback, Pubrec, Pubcomp, Suback)) or publisher.closed, packet
        if publisher.closed:
            self._forget_publisher(node_id)

    def _forget_publisher(self, node_id: int) -> None:
        self.publishers.pop(node_id, None)
        self.pending = {key: value for key, value in self.pending.items() if key[0] != node_id}

    @rule(node=nodes, qos=st.integers(1, 2), retain=st.booleans(), count=st.integers(1, 8))
    def publish(self, node: int, qos: int, retain: bool, count: int) -> None:
        for _ in range(count):
            self._publish(node, qos, retain)

    def _publish(self, node: int, qos: int, retain: bool) -> None:
        member = self.member(node)
        if member is None:
            return
        publisher = self.publishers.get(node)
        if publisher is None:
            publisher = self.publishers[node] = member.open()
            publisher.send(wire.connect(f"p{node}", keep_alive=0))
        if publisher.closed:
            return
        self.sent += 1
        payload = b"%d" % self.sent
        packet_id = publisher.next_packet_id()
        self.pending[node, packet_id] = payload, qos
        self.expected[payload] = {name for name, user in self.users.items() if user.granted & {"t", "+"}}
        publisher.send(wire.publish("t", payload, qos, packet_id, retain))
        self._read_all()

    # What disturbs them

    @rule(node=nodes, holds=st.booleans())
    def hold_commands(self, node: int, holds: bool) -> None:
        member = self.member(node)
        if member is not None:
            member.holds_commands = holds
            self.group.settle()

    @rule(node=nodes, holds=st.booleans())
    def hold_applying(self, node: int, holds: bool) -> None:
        member = self.member(node)
        if member is not None:
            member.holds_applying = holds
            self.group.settle()

    @rule(node=nodes, nothing=st.booleans())
    def hear_nothing(self, node: int, nothing: bool) -> None:
        member = self.member(node)
        if member is not None:
            member.hears_nothing = nothing

    @rule(node=nodes)
    def take_snapshot(self, node: int) -> None:
        member = self.member(node)
        if member is not None:
            self.group.take_snapshot(member)

    @rule(sender=nodes, receiver=nodes)
    def catch_up_by_snapshot(self, sender: int, receiver: int) -> None:
        source, target = self.member(sender), self.member(receiver)
        if source is None or target is None or source is target:
            return
        self.group.take_snapshot(source)
        if source.port.snapshot_index > target.port.applied_index:
            self.group.install(source, target)
            self._read_all()

    @precondition(lambda self: self.all_are_here())
    @rule(node=nodes, declared=st.booleans())
    def kill(self, node: int, declared: bool) -> None:
        member = self.group.members[node]
        for user in self.users.values():
            if user.client is not None and user.client.engine is member:
                user.client = None
        self._forget_publisher(node)
        member.kill()
        if declared:
            self.group.declare_down(node)
        self._read_all()

    @precondition(lambda self: len(self.group.members) == 2)
    @rule()
    def restart(self) -> None:
        node = next(n for n in NODES if n not in self.group.members)
        self.group.start(node)
        self._read_all()

    @precondition(lambda self: self.all_are_here())
    @rule(node=nodes, declared=st.booleans())
    def cut_off(self, node: int, declared: bool) -> None:
        member = self.group.members[node]
        self.group.cut_off(member)
        if declared:
            self.group.declare_down(member)
        self._read_all()

    @rule()
    def heal(self) -> None:
        for member in list(self.group.members.values()):
            if member.is_cut_off:
                self.group.heal(member)
        self._read_all()

    @rule(seconds=st.sampled_from([0.3, 1.0, 6.0]))
    def pass_time(self, seconds: float) -> None:
        self.group.pass_time(seconds)
        self._read_all()

    # The end

    def teardown(self) -> None:
        try:
            self._end()
        finally:
            self.folder.cleanup()

    def _end(self) -> None:
        group = self.group
        if not group.members:
            return
        for member in group.members.values():
            member.holds_commands = member.holds_applying = member.hears_nothing = False
        group.settle()
        self.heal()
        for node, record in group.leader.port.nodes.items():
            if record.up and node not in group.members:
                group.declare_down(node)
        group.pass_time(10.0)
        self._read_all()
        group.check()
        for client_id in self.users:
            live = [m.node_id for m in group.members.values() if m.broker.registry.get(client_id) is not None]
            assert len(live) <= 1, f"{client_id} is connected to {live}"
        for member in group.members.values():
            assert member.port.log.pending_bytes == 0, f"node {member.node_id} has something that it can't propose"
            assert not len(member.broker.claims), f"somebody waits for a claim on node {member.node_id}"
            assert not member.broker.ctx.retaining
        node = min(group.members)
        for client_id, user in self.users.items():
            self.connect(client_id, node)
            assert user.client is not None and not user.client.closed, f"{client_id} can't connect"
        self._read_all()
        for payload in self.acknowledged:
            for client_id in self.expected[payload]:
                assert self.users[client_id].got[payload], f"{client_id} never got {payload!r}, which was acknowledged"
            copies = sum(user.got_once[payload] for user in self.users.values())
            plain = sum(bool(user.granted & {"t", "+"}) for user in self.users.values())
            # Whoever subscribed later may have it too; of a share group one member has it.
            assert copies <= plain + 1, f"{payload!r} came {copies} times with QoS 2"
        for client_id, user in self.users.items():
            shares = "$share/g/t" in user.granted
            twice = [payload for payload, count in user.got_once.items() if count > 1 + shares]
            assert not twice, f"{client_id} got {twice} more than once"


AnythingGoes.TestCase.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnythingGoes = AnythingGoes.TestCase
