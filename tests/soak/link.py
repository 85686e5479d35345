"""Byte streams to the node over every transport: TCP, TLS, WebSocket and WebSocket over TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

OPEN_TIMEOUT_S: Final = 20.0
CHUNK_BYTES: Final = 65_536
_RESET: Final = b"\x01\0\0\0\0\0\0\0"


@dataclass(frozen=True, slots=True)
class Door:
    """One listener: where it is, and what lies between the socket and MQTT."""

    kind: str
    address: tuple[str, int]
    context: ssl.SSLContext | None = None

    @property
    def is_websocket(self) -> bool:
        """Whether MQTT travels in WebSocket frames here."""
        return self.kind.startswith("ws")


class Link:
    """One connection to a door; what is read is never more than was asked for, so not reading makes the node wait."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, websocket: ClientProtocol | None
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._websocket = websocket

    @classmethod
    async def open(cls, door: Door, receive_buffer: int | None = None) -> Link:
        """Connect and shake hands; ``receive_buffer`` is the size of the socket's, for those who are to be slow."""
        sock = socket.socket()
        try:
            sock.setblocking(False)
            if receive_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await asyncio.get_running_loop().sock_connect(sock, door.address)
                reader, writer = await asyncio.open_connection(
                    sock=sock,
                    ssl=door.context,
                    server_hostname=None if door.context is None else door.address[0],
                    limit=CHUNK_BYTES if receive_buffer is None else 4096,
                )
        except BaseException:
            sock.close()
            raise
        link = cls(reader, writer, _websocket(door) if door.is_websocket else None)
        try:
            await link._shake_hands()
        except BaseException:
            link.drop()
            raise
        return link

    async def send(self, data: bytes) -> None:
        """Write, and wait while too much is on its way. Raises ``OSError``."""
        if self._writer.is_closing():
            raise ConnectionError("the connection has ended")
        if self._websocket is not None:
            try:
                self._websocket.send_binary(data)
            except InvalidState as error:
                raise ConnectionError("the node has sent a close frame") from error
            self._flush()
        else:
            self._writer.write(data)
        await self._writer.drain()

    async def receive(self) -> bytes:
        """Some bytes; empty at the end of the connection."""
        while True:
            data = await self._reader.read(CHUNK_BYTES)
            websocket = self._websocket
            if websocket is None or not data:
                return data
            payload, ended = self._unwrap(websocket, data)
            if payload or ended:
                return payload

    def ping(self) -> None:
        """A WebSocket ping; nothing on other transports."""
        if self._websocket is not None:
            self._websocket.send_ping(b"soak")
            self._flush()

    async def close(self) -> None:
        """End as a well-behaved client does, and wait until it is done."""
        self._writer.close()
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self.drop()

    def drop(self) -> None:
        """Close the socket at once, whatever is on its way."""
        self._writer.transport.abort()

    def reset(self) -> None:
        """Close the socket with a reset."""
        sock = self._writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()

    async def _shake_hands(self) -> None:
        websocket = self._websocket
        if websocket is None:
            return
        websocket.send_request(websocket.connect())
        self._flush()
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            while websocket.handshake_exc is None and websocket.subprotocol is None:
                data = await self._reader.read(CHUNK_BYTES)
                if not data:
                    raise ConnectionError("closed in the WebSocket handshake")
                websocket.receive_data(data)
                websocket.events_received()
        if websocket.handshake_exc is not None:
            raise ConnectionError("the WebSocket handshake was refused") from websocket.handshake_exc

    def _unwrap(self, websocket: ClientProtocol, data: bytes) -> tuple[bytes, bool]:
        websocket.receive_data(data)
        payload = bytearray()
        ended = False
        for event in websocket.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.CLOSE:
                    ended = True
                elif event.opcode in (Opcode.BINARY, Opcode.CONT):
                    payload += event.data
        self._flush()
        return bytes(payload), ended

    def _flush(self) -> None:
        assert self._websocket is not None
        data = b"".join(self._websocket.data_to_send())
        if data and not self._writer.is_closing():
            self._writer.write(data)


def _websocket(door: Door) -> ClientProtocol:
    scheme = "wss" if door.context is not None else "ws"
    uri = parse_uri(f"{scheme}://{door.address[0]}:{door.address[1]}/mqtt")
    return ClientProtocol(uri, subprotocols=[Subprotocol("mqtt")], max_size=None)
