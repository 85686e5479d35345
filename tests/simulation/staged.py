"""Faults that need several things to happen one after the other, or somebody to be in a certain place."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Final

import trio

from rmq.engine.member_options import MemberOptions
from tests.simulation.client import Client
from tests.simulation.node import Node, host
from tests.simulation.publisher import Loner, Publisher
from tests.simulation.subscriber import Explorer
from tests.simulation.transient import Transient
from tests.simulation.world import World

# How long a step may take (s).
STEP_S: Final = 0.6
# So long it takes at most to be connected elsewhere (s).
MOVED_S: Final = 2.0
# So long it takes at most until a message is with another node and is answered (s).
DELIVERED_S: Final = 0.07
DEADLINE_S: Final = MemberOptions().forward_deadline_s


class Staged:
    """One method for each."""

    def __init__(self, world: World, clients: list[Client], random: Random) -> None:
        self._world = world
        self._clients = clients
        self._random = random

    async def deaf(self) -> None:
        """A node hears nothing of its leader, which hears it: what it proposes is committed, and it doesn't know.

        Its clients turn elsewhere meanwhile, with words of theirs still on the way to it; some come only when what they
        say is long over elsewhere.
        """
        pair = self._leader_and_other()
        if pair is None:
            return
        leader, other = pair
        # What was sent once at QoS 2 comes once, as long as its packet identifier is known; these show what comes then.
        exact = [client for client in self._clients if isinstance(client, Publisher) and client.qos == 2]
        homes = [client.line.node for client in exact if client.line is not None and client.line.node is not leader]
        if homes and homes[0] in self._world.running():
            other = homes[0]
        seconds = self._random.uniform(1.05, 1.9)
        self._world.fault("deaf", f"{other.node_id} {seconds:.2f}")
        self._world.cut_for_a_while({(host(leader.node_id), host(other.node_id))}, seconds)
        for client in self._clients:
            if (
                client.line is not None
                and client.line.node is other
                and (client in exact or self._random.random() < 0.5)
            ):
                delay = self._random.uniform(0.0, 0.6 * seconds)
                self._world.agenda.later(0.01, 0.3, partial(client.jump, delay))

    async def mute(self) -> None:
        """A leader hears nothing of a node for so long that it is declared down; the link is just kept."""
        pair = self._leader_and_other()
        if pair is not None:
            leader, other = pair
            seconds = self._random.uniform(1.6, self._world.profile.link_dead_after - 0.05)
            self._world.fault("mute", f"{other.node_id} {seconds:.2f}")
            self._world.cut_for_a_while({(host(other.node_id), host(leader.node_id))}, seconds)

    async def late_batch(self) -> None:
        """What a node proposes is held up on its way to the leader until the node is declared down and up again.

        Another leader sees to the second; so the batch comes to one that leads, behind the node's next incarnation.
        """
        world = self._world
        pair = self._leader_and_other()
        others = [] if pair is None else [node for node in self._world.running() if node not in pair and node.votes]
        if pair is None or not others:
            return
        (leader, node), other = pair, self._random.choice(others)
        # Twice applied is what was sent once at QoS 1: QoS 2 has its packet identifiers.
        for client in self._clients:
            home = client.line.node if isinstance(client, Publisher) and client.qos == 1 and client.line else None
            if home is not None and home not in (leader, other) and home in self._world.running():
                node = home
                break
        self._world.fault("late_batch", f"{node.node_id} by {other.node_id}")
        for client in self._clients:
            if isinstance(client, Publisher) and client.line is not None and client.line.node is node:
                client.publish()
                client.publish()
        await trio.sleep(self._random.uniform(0.004, 0.012))  # it is proposed, and hasn't come to the leader
        ways = {(host(node.node_id), host(leader.node_id))}
        world.network.block(ways)

        def is_up() -> bool:
            record = other.port.nodes.get(node.node_id)
            return record is not None and record.up

        for low, step in (
            (world.profile.link_dead_after, lambda: not is_up()),
            (STEP_S, lambda: leader.lead(other) and other.is_leader),
            (STEP_S, is_up),
            (STEP_S, lambda: other.lead(leader) and leader.is_leader),
        ):
            if not await world.until(step, low):
                break
        else:
            world.counts["late batches"] += 1
        world.network.free(ways)

    async def unheard(self) -> None:
        """A link breaks when it has delivered a message, and not yet its acknowledgement: it is sent again."""
        found = self._publisher_and_reader()
        if found is None:
            return
        world = self._world
        publisher, source, target = found
        world.fault("unheard", f"{source.node_id} {target.node_id}")
        ways = {(host(target.node_id), host(source.node_id))}
        world.network.block(ways)
        self._publish(publisher)
        await trio.sleep(DELIVERED_S)
        for connection in world.network.between(host(source.node_id), host(target.node_id)):
            connection.cut()
        world.network.free(ways)

    async def apart(self) -> None:
        """Two nodes hear nothing of each other for longer than a message waits, and their leader hears both."""
        found = self._publisher_and_reader()
        leader = self._world.leader()
        if found is None or leader is None:
            return
        world = self._world
        publisher, source, target = found
        others = [node for node in world.running() if node not in (source, target) and node.votes]
        if leader in (source, target):
            if not others:
                return
            leader.lead(others[0])
            await world.until(lambda: others[0].is_leader, STEP_S)
        world.fault("apart", f"{source.node_id} {target.node_id}")
        ways = world.network.around(host(source.node_id), [host(target.node_id)])
        world.network.block(ways)
        self._publish(publisher)
        await trio.sleep(DEADLINE_S + self._random.uniform(0.3, 0.6))
        world.network.free(ways)

    def _publisher_and_reader(self) -> tuple[Publisher, Node, Node] | None:
        """Who publishes what a transient session at another node gets by itself, with both nodes."""
        running = self._world.running()
        found = [
            (publisher, publisher.line.node, reader.line.node)
            for reader in self._clients
            if isinstance(reader, Transient) and reader.is_subscribed and reader.line is not None
            for publisher in self._clients
            if isinstance(publisher, Publisher) and publisher.qos == 1 and publisher.is_open
            if publisher.line is not None and publisher.line.node is not reader.line.node
            if any(reader.reads(topic) for topic in publisher.topics)
            if publisher.line.node in running and reader.line.node in running
        ]
        return self._random.choice(found) if found else None

    @staticmethod
    def _publish(publisher: Publisher) -> None:
        for _ in publisher.topics:
            publisher.publish()

    async def cut_off(self) -> None:
        """A node is cut off for longer than its routes are good for; somebody subscribes elsewhere meanwhile.

        Who publishes at that node to the new topic waits until it knows of it.
        """
        world = self._world
        pair = self._leader_and_other()
        if pair is None:
            return
        leader, other = pair
        (loner,) = (client for client in self._clients if isinstance(client, Loner))
        (explorer,) = (client for client in self._clients if isinstance(client, Explorer))
        loner.home = other.node_id
        explorer.avoid.add(other.node_id)
        for client, is_there in ((loner, True), (explorer, False)):
            if client.line is not None and (client.line.node is other) != is_there:
                client.drop()
        if await world.until(lambda: loner.is_open and explorer.is_open, MOVED_S):
            world.fault("cut_off", other.node_id)
            ways = world.network.around(host(other.node_id), [host(node_id) for node_id in world.members])
            world.network.block(ways)

            def is_down() -> bool:
                record = leader.port.nodes.get(other.node_id)
                return record is not None and not record.up

            if await world.until(is_down, DEADLINE_S):
                await trio.sleep(2 * STEP_S)
            world.network.free(ways)
        loner.home = 0
        explorer.avoid.discard(other.node_id)

    def _leader_and_other(self) -> tuple[Node, Node] | None:
        leader = self._world.leader()
        others = [node for node in self._world.running() if node is not leader]
        return None if leader is None or not others else (leader, self._random.choice(others))
