"""Load whose messages are counted: nothing acknowledged may be missing, come twice or out of order."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.soak.ledger import Ledger
from tests.soak.peer import Peer, PeerGone
from tests.soak.world import Load, World
from tests.support import wire
from tests.support.packet_notation import V5, V311
from tests.support.wire import Properties, Will
from tests.support.wire_parser import Publish

BATCH: Final = 10
INTERVAL_S: Final = 0.3
MOST_OWED: Final = 1500
DRAIN_TIMEOUT_S: Final = 120.0
MOST_OF_A_WILL: Final = 65_535
ALIAS: Final = ((wire.TOPIC_ALIAS, 1),)
HOUR: Final = ((wire.SESSION_EXPIRY, 3600),)


class Subscriber:
    """A persistent session with one subscription, whose client comes and goes; reports to a ledger."""

    def __init__(self, world: World, client_id: str, topic_filter: str, qos: int, ledger: Ledger) -> None:
        self._world = world
        self._filter = topic_filter
        self._qos = qos
        self._ledger = ledger
        self._exactly_once: set[int] = set()
        self._subscribed = False
        self._level = world.level()
        self.client_id = client_id

    async def connect(self) -> Peer:
        """Come back to the session; only the first time there is none."""
        peer = await Peer.connect(
            self._world.door(),
            self.client_id,
            self._level,
            clean=False,
            properties=HOUR,
            received=self._received,
            exactly_once=self._exactly_once,
        )
        if peer.session_present != self._subscribed:
            self._world.problems.add("session present is wrong", f"{self.client_id}: {peer.session_present}")
        if not self._subscribed:
            codes = await peer.subscribe((self._filter, self._qos))
            assert codes == [self._qos], codes
            self._subscribed = True
        return peer

    async def come_and_go(self) -> None:
        """One connection, for a while, ended in one way or another, then a while without any."""
        world = self._world
        peer = await self.connect()
        await world.pause_between(0.5, 12)
        way = world.rng.random()
        if way < 0.25:
            newer = await self.connect()
            gone = await peer.gone()
            if gone.code != (0x8E if self._level == V5 else None):
                world.problems.add("takeover", f"{self.client_id}: {gone}")
            peer = newer
            await world.pause_between(0.1, 3)
        if way < 0.5:
            await peer.disconnect()
        else:
            await peer.drop(reset=way < 0.75)
        await world.pause_between(0, 8)

    async def end_session(self) -> None:
        """Nothing is left of it."""
        peer = await Peer.connect(self._world.door(), self.client_id, self._level)
        await peer.disconnect()

    def _received(self, publish: Publish) -> None:
        self._ledger.arrive(int.from_bytes(publish.payload[:8], "big"), publish.dup, publish.qos)


class Flow(Load):
    """One publisher and one persistent session, or a group of them that shares."""

    def __init__(self, world: World, number: int, qos: int, members: int = 0) -> None:
        super().__init__(world)
        self._qos = qos
        self._name = f"soak/{world.name}/flow/{number}"
        self.ledger = Ledger(f"{self._name} QoS {qos}", world.problems, shared=members > 0)
        topic_filter = f"$share/group{number}/{self._name}/+" if members else f"{self._name}/+"
        self._subscribers = [
            Subscriber(world, f"{self._name}/sub{member}", topic_filter, qos, self.ledger)
            for member in range(members or 1)
        ]

    async def run(self) -> None:
        """Publish, and let the subscribers come and go."""
        world = self.world
        for subscriber in self._subscribers:
            await (await subscriber.connect()).drop(reset=False)
        async with asyncio.TaskGroup() as group:
            group.create_task(world.keep_doing(f"{self._name} publisher", self._publish))
            for subscriber in self._subscribers:
                group.create_task(world.keep_doing(subscriber.client_id, subscriber.come_and_go))

    async def take_away(self) -> None:
        """Everything that is owed must come now; then the sessions end."""
        peers = [await subscriber.connect() for subscriber in self._subscribers]
        deadline = asyncio.get_running_loop().time() + DRAIN_TIMEOUT_S
        while self.ledger.owed and asyncio.get_running_loop().time() < deadline:
            # Of a session that is served, each answer says that what was written before it has been read.
            for peer in peers:
                await peer.ping()
            await asyncio.sleep(0.05)
        self.ledger.close()
        for peer, subscriber in zip(peers, self._subscribers, strict=True):
            await peer.disconnect()
            await subscriber.end_session()

    async def _publish(self) -> None:
        """One connection of the publisher."""
        world = self.world
        peer = await Peer.connect(world.door(), f"{self._name}/pub", world.level())
        for turn in range(world.rng.randrange(4, 60)):
            if world.stopping.is_set():
                break
            if self.ledger.owed < MOST_OWED:
                await asyncio.gather(*(self._one(peer, f"{self._name}/{turn % 3}") for _ in range(BATCH)))
            await world.pause(INTERVAL_S)
        if world.rng.random() < 0.5:
            await peer.disconnect()
            return
        last = [asyncio.create_task(self._one(peer, f"{self._name}/0")) for _ in range(BATCH)]
        await asyncio.sleep(world.rng.choice((0, 0, 0.001, 0.01)))
        await peer.drop(reset=world.rng.random() < 0.5)
        await asyncio.gather(*last)

    async def _one(self, peer: Peer, topic: str) -> None:
        number = self.ledger.next()
        try:
            code = await peer.publish(topic, self.world.payload(number), self._qos)
        except PeerGone as gone:
            self.ledger.give_up(number)
            if gone.code is not None:
                raise
            return
        if code:
            self.world.problems.add("publish refused", f"{self._name}: 0x{code:02x}")
        self.ledger.acknowledge(number)


class Together(Load):
    """A publisher and a transient subscriber that both stay until everything has come, then both leave."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world)
        self._name = f"soak/{world.name}/together/{number}"
        self.ledger = Ledger(self._name, world.problems)

    async def run(self) -> None:
        """Pair after pair."""
        await self.world.keep_doing(self._name, self._pair)
        self.ledger.close()

    async def _pair(self) -> None:
        world, ledger = self.world, self.ledger
        qos = world.rng.randrange(3)
        identifier = ((wire.SUBSCRIPTION_ID, world.rng.randrange(1, 1000)),)
        subscriber = await Peer.connect(world.door(), f"{self._name}/sub", world.level(), received=self._received)
        await subscriber.subscribe((f"{self._name}/#", qos), properties=identifier)
        publisher = await Peer.connect(world.door(), f"{self._name}/pub", world.level())
        alias = publisher.level == V5 and world.rng.random() < 0.5
        for turn in range(world.rng.randrange(1, 30)):
            for position in range(BATCH):
                number = ledger.next()
                # Small: at QoS 0 nothing may be dropped for a full buffer.
                payload = number.to_bytes(8, "big") + bytes(world.rng.randrange(200))
                topic = f"{self._name}/x"
                if alias:
                    first = turn + position == 0
                    await publisher.publish(topic if first else "", payload, qos, properties=ALIAS)
                else:
                    await publisher.publish(topic, payload, qos)
                ledger.acknowledge(number)
            if world.stopping.is_set():
                break
            await world.pause(INTERVAL_S)
        await publisher.disconnect()
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            while ledger.owed:
                await subscriber.ping()
        if world.rng.random() < 0.5:
            await subscriber.disconnect()
        else:
            await subscriber.drop(reset=world.rng.random() < 0.5)

    def _received(self, publish: Publish) -> None:
        self.ledger.arrive(int.from_bytes(publish.payload[:8], "big"), publish.dup, publish.qos)


class Wills(Load):
    """Clients that die; each must leave its will to a session that watches."""

    def __init__(self, world: World, doing: int) -> None:
        super().__init__(world)
        self._doing = doing
        self._name = f"soak/{world.name}/wills"
        self.ledger = Ledger(self._name, world.problems, ordered=False)
        self._watcher = Subscriber(world, f"{self._name}/watcher", f"{self._name}/#", 1, self.ledger)

    async def run(self) -> None:
        """Let them die."""
        world = self.world
        await (await self._watcher.connect()).drop(reset=False)
        async with asyncio.TaskGroup() as group:
            group.create_task(world.keep_doing(f"{self._name} watcher", self._watcher.come_and_go))
            for _ in range(self._doing):
                group.create_task(world.keep_doing(self._name, self._die))

    async def take_away(self) -> None:
        """Wait for the last wills."""
        peer = await self._watcher.connect()
        deadline = asyncio.get_running_loop().time() + DRAIN_TIMEOUT_S
        while self.ledger.owed and asyncio.get_running_loop().time() < deadline:
            await peer.ping()
            await asyncio.sleep(0.05)
        self.ledger.close()
        await peer.disconnect()
        await self._watcher.end_session()

    async def _die(self) -> None:
        world, rng = self.world, self.world.rng
        number = self.ledger.next()
        level = world.level()
        delay = rng.randrange(3) if level == V5 else 0
        properties = ((wire.SESSION_EXPIRY, rng.randrange(delay, 5)),) if level == V5 else ()
        will_properties: Properties = ((wire.WILL_DELAY, delay),) if level == V5 else ()
        payload = world.payload(number)[:MOST_OF_A_WILL]
        will = Will(f"{self._name}/{number % 7}", payload, rng.choice((1, 2)), False, will_properties)
        try:
            peer = await Peer.connect(
                world.door(), f"{self._name}/{number}", level, keep_alive=1, properties=properties, will=will
            )
        except BaseException:
            self.ledger.give_up(number)
            raise
        await world.pause_between(0, 0.5)
        way = rng.random()
        if way < 0.6:
            await peer.drop(reset=way < 0.3)
        elif way < 0.7:
            await peer.send(b"\x00\x00")  # malformed: packet type 0
            await peer.gone()
        elif way < 0.8:
            await peer.gone()  # silent for longer than its keep alive
        else:
            other = await Peer.connect(world.door(), f"{self._name}/{number}", V311)
            await peer.gone()
            await other.disconnect()
        self.ledger.acknowledge(number)
        await world.pause_between(0, 1)
