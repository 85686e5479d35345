"""Load that misbehaves: readers that don't read, handshakes that stop half-way, packets nobody understands, silence."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.soak.link import Link
from tests.soak.peer import Peer, PeerGone, Refused
from tests.soak.world import Load, World
from tests.support import wire
from tests.support.packet_notation import V5

SMALL_BUFFER: Final = 4096
GARBAGE: Final = (
    b"\x00\x00",
    b"\xf0\x00",
    b"\x30\xff\xff\xff\xff\x7f",
    b"\x82\x05\x00\x00\x00\x00\x00",
    b"\x30\x05\x00\x03a/#",
    b"\xc0\x05hello",
    b"\x62\x02\x00\x01\x62\x02\x00\x01\x40\x02\x77\x77",
)


class SlowReader(Load):
    """Subscribes to more than it reads; QoS 0 is dropped for it, QoS 1 waits, then it reads on or dies."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world)
        self._name = f"soak/{world.name}/slow/{number}"

    async def run(self) -> None:
        """One after another."""
        await self.world.keep_doing(self._name, self._be_slow)

    async def _be_slow(self) -> None:
        world, rng = self.world, self.world.rng
        reader = await Peer.connect(
            world.door(), f"{self._name}/reader", world.level(), keep_alive=0, receive_buffer=SMALL_BUFFER
        )
        await reader.subscribe((f"{self._name}/#", rng.randrange(3)))
        reader.hold()
        publisher = await Peer.connect(world.door(), f"{self._name}/pub")
        for _ in range(rng.randrange(20, 150)):
            await publisher.publish(f"{self._name}/x", bytes(rng.randrange(6000)), rng.randrange(2))
        await publisher.disconnect()
        await world.pause_between(0, 3)
        if rng.random() < 0.5:
            reader.go_on()
            await reader.ping()
            await reader.disconnect()
        else:
            await reader.drop(reset=rng.random() < 0.5)
        await world.pause_between(0, 3)


class Troublemaker(Load):
    """Everything a client must not do, one thing at a time."""

    def __init__(self, world: World, number: int) -> None:
        super().__init__(world)
        self._name = f"soak/{world.name}/trouble/{number}"

    async def run(self) -> None:
        """One after another."""
        await self.world.keep_doing(self._name, self._make_trouble)

    async def _make_trouble(self) -> None:
        rng = self.world.rng
        trouble = rng.choice((self._half_a_handshake, self._garbage, self._silence, self._refused, self._no_door))
        try:
            await trouble()
        except (PeerGone, OSError):
            pass  # what it asked for
        await self.world.pause_between(0, 1)

    async def _half_a_handshake(self) -> None:
        rng = self.world.rng
        link = await Link.open(self.world.door())
        packet = wire.connect(f"{self._name}/half", V5)
        await link.send(packet[: rng.randrange(1, len(packet))])
        if rng.random() < 0.2:
            await link.receive()  # until the node has had enough of it
        else:
            await self.world.pause_between(0, 0.5)
        link.drop()

    async def _garbage(self) -> None:
        peer = await Peer.connect(self.world.door(), f"{self._name}/garbage", self.world.level())
        await peer.subscribe(("soak/garbage/+", 2))
        await peer.send(self.world.rng.choice(GARBAGE))
        # Some of it is a beginning only, or nothing worse than useless: then this end closes.
        await self.world.pause(0.2)
        await peer.drop(reset=False)

    async def _silence(self) -> None:
        peer = await Peer.connect(self.world.door(), f"{self._name}/silent", self.world.level(), keep_alive=1)
        await peer.gone()

    async def _refused(self) -> None:
        properties = ((wire.AUTH_METHOD, "NONE-SUCH"), (wire.AUTH_DATA, b"x"))
        try:
            peer = await Peer.connect(self.world.door(), f"{self._name}/refused", properties=properties)
        except Refused:
            return
        await peer.disconnect()
        self.world.problems.add("not refused", "an unknown authentication method")

    async def _no_door(self) -> None:
        """Bytes of another protocol: no TLS where TLS is due, HTTP where MQTT is, and the other way round."""
        rng = self.world.rng
        address = self.world.door().address
        reader, writer = await asyncio.open_connection(*address)
        writer.write(
            rng.choice((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\xff" * 2000, b""))
        )
        if rng.random() < 0.5:
            await self.world.pause_between(0, 0.5)
        else:
            writer.write_eof()
            await reader.read(65_536)
        writer.transport.abort()
