"""Connections of the API: writing never waits for ever, and reading takes turns with MQTT."""

from typing import Final

import trio

from rmq.management.turns import Turns

# How long a client may take to read a piece of an answer.
SEND_TIMEOUT_S: Final = 20.0
PIECE: Final = 65_536


def is_protocol_error(error: BaseException) -> bool:
    """Whether h11, hypercorn's HTTP, has raised it because the peer doesn't keep to the protocol: no bug of ours.

    What it has to say to the peer then is said, or can't be; where nobody catches it that is told with a traceback.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_protocol_error(one) for one in error.exceptions)
    return type(error).__module__.partition(".")[0] == "h11"


class TimedStream(trio.abc.HalfCloseableStream):
    """A TCP connection; whoever doesn't read for ``SEND_TIMEOUT_S`` loses it."""

    def __init__(self, stream: trio.SocketStream, turns: Turns) -> None:
        self._stream = stream
        self._turns = turns
        self.socket = stream.socket  # hypercorn asks it for the addresses

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send in pieces, each within the time-out.

        ``BrokenResourceError`` when the peer doesn't read, and when the connection is being closed: hypercorn sends
        one thing after the other, but ends its sending side (``send_eof``) whatever is being sent.
        """
        view = memoryview(data)
        for start in range(0, len(view), PIECE):
            with trio.move_on_after(SEND_TIMEOUT_S) as scope:
                try:
                    await self._stream.send_all(view[start : start + PIECE])
                except trio.BusyResourceError:
                    raise trio.BrokenResourceError("the connection is being closed") from None
            if scope.cancelled_caught:
                await trio.aclose_forcefully(self._stream)
                raise trio.BrokenResourceError("the client doesn't read")

    async def wait_send_all_might_not_block(self) -> None:
        """As the stream within."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What has come, when it is this connection's turn."""
        data = await self._stream.receive_some(max_bytes)
        await self._turns.wait()
        return data

    async def send_eof(self) -> None:
        """As the stream within."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """As the stream within."""
        await self._stream.aclose()
