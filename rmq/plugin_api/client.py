"""The client's side of MQTT for plugins: packets over a stream of trio, to any broker or to this node."""

import ssl
from collections.abc import Iterable, Sequence
from typing import Final

import trio

from rmq.mqtt.codes import PUBACK, PUBCOMP, PUBREC, PUBREL, REASON_NAMES, V5
from rmq.mqtt.decode_server_packets import ServerPacketDecoder
from rmq.mqtt.encode import encode_ack, encode_disconnect, encode_publish
from rmq.mqtt.encode_client_packets import PINGREQ, encode_connect, encode_subscribe
from rmq.mqtt.packets import (
    Ack,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Publish,
    Suback,
    Subscribe,
)
from rmq.mqtt.topic_cache import TopicCache

READ_SIZE: Final = 65_536
MAX_PACKET_SIZE: Final = 268_435_460  # [MQTT 5.0, 2.1.4]
# How long the last bytes may take.
GOODBYE_S: Final = 1.0

Outgoing = Publish | Ack | Subscribe | Pingreq | Disconnect

__all__ = ["PUBACK", "PUBCOMP", "PUBREC", "PUBREL", "V5", "MqttConnection", "MqttFailedError", "Outgoing"]


class MqttFailedError(Exception):
    """A connection couldn't be made, was refused or has ended; the text says why, the code is the broker's, or 0."""

    def __init__(self, text: str, reason_code: int = 0) -> None:
        super().__init__(text)
        self.reason_code = reason_code


class MqttConnection:
    """One connection to a broker, of protocol ``version``. It knows packets and no session: those are its user's.
    One task receives; any number send.

    All that waits raises ``MqttFailedError`` when the connection ends, and when the broker breaks the protocol.
    """

    def __init__(self, stream: trio.abc.Stream, version: int, max_packet_size: int = 0) -> None:
        self.version = version
        self._stream = stream
        self._decoder = ServerPacketDecoder(max_packet_size or MAX_PACKET_SIZE, TopicCache(1024), version)
        self._received: list[Packet] = []
        self._sending = trio.Lock()

    @classmethod
    async def open(
        cls, host: str, port: int, version: int, tls: ssl.SSLContext | None = None, max_packet_size: int = 0
    ) -> "MqttConnection":
        """Connect over TCP, and TLS where a context is given."""
        try:
            stream: trio.abc.Stream
            if tls is None:
                stream = await trio.open_tcp_stream(host, port)
            else:
                secured = await trio.open_ssl_over_tcp_stream(host, port, ssl_context=tls)
                try:
                    await secured.do_handshake()
                except BaseException:
                    await trio.aclose_forcefully(secured)
                    raise
                stream = secured
        except OSError as error:
            raise MqttFailedError(_in_words(error)) from None
        except trio.BrokenResourceError as error:
            raise MqttFailedError(_in_words(error.__cause__ or error)) from None
        return cls(stream, version, max_packet_size)

    async def connect(self, packet: Connect) -> Connack:
        """CONNECT and its CONNACK; a refusal is an ``MqttFailedError`` with its code."""
        await self._send(encode_connect(packet))
        answer = await self._next()
        if not isinstance(answer, Connack):
            raise MqttFailedError(f"{type(answer).__name__} where a CONNACK was to come")
        if answer.reason_code:
            name = REASON_NAMES.get(answer.reason_code, "") if self.version == V5 else ""
            raise MqttFailedError(
                f"refused: {answer.reason_string or name or f'return code {answer.reason_code}'}", answer.reason_code
            )
        return answer

    async def subscribe(self, packet: Subscribe) -> Sequence[int]:
        """SUBSCRIBE and the codes of its SUBACK; what comes before it is kept for ``receive``."""
        await self._send(encode_subscribe(packet, self.version))
        before: list[Packet] = []
        while True:
            answer = await self._next()
            if isinstance(answer, Suback) and answer.packet_id == packet.packet_id:
                self._received[:0] = before
                return answer.reason_codes
            before.append(answer)

    async def receive(self) -> list[Packet]:
        """What has come, at least one packet."""
        while not self._received:
            await self._read()
        packets, self._received = self._received, []
        return packets

    async def send(self, packets: Iterable[Outgoing]) -> None:
        """Send packets in one piece."""
        await self._send(b"".join([_encoded(packet, self.version) for packet in packets]))

    async def close(self, farewell: Disconnect | None = None) -> None:
        """End it, with DISCONNECT if there is one; never raises."""
        with trio.move_on_after(GOODBYE_S, shield=True):
            try:
                if farewell is not None:
                    await self._stream.send_all(encode_disconnect(farewell, self.version))
                await self._stream.aclose()
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError, OSError):
                pass  # it was over already
        await trio.aclose_forcefully(self._stream)

    async def _next(self) -> Packet:
        while not self._received:
            await self._read()
        packet = self._received.pop(0)
        if isinstance(packet, Disconnect):
            raise MqttFailedError(ended_by(packet), packet.reason_code)
        return packet

    async def _read(self) -> None:
        if self._decoder.error is not None:
            raise MqttFailedError(f"the broker breaks the protocol: {self._decoder.error}")
        try:
            data = await self._stream.receive_some(READ_SIZE)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            raise MqttFailedError(_in_words(error.__cause__ or error)) from None
        if not data:
            raise MqttFailedError("the connection was closed")
        self._received += self._decoder.feed(bytes(data))

    async def _send(self, data: bytes) -> None:
        if not data:
            return
        try:
            async with self._sending:
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            raise MqttFailedError(_in_words(error.__cause__ or error)) from None


def ended_by(packet: Disconnect) -> str:
    """What a broker's DISCONNECT says."""
    return f"disconnected: {packet.reason_string or REASON_NAMES.get(packet.reason_code, str(packet.reason_code))}"


def _encoded(packet: Outgoing, version: int) -> bytes:
    if isinstance(packet, Publish):
        return encode_publish(packet, version)
    if isinstance(packet, Ack):
        return encode_ack(packet.packet_type, packet.packet_id, packet.reason_code, version)
    if isinstance(packet, Subscribe):
        return encode_subscribe(packet, version)
    if isinstance(packet, Disconnect):
        return encode_disconnect(packet, version)
    return PINGREQ


def _in_words(error: BaseException) -> str:
    return str(error) or type(error).__name__
