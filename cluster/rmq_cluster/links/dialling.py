"""The dialling side, one node: its name resolved at each try, both connections opened, back-off in between."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import trio

from rmq_cluster.links.addresses import is_loopback_address, join_address
from rmq_cluster.links.guard import Guard
from rmq_cluster.links.handler import CHANNELS, CONTROL
from rmq_cluster.links.handshake import STREAM_ERRORS, Fields, Greeter, close, describe_failure, say_ready
from rmq_cluster.links.hello import Refused
from rmq_cluster.links.link import Link
from rmq_cluster.links.network import Network
from rmq_cluster.links.options import LinkOptions
from rmq_cluster.links.refusals import Refusals

# A link that stood for so long was sound: the next dial comes soon again.
SOUND_S: Final = 5.0

# Makes a link of a pair: peer, attempt, the control connection's fields, both streams by channel, where they lead.
MakeLink = Callable[[int, int, Fields, Sequence[trio.abc.Stream], str], Link]


class Unreachable(Exception):
    """No connection to a peer could be opened; the text says why."""


class Backoff:
    """Waits in seconds that double from ``first`` to ``longest``, each shortened by chance to between half and all of
    it, so that nodes don't dial in step.
    """

    def __init__(self, first: float, longest: float, random: Random) -> None:
        self._first = first
        self._longest = longest
        self._random = random
        self._next = first

    def next(self) -> float:
        """How long to wait now."""
        wait = self._next
        self._next = min(2 * wait, self._longest)
        return wait * (0.5 + 0.5 * self._random.random())

    def reset(self) -> None:
        """Begin from the shortest wait again."""
        self._next = self._first


class Dialler:
    """Dials one node until cancelled; ``run`` and ``next_attempt`` name its attempts."""

    def __init__(
        self,
        peer: int,
        address: tuple[str, int],
        options: LinkOptions,
        network: Network,
        greeter: Greeter,
        guard: Guard,
        refusals: Refusals,
        random: Random,
        run: bytes,
        next_attempt: Callable[[], int],
        make_link: MakeLink,
    ) -> None:
        self.peer = peer
        self.address = address
        self.scope = trio.CancelScope()
        self._options = options
        self._network = network
        self._greeter = greeter
        self._guard = guard
        self._refusals = refusals
        self._backoff = Backoff(options.backoff_min, options.backoff_max, random)
        self._run = run
        self._next_attempt = next_attempt
        self._make_link = make_link
        self._tries = 0

    async def dial(self) -> None:
        """Keep a link to the node, until cancelled by ``scope``."""
        name = f"node {self.peer} at {join_address(*self.address)}"
        with self.scope:
            while True:
                try:
                    link = await self._open_pair()
                except Refused as refused:
                    self._refusals.refused(refused.kind, name, str(refused))
                    self._greeter.refused(self.peer, refused)
                except Unreachable as error:
                    self._refusals.unreachable(name, str(error))
                except Exception as error:
                    self._guard.report(f"dialling {name}", error)
                    self._refusals.refused("bug", name, "a bug in dialling it")
                else:
                    begun = trio.current_time()
                    await link.gone.wait()
                    if trio.current_time() - begun >= SOUND_S:
                        self._backoff.reset()
                await trio.sleep(self._backoff.next())

    async def _open_pair(self) -> Link:
        """Raises ``Refused`` and ``Unreachable``."""
        timeout_s = self._options.handshake_timeout
        with trio.move_on_after(timeout_s):
            address = await self._resolve()
            attempt = _Attempt(self._next_attempt())
            try:
                async with trio.open_nursery() as nursery:
                    for channel in CHANNELS:
                        nursery.start_soon(self._open, address, channel, attempt, nursery.cancel_scope)
                if attempt.failure is not None:
                    raise attempt.failure
                streams = [attempt.streams[channel] for channel in CHANNELS]
                try:
                    for stream in streams:
                        await say_ready(stream)
                except STREAM_ERRORS as error:
                    raise Refused(*describe_failure(error)) from None
                # Given up at the last moment, such as by set_peers: the link must not be made after that.
                await trio.lowlevel.checkpoint_if_cancelled()
                # The link's from here on.
                attempt.streams.clear()
                where = join_address(address, self.address[1])
                return self._make_link(self.peer, attempt.number, attempt.fields, streams, where)
            finally:
                await close(*attempt.streams.values())
        raise Refused("timeout", f"no link in {timeout_s:g} s")

    async def _resolve(self) -> str:
        host = self.address[0]
        try:
            addresses = await self._network.resolve(host)
        except OSError as error:
            raise Unreachable(f"{host}: {error.strerror or error}") from None
        # Another one each time: one that swallows everything must not hide the others.
        address = addresses[self._tries % len(addresses)]
        self._tries += 1
        if not self._options.secret and not is_loopback_address(address):
            raise Refused("not_loopback", f"{host} leads to {address}, and there is no cluster secret")
        return address

    async def _open(self, address: str, channel: int, attempt: "_Attempt", scope: trio.CancelScope) -> None:
        """One connection of the pair; the first failure ends the other one's try."""
        host, port = self.address
        try:
            try:
                stream = await self._network.dial(address, port, host)
            except trio.BrokenResourceError as error:
                raise Refused(*describe_failure(error)) from None
            except OSError as error:
                raise Unreachable(error.strerror or str(error)) from None
            attempt.streams[channel] = stream
            try:
                fields = await self._greeter.greet_listener(stream, self.peer, channel, self._run, attempt.number)
            except STREAM_ERRORS as error:
                raise Refused(*describe_failure(error)) from None
        except (Refused, Unreachable) as error:
            if attempt.failure is None:
                attempt.failure = error
            scope.cancel()
            return
        if channel == CONTROL:
            attempt.fields = fields


class _Attempt:
    """What came of one try so far."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.streams: dict[int, trio.abc.Stream] = {}
        self.fields: Fields = []
        self.failure: Refused | Unreachable | None = None
