"""An MQTT client for load: reads and acknowledges by itself, and is strict about what the node sends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from tests.soak.link import Door, Link
from tests.support import wire
from tests.support.packet_notation import V5
from tests.support.wire import Properties, Will
from tests.support.wire_parser import (
    Connack,
    Disconnect,
    Packet,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Unsuback,
    parse,
)

ANSWER_TIMEOUT_S: Final = 60.0
_ANSWERS: Final = (Puback, Pubrec, Pubcomp, Suback, Unsuback)

_P = TypeVar("_P", bound=Packet)


class PeerGone(Exception):
    """The connection ended; ``code`` is what the node's DISCONNECT said, None without one."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__("connection ended" if code is None else f"DISCONNECT 0x{code:02x}")
        self.code = code


class Refused(Exception):
    """CONNACK with an error."""

    def __init__(self, code: int) -> None:
        super().__init__(f"CONNACK 0x{code:02x}")
        self.code = code


Received = Callable[[Publish], None]


class Peer:
    """One connection; ``received`` hears each PUBLISH once, at QoS 2 also across the connections of a session.

    ``exactly_once`` is the set of QoS 2 packet identifiers of the session, kept by whoever owns it.
    """

    def __init__(
        self, link: Link, client_id: str, level: int, received: Received | None, exactly_once: set[int] | None
    ) -> None:
        self.link = link
        self.client_id = client_id
        self.level = level
        self.session_present = False
        self._received = received
        self._exactly_once = set() if exactly_once is None else exactly_once
        self._buffer = bytearray()
        self._waiting: dict[tuple[type[Packet], int], asyncio.Future[Packet]] = {}
        self._gone: PeerGone | None = None
        self._last_packet_id = 0
        self._reader: asyncio.Task[None] | None = None
        self._may_read = asyncio.Event()
        self._may_read.set()

    @classmethod
    async def connect(
        cls,
        door: Door,
        client_id: str,
        level: int = V5,
        *,
        clean: bool = True,
        keep_alive: int = 60,
        properties: Properties = (),
        will: Will | None = None,
        received: Received | None = None,
        exactly_once: set[int] | None = None,
        receive_buffer: int | None = None,
    ) -> Peer:
        """CONNECT and a good CONNACK; everything that comes is read from then on."""
        link = await Link.open(door, receive_buffer)
        peer = cls(link, client_id, level, received, exactly_once)
        if clean:
            peer._exactly_once.clear()
        try:
            await link.send(wire.connect(client_id, level, clean, keep_alive, properties, will))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await peer._expect_connack()
        except BaseException:
            link.drop()
            raise
        if not peer.session_present:
            peer._exactly_once.clear()
        peer._reader = asyncio.create_task(peer._read())
        return peer

    @property
    def is_gone(self) -> bool:
        """Whether the connection has ended."""
        return self._gone is not None

    async def subscribe(self, *filters: tuple[str, int], properties: Properties = ()) -> list[int]:
        """SUBSCRIBE; the codes of its SUBACK."""
        packet_id = self._next_packet_id(Suback)
        data = wire.subscribe(packet_id, filters, properties if self.level == V5 else (), self.level)
        return (await self._ask(data, Suback, packet_id)).codes

    async def unsubscribe(self, *filters: str) -> None:
        """UNSUBSCRIBE and its UNSUBACK."""
        packet_id = self._next_packet_id(Unsuback)
        await self._ask(wire.unsubscribe(packet_id, filters, (), self.level), Unsuback, packet_id)

    async def publish(
        self, topic: str, payload: bytes, qos: int = 0, retain: bool = False, properties: Properties = ()
    ) -> int:
        """PUBLISH and, for QoS 1 and 2, its exchange to the end; the reason code."""
        properties = properties if self.level == V5 else ()
        if qos == 0:
            await self.send(wire.publish(topic, payload, 0, 0, retain, False, properties, self.level))
            return 0
        kind: type[Puback | Pubrec] = Puback if qos == 1 else Pubrec
        packet_id = self._next_packet_id(kind)
        data = wire.publish(topic, payload, qos, packet_id, retain, False, properties, self.level)
        code = (await self._ask(data, kind, packet_id)).code
        if qos == 2 and code < 0x80:
            await self._ask(wire.pubrel(packet_id), Pubcomp, packet_id)
        return code

    def hold(self) -> None:
        """Read no more, so that what comes piles up at the node."""
        self._may_read.clear()

    def go_on(self) -> None:
        """Read again."""
        self._may_read.set()

    async def ping(self) -> None:
        """PINGREQ and its PINGRESP: the node has dealt with all that was sent before."""
        await self._ask(wire.pingreq(), Pingresp, 0)

    async def send(self, data: bytes) -> None:
        """Bytes as they are."""
        if self._gone is not None:
            raise self._gone
        try:
            await self.link.send(data)
        except OSError as error:
            raise PeerGone from error

    async def gone(self) -> PeerGone:
        """Wait until the node has closed the connection."""
        if self._reader is not None:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await asyncio.wait([self._reader])
        await self._end_reading()
        return self._gone or PeerGone()

    async def disconnect(self, properties: Properties = ()) -> None:
        """DISCONNECT, and the node's close of the connection."""
        try:
            await self.send(wire.disconnect(None, properties if self.level == V5 else ()))
            await self.gone()
        except PeerGone:
            pass
        finally:
            await self._end_reading()
            await self.link.close()

    async def drop(self, reset: bool) -> None:
        """End without DISCONNECT, as a client does that dies (a reset: whose machine says so)."""
        if reset:
            self.link.reset()
        else:
            self.link.drop()
        await self._end_reading()

    async def _end_reading(self) -> None:
        if self._reader is not None and self._reader is not asyncio.current_task():
            self._reader.cancel()
            await asyncio.wait([self._reader])
            if not self._reader.cancelled():
                # A packet against the specification is a finding, wherever it shows.
                error = self._reader.exception()
                if error is not None:
                    raise error

    def _next_packet_id(self, kind: type[Packet]) -> int:
        while True:
            self._last_packet_id = self._last_packet_id % 65_535 + 1
            if (kind, self._last_packet_id) not in self._waiting:
                return self._last_packet_id

    async def _ask(self, data: bytes, kind: type[_P], packet_id: int) -> _P:
        if self._gone is not None:
            raise self._gone
        key = (kind, packet_id)
        answer: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()
        self._waiting[key] = answer
        try:
            await self.send(data)
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                packet = await answer
        finally:
            self._waiting.pop(key, None)
        assert isinstance(packet, kind)
        return packet

    async def _expect_connack(self) -> None:
        while (packet := self._next_packet()) is None:
            data = await self.link.receive()
            if not data:
                raise PeerGone
            self._buffer += data
        assert isinstance(packet, Connack), packet
        if packet.code:
            raise Refused(packet.code)
        self.session_present = packet.session_present

    async def _read(self) -> None:
        code: int | None = None
        try:
            while True:
                answers: list[bytes] = []
                while (packet := self._next_packet()) is not None:
                    if isinstance(packet, Disconnect):
                        code = packet.code
                    self._take(packet, answers)
                if answers:
                    await self._answer(answers)
                await self._may_read.wait()
                data = await self.link.receive()
                if not data:
                    return
                self._buffer += data
        except OSError:
            return
        finally:
            self._gone = PeerGone(code)
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(PeerGone(code))
                    answer.exception()
            self.link.drop()

    async def _answer(self, answers: list[bytes]) -> None:
        try:
            await self.link.send(b"".join(answers))
        except OSError:
            pass  # the node has closed, and perhaps said why: what has come is read to its end

    def _take(self, packet: Packet, answers: list[bytes]) -> None:
        if isinstance(packet, Publish):
            if packet.qos == 2:
                answers.append(wire.pubrec(packet.packet_id))
                if packet.packet_id in self._exactly_once:
                    return
                self._exactly_once.add(packet.packet_id)
            elif packet.qos == 1:
                answers.append(wire.puback(packet.packet_id))
            if self._received is not None:
                self._received(packet)
        elif isinstance(packet, Pubrel):
            self._exactly_once.discard(packet.packet_id)
            answers.append(wire.pubcomp(packet.packet_id))
        else:
            packet_id = packet.packet_id if isinstance(packet, _ANSWERS) else 0
            answer = self._waiting.get((type(packet), packet_id))
            if answer is not None and not answer.done():
                answer.set_result(packet)

    def _next_packet(self) -> Packet | None:
        buffer = self._buffer
        length = shift = 0
        for at in range(1, min(5, len(buffer))):
            length |= (buffer[at] & 0x7F) << shift
            shift += 7
            if buffer[at] < 0x80:
                end = at + 1 + length
                if len(buffer) < end:
                    return None
                packet = parse(buffer[0], bytes(buffer[at + 1 : end]), self.level)
                del buffer[:end]
                return packet
        return None
