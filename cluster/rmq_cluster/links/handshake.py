"""The handshake over a stream, from either side; it reads not one byte beyond its messages."""

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import trio

from rmq_cluster.links.frames import HEADER, HEADER_BYTES
from rmq_cluster.links.guard import Guard
from rmq_cluster.links.handler import CONTROL
from rmq_cluster.links.hello import (
    BY_PEER,
    DIALLER,
    HELLO,
    LISTENER,
    MAX_MESSAGE,
    PROOF,
    READY,
    RUN_BYTES,
    Hello,
    Refused,
    check_dialler,
    check_listener,
    check_proof,
    check_ready,
    make_key,
    make_ready,
    pack_rejection,
    prove,
    read_hello,
    say_hello,
    words_of_peer,
)

Fields = list[object]

# What a stream raises when the connection behind it fails.
STREAM_ERRORS = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)

# The id of no node.
NOBODY: Final = 0

# What the other side finds out by itself from a HELLO in return, so that its own log says what is wrong.
_ANSWERED: Final = frozenset({"wire_version", "wrong_peer", "wrong_direction"})


class Greeter:
    """Greets peers in the name of this node. All of it raises ``Refused``, or what streams do (``STREAM_ERRORS``)."""

    def __init__(self, node: int, secret: bytes, guard: Guard) -> None:
        self._node = node
        self._key = make_key(secret)
        self._guard = guard

    async def greet_listener(
        self, stream: trio.abc.Stream, peer: int, channel: int, run: bytes, attempt: int
    ) -> Fields:
        """As who dialled: all but the READY. Returns what the peer tells about itself."""
        ours = say_hello(self._node, DIALLER, peer, channel, run, attempt)
        await _send(stream, HELLO, ours.packed)
        theirs = read_hello(await _receive(stream, HELLO), LISTENER)
        check_listener(theirs, ours)
        await _send(stream, PROOF, prove(self._key, DIALLER, ours, theirs, self._guard.hello()))
        fields = check_proof(self._key, LISTENER, ours, theirs, await _receive(stream, PROOF))
        rejection = self._guard.check(peer, fields)
        if rejection is not None:
            await _send(stream, READY, make_ready(rejection))
            raise Refused("rejected", rejection)
        return fields

    async def greet_dialler(
        self, stream: trio.abc.Stream, rival: Callable[[Hello], Awaitable[str | None]]
    ) -> tuple[Hello, Fields]:
        """As who was dialled: all but the READY. Returns who it is and what it tells about itself.

        ``rival`` finds out whether another process is linked under its id: a text for people, or None.
        """
        try:
            theirs = read_hello(await _receive(stream, HELLO), DIALLER)
            check_dialler(theirs, self._node)
        except Refused as refused:
            if refused.kind in _ANSWERED:
                answer = say_hello(self._node, LISTENER, 0, 0, bytes(RUN_BYTES), 0)
                with suppress(*STREAM_ERRORS):
                    await _send(stream, HELLO, answer.packed)
            raise
        ours = say_hello(self._node, LISTENER, theirs.node, theirs.channel, theirs.run, theirs.attempt)
        await _send(stream, HELLO, ours.packed)
        fields = check_proof(self._key, DIALLER, theirs, ours, await _receive(stream, PROOF))
        doubled = await rival(theirs)
        rejection = self._guard.check(theirs.node, fields) if doubled is None else doubled
        packed = self._guard.hello() if rejection is None else pack_rejection(rejection)
        await _send(stream, PROOF, prove(self._key, LISTENER, theirs, ours, packed))
        if doubled is not None:
            self._guard.doubled(theirs.node, doubled)
            raise Refused("same_id", doubled)
        if rejection is not None:
            raise Refused("rejected", rejection)
        return theirs, fields

    def refused(self, peer: int, refused: Refused) -> None:
        """Tell the handler of a handshake that came to nothing by the peer's will."""
        if refused.kind == BY_PEER:
            self._guard.rejected_by(peer, words_of_peer(refused))


async def ask_who(stream: trio.abc.Stream, node: int) -> int:
    """The id of whoever listens at the other end, which it has not proved. Raises ``Refused``, or ``STREAM_ERRORS``.

    A HELLO that is meant for nobody is refused, and answered all the same.
    """
    await _send(stream, HELLO, say_hello(node, DIALLER, NOBODY, CONTROL, bytes(RUN_BYTES), 0).packed)
    return read_hello(await _receive(stream, HELLO), LISTENER).node


async def say_ready(stream: trio.abc.Stream) -> None:
    """As who dialled, when both connections have come so far."""
    await _send(stream, READY, make_ready(None))


async def await_ready(stream: trio.abc.Stream) -> None:
    """As who was dialled. Raises ``Refused``."""
    check_ready(await _receive(stream, READY))


def describe_failure(error: BaseException) -> tuple[str, str]:
    """A key of ``counters.REFUSALS``, and a text, for one of ``STREAM_ERRORS``."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            text = getattr(cause, "verify_message", "") or (cause.reason or "unknown error").lower().replace("_", " ")
            return "tls", f"TLS: {text}"
        if isinstance(cause, OSError):
            return "broken", f"the connection broke: {cause.strerror or cause}"
        cause = cause.__cause__
    return "broken", "the connection broke"


async def close(*streams: trio.abc.Stream) -> None:
    """Close streams at once, all of them, also in a task that is being cancelled."""
    with trio.CancelScope(shield=True):
        for stream in streams:
            await trio.aclose_forcefully(stream)


async def _send(stream: trio.abc.Stream, kind: int, body: bytes) -> None:
    await stream.send_all(HEADER.pack(len(body), kind) + body)


async def _receive(stream: trio.abc.Stream, kind: int) -> bytes:
    length, found = HEADER.unpack(await _exactly(stream, HEADER_BYTES, kind))
    if found != kind:
        raise Refused("malformed", "what came is no rmq link")
    if length > MAX_MESSAGE:
        raise Refused("too_large", f"a message of {length} bytes, {MAX_MESSAGE} are allowed")
    return await _exactly(stream, length, kind)


async def _exactly(stream: trio.abc.Stream, size: int, kind: int) -> bytes:
    data = b""
    while len(data) < size:
        part = await stream.receive_some(size - len(data))
        if not part:
            hint = "; has it another secret?" if kind == PROOF else ""
            raise Refused("ended", f"the other side closed the connection{hint}")
        data += part
    return data
