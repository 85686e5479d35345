"""The listening side: handshakes under way, bounded, and halves of a pair that find each other."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio

from rmq_cluster.links.handler import CHANNEL_NAMES, CONTROL
from rmq_cluster.links.handshake import (
    STREAM_ERRORS,
    Fields,
    Greeter,
    await_ready,
    close,
    describe_failure,
)
from rmq_cluster.links.hello import Hello, Refused
from rmq_cluster.links.options import LinkOptions
from rmq_cluster.links.refusals import Refusals

# Accepting fails while the process or the machine has no file or memory to spare, or with an error of the network that
# is the new connection's own (accept(2)): it gets better.
_PAUSE_S: Final = 0.1

# Takes a pair that is complete: its control connection's HELLO and fields, both streams by channel, where it is from.
TakePair = Callable[[Hello, Fields, Sequence[trio.abc.Stream], str], None]


class _Half:
    """A connection that waits for the other one of its pair; ``settled``: that came, or it is of no use any more."""

    def __init__(self, hello: Hello, fields: Fields, stream: trio.abc.Stream) -> None:
        self.hello = hello
        self.fields = fields
        self.stream = stream
        self.settled = trio.Event()
        self.is_taken = False


class _Greeting:
    """A handshake under way. ``dropped`` are the nodes that were given up since it began."""

    def __init__(self, timeout_s: float) -> None:
        self.scope = trio.CancelScope(deadline=trio.current_time() + timeout_s)
        self.is_displaced = False
        self.dropped: set[int] = set()


class Acceptor:
    """Accepts connections and serves them. ``latest`` gives the attempt of the link that stands to a node, of a run.

    ``rival`` finds out whether another process is linked under the id of one that dials: a text for people, or None.
    """

    def __init__(
        self,
        options: LinkOptions,
        greeter: Greeter,
        refusals: Refusals,
        latest: Callable[[int, bytes], int],
        rival: Callable[[Hello], Awaitable[str | None]],
        take_pair: TakePair,
    ) -> None:
        self._options = options
        self._greeter = greeter
        self._refusals = refusals
        self._latest = latest
        self._rival = rival
        self._take_pair = take_pair
        self._under_way: set[_Greeting] = set()
        # Those that haven't proved the secret yet, the oldest first.
        self._half_open: list[_Greeting] = []
        self._halves: dict[int, _Half] = {}

    async def accept(
        self,
        listener: trio.abc.Listener[trio.abc.Stream],
        nursery: trio.Nursery,
        serve: Callable[[trio.abc.Stream], Awaitable[None]],
    ) -> None:
        """Accept until cancelled, whatever fails; each connection gets a task that owns it."""
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    self._refusals.refused("no_resources", "anyone", error.strerror or str(error))
                    await trio.sleep(_PAUSE_S)
                else:
                    nursery.start_soon(serve, stream)

    async def serve(self, stream: trio.abc.Stream, where: str) -> None:
        """Greet the dialler of this connection and bring it together with its other one, or close it."""
        half: _Half | None = None
        node = 0
        peer = where
        greeting = _Greeting(self._options.handshake_timeout)
        self._under_way.add(greeting)
        try:
            hello, fields = await self._greet(stream, greeting)
            node = hello.node
            peer = f"node {node} at {where}"
            with trio.move_on_after(self._options.handshake_timeout) as scope:
                await await_ready(stream)
                if hello.node in greeting.dropped:
                    raise Refused("stale", "this node has given it up meanwhile")
                half = _Half(hello, fields, stream)
                self._match(half, where)
                await half.settled.wait()
            if half is None:
                raise Refused("timeout", "its READY didn't come in time")
            if half.is_taken:
                return
            if scope.cancelled_caught:
                missing = CHANNEL_NAMES[1 - hello.channel]
                raise Refused("half_pair", f"its {missing} connection didn't come in time")
            raise Refused("stale", "a later attempt was there first")
        except Refused as refused:
            self._refusals.refused(refused.kind, peer, str(refused))
            self._greeter.refused(node, refused)
        except STREAM_ERRORS as error:
            self._refusals.refused(*_with_peer(peer, describe_failure(error)))
        finally:
            self._under_way.remove(greeting)
            if half is not None and self._halves.get(half.hello.node) is half:
                del self._halves[half.hello.node]
            if half is None or not half.is_taken:
                await close(stream)

    def drop(self, peer: int) -> None:
        """Give up whatever of a node is on its way here."""
        for greeting in self._under_way:
            greeting.dropped.add(peer)
        self._drop_half(peer)

    async def _greet(self, stream: trio.abc.Stream, greeting: _Greeting) -> tuple[Hello, Fields]:
        # The oldest gives way, so that connections that say nothing can't keep nodes out until their time is up.
        if len(self._half_open) >= self._options.half_open:
            oldest = self._half_open.pop(0)
            oldest.is_displaced = True
            oldest.scope.cancel()
        self._half_open.append(greeting)
        try:
            with greeting.scope:
                return await self._greeter.greet_dialler(stream, self._rival)
        finally:
            if not greeting.is_displaced:
                self._half_open.remove(greeting)
        if greeting.is_displaced:
            raise Refused("displaced", "too many handshakes at once")
        raise Refused("timeout", f"no handshake in {self._options.handshake_timeout:g} s")

    def _drop_half(self, peer: int) -> None:
        half = self._halves.pop(peer, None)
        if half is not None:
            half.settled.set()

    def _match(self, half: _Half, where: str) -> None:
        hello = half.hello
        if hello.attempt <= self._latest(hello.node, hello.run):
            raise Refused("stale", "a later attempt was there first")
        other = self._halves.get(hello.node)
        if other is not None and other.hello.run == hello.run:
            if other.hello.attempt > hello.attempt:
                raise Refused("stale", "a later attempt was there first")
            if other.hello.attempt == hello.attempt and other.hello.channel == hello.channel:
                raise Refused("stale", f"its {CHANNEL_NAMES[hello.channel]} connection is there already")
            if other.hello.attempt == hello.attempt:
                del self._halves[hello.node]
                control, data = (half, other) if hello.channel == CONTROL else (other, half)
                for part in (half, other):
                    part.is_taken = True
                    part.settled.set()
                self._take_pair(control.hello, control.fields, (control.stream, data.stream), where)
                return
        self._drop_half(hello.node)
        self._halves[hello.node] = half


def _with_peer(peer: str, failure: tuple[str, str]) -> tuple[str, str, str]:
    kind, text = failure
    return kind, peer, text
