"""Load that comes and goes: clients with ever new names, retained messages set and cleared, shares, expiry."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Final

from tests.soak.link import Door
from tests.soak.peer import Peer, PeerGone
from tests.soak.world import Load, World
from tests.support import wire
from tests.support.packet_notation import V5
from tests.support.wire import Properties
from tests.support.wire_parser import Publish

OWN_RETAINED: Final = 60
MOST_UNKNOWN: Final = 1000


async def fill_caches(door: Door, names: int) -> None:
    """Publish to so many names, to each twice: what remembers names (16,384 at most) grows no more afterwards."""
    peer = await Peer.connect(door, "soak/names")
    for number in range(names):
        for _ in range(2):
            await peer.publish(f"soak/names/{number}/{number % 12}/{number % 100}", b"", 0)
        if number % 1000 == 999:
            await peer.ping()
    await peer.disconnect()


class Churn(Load):
    """Clients nobody has seen before: connect, subscribe, publish a little, unsubscribe perhaps, and end somehow."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world)
        self._name = f"soak/{world.name}/churn/{number}"
        self._numbers = itertools.count()

    async def run(self) -> None:
        """One client after another."""
        await self.world.keep_doing(self._name, self._live)

    async def _live(self) -> None:
        world, rng = self.world, self.world.rng
        client_id = f"{self._name}/{next(self._numbers)}"
        level = world.level()
        # Only MQTT 5 clients can say that their sessions end soon; the others get clean ones.
        persistent = level == V5 and rng.random() < 0.5
        expiry: Properties = ((wire.SESSION_EXPIRY, rng.randrange(1, 4)),) if persistent else ()
        peer = await Peer.connect(world.door(), client_id, level, properties=expiry)
        filters = [(self._filter(client_id), rng.randrange(3)) for _ in range(rng.randrange(1, 6))]
        await peer.subscribe(*filters)
        for _ in range(rng.randrange(5)):
            topic = f"soak/{world.name}/churn/{rng.randrange(12)}/{rng.randrange(100)}/{rng.randrange(10)}"
            soon: Properties = ((wire.MESSAGE_EXPIRY, rng.randrange(1, 4)),) if rng.random() < 0.5 else ()
            await peer.publish(topic, world.payload(0), rng.randrange(3), properties=soon)
        if rng.random() < 0.5:
            await peer.unsubscribe(*{topic_filter for topic_filter, _ in filters[:2]})
        if not peer.is_gone:
            peer.link.ping()
        await world.pause_between(0, 1)
        way = rng.random()
        if way < 0.5:
            await peer.disconnect()
        else:
            await peer.drop(reset=way < 0.75)
        if persistent and rng.random() < 0.3:
            again = await Peer.connect(world.door(), client_id, level, clean=False, properties=expiry)
            await again.disconnect(((wire.SESSION_EXPIRY, 0),) if rng.random() < 0.5 else ())

    def _filter(self, client_id: str) -> str:
        world, rng = self.world, self.world.rng
        return rng.choice(
            (
                f"{client_id}/own",
                f"soak/{world.name}/churn/{rng.randrange(12)}/{rng.randrange(100)}/+",
                f"soak/{world.name}/churn/+/{rng.randrange(100)}/#",
                f"$share/g{rng.randrange(5)}/soak/{world.name}/churn/{rng.randrange(12)}/#",
                f"$share/{rng.randrange(10_000_000)}/soak/{world.name}/churn/+/+/{rng.randrange(10)}",
            )
        )


class Retainer(Load):
    """Sets, replaces and clears retained messages, and knows which must be there."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world)
        self._name = f"soak/{world.name}/retained/{number}"
        self._expected: dict[str, bytes] = {}
        self._unknown: dict[str, None] = {}  # the oldest first
        self._topics = self._fresh_topics()

    async def run(self) -> None:
        """Publish, and look from time to time."""
        await self.world.keep_doing(self._name, self._publish)

    async def take_away(self) -> None:
        """Compare what is there with what must be, and clear it."""
        found: dict[str, bytes] = {}

        def received(publish: Publish) -> None:
            found[publish.topic] = publish.payload

        peer = await Peer.connect(self.world.door(), f"{self._name}/look", received=received)
        await peer.subscribe((f"{self._name}/#", 1))
        # What is owed to a new subscription is sent in pieces: it has ended when a message from now comes.
        end = f"{self._name}/end"
        await peer.publish(end, b"end", 1)
        async with asyncio.timeout(60):
            while end not in found:
                await peer.ping()
        del found[end]
        for topic in found.keys() | self._expected.keys():
            if topic not in self._unknown and found.get(topic) != self._expected.get(topic):
                self.world.problems.add("retained message is wrong", topic)
        for topic in found:
            await peer.publish(topic, b"", 1, retain=True)
        await peer.disconnect()

    async def _publish(self) -> None:
        world, rng = self.world, self.world.rng
        peer = await Peer.connect(world.door(), f"{self._name}/pub", world.level())
        for _ in range(rng.randrange(5, 50)):
            if world.stopping.is_set():
                break
            if self._expected and (len(self._expected) > OWN_RETAINED or rng.random() < 0.3):
                topic, payload = rng.choice(list(self._expected)), b""
            else:
                topic, payload = next(self._topics), world.payload(0)
            properties: Properties = ()
            if payload and peer.level == V5 and rng.random() < 0.2:
                properties = ((wire.MESSAGE_EXPIRY, rng.randrange(1, 20)),)
            qos = rng.randrange(3)
            code = await peer.publish(topic, payload, qos, True, properties)
            assert code in (0, 0x10), code
            self._remember(topic, payload, bool(properties))
            await world.pause_between(0, 0.3)
        await peer.disconnect()
        reader = await Peer.connect(world.door(), f"{self._name}/reader", world.level())
        await reader.subscribe((f"soak/{world.name}/retained/+/pool/#", rng.randrange(3)))
        await world.pause_between(0, 0.5)
        await reader.drop(reset=rng.random() < 0.5)

    def _remember(self, topic: str, payload: bytes, expires: bool) -> None:
        self._unknown.pop(topic, None)
        self._expected.pop(topic, None)
        if not payload:
            return
        if expires:
            # It may be there or not, depending on when one looks; a later message to the topic settles it.
            self._unknown[topic] = None
            if len(self._unknown) > MOST_UNKNOWN:
                del self._unknown[next(iter(self._unknown))]
        else:
            self._expected[topic] = payload

    def _fresh_topics(self) -> Iterator[str]:
        for number in itertools.count():
            yield f"{self._name}/pool/{self.world.rng.randrange(50)}"
            yield f"{self._name}/pool/new/{number}/{'x' * (number % 40)}"


class Sleeper(Load):
    """A session that is away most of the time, while messages for it come and expire; then it reads what is left."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world)
        self._name = f"soak/{world.name}/sleeper/{number}"
        self._exactly_once: set[int] = set()

    async def run(self) -> None:
        """Sleep and wake."""
        await self.world.keep_doing(self._name, self._sleep_and_wake)

    async def take_away(self) -> None:
        """End the session, with what waits in it."""
        await (await Peer.connect(self.world.door(), self._name)).disconnect()

    async def _sleep_and_wake(self) -> None:
        world, rng = self.world, self.world.rng
        peer = await Peer.connect(
            world.door(),
            self._name,
            clean=rng.random() < 0.2,
            properties=((wire.SESSION_EXPIRY, 3600), (wire.RECEIVE_MAXIMUM, rng.randrange(1, 20))),
            exactly_once=self._exactly_once,
        )
        await peer.subscribe((f"{self._name}/#", rng.randrange(1, 3)))
        await world.pause_between(0, 1)
        if rng.random() < 0.3:
            await peer.unsubscribe(f"{self._name}/#")
            await peer.subscribe((f"{self._name}/+", rng.randrange(1, 3)))
        await peer.drop(reset=False)
        publisher = await Peer.connect(world.door(), f"{self._name}/pub")
        for turn in range(rng.randrange(1, 20)):
            properties = ((wire.MESSAGE_EXPIRY, rng.randrange(1, 6)),) if rng.random() < 0.7 else ()
            payload = world.payload(turn)
            for _ in range(5):
                await publisher.publish(f"{self._name}/{turn}", payload, rng.randrange(1, 3), properties=properties)
            await world.pause_between(0, 1)
        await publisher.disconnect()


class Crowd(Load):
    """Several connections fight for one client id."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world)
        self._client_id = f"soak/{world.name}/crowd/{number}"

    async def run(self) -> None:
        """Three at a time."""
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(self.world.keep_doing(self._client_id, self._fight))

    async def take_away(self) -> None:
        """End the session, whoever made it last."""
        await (await Peer.connect(self.world.door(), self._client_id)).disconnect()

    async def _fight(self) -> None:
        world, rng = self.world, self.world.rng
        clean = rng.random() < 0.5
        try:
            peer = await Peer.connect(
                world.door(),
                self._client_id,
                clean=clean,
                properties=((wire.SESSION_EXPIRY, rng.choice((0, 2, 100))),),
                exactly_once=set(),
            )
        except PeerGone:
            return  # another one was faster: this one was taken over before it was told that it is in
        try:
            await peer.subscribe((f"{self._client_id}/{rng.randrange(5)}", 2))
            for _ in range(rng.randrange(3)):
                await peer.publish(f"{self._client_id}/{rng.randrange(5)}", world.payload(0), rng.randrange(3))
            await world.pause_between(0, 1)
            await peer.disconnect()
        except PeerGone:
            await peer.gone()
