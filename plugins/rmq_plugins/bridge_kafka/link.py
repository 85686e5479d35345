"""One entry, in either direction: what both do with Kafka's library and its threads."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import trio

from rmq.plugin_api import MqttFailedError, PluginHost
from rmq_plugins.bridges.link import BridgeFailedError, Link
from rmq_plugins.bridges.place import Place

# What is under way when an entry ends may take so long to arrive; what doesn't is sent, or fetched, once more.
DRAIN_S: Final = 1.5
# A thread of the library's ends as soon as it has seen that it should.
CLOSE_S: Final = 1.5
# Threads that serve Kafka's library, each for one entry.
MAX_THREADS: Final = 10_000

Work = Callable[[], Awaitable[object]]


class Client(Protocol):
    """A producer or consumer, as far as one says how it is."""

    is_up: bool
    problem: str
    failure: str

    def lines(self) -> list[tuple[int, str]]:
        """What it has logged since the last time."""

    def run(self) -> None:
        """For a thread: serve the library until ``stop``."""

    def stop(self) -> None:
        """Have ``run`` end."""


class KafkaLink(Link):
    """``client_id`` is the one on this node, ``servers`` what the far side is called; times in seconds."""

    def __init__(self, host: PluginHost, place: Place, client_id: str, servers: str, pause_s: float) -> None:
        super().__init__(host, place, client_id, servers, pause_s)
        self._threads = trio.CapacityLimiter(MAX_THREADS)
        self._ending = trio.Event()
        self._drained = trio.Event()
        self._woken = trio.Event()
        self._was_up = False
        self._broken: Exception | None = None

    async def end(self) -> None:
        """Let what is under way arrive, for a while, and close both sides; the session stays."""
        self._ending.set()
        if self.is_connected:
            with trio.move_on_after(DRAIN_S):
                await self._drained.wait()
        await super().end()

    async def _serve(self, client: Client, exchange: Work) -> None:
        """Have a thread serve a producer or consumer for as long as something is exchanged with it."""
        ended = trio.Event()
        self._broken = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._thread, client.run, ended)
            try:
                await self._noting(exchange)
            finally:
                self.is_connected = self._was_up = False
                client.stop()
                with trio.move_on_after(CLOSE_S, shield=True):
                    await ended.wait()
                nursery.cancel_scope.cancel()
        if self._broken is not None:
            raise self._broken

    async def _thread(self, work: Callable[[], object], ended: trio.Event) -> None:
        """Have a thread do something that ends when told to; where it doesn't, nobody waits for it."""
        await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
        ended.set()

    async def _exchange(self, taking: Work, hearing: Work, emptied: Work) -> None:
        """Run both tasks of an exchange until one breaks, or the end: what is under way may arrive then."""
        async with trio.open_nursery() as nursery:
            taken = trio.CancelScope()
            nursery.start_soon(self._guarded, taking, taken, nursery.cancel_scope)
            nursery.start_soon(self._guarded, hearing, trio.CancelScope(), nursery.cancel_scope)
            await self._ending.wait()
            taken.cancel()
            await self._noting(emptied)
            nursery.cancel_scope.cancel()
        self._drained.set()

    async def _guarded(self, work: Work, scope: trio.CancelScope, all_of_it: trio.CancelScope) -> None:
        with scope:
            await self._noting(work)
            all_of_it.cancel()

    async def _noting(self, work: Work) -> None:
        """Keep the first that breaks: a nursery would make a group of it."""
        try:
            await work()
        except (MqttFailedError, BridgeFailedError) as error:
            self._broken = self._broken or error

    def _wake(self) -> None:
        self._woken.set()

    async def _until_woken(self) -> None:
        await self._woken.wait()
        self._woken = trio.Event()

    def _look_at(self, client: Client) -> None:
        """Have what a producer or consumer says of itself known; ``BridgeFailedError`` when it is at its end."""
        for level, text in client.lines():
            self._log.log(max(logging.DEBUG, min(level, logging.WARNING)), "librdkafka", text=text)
        if client.failure:
            raise BridgeFailedError(client.failure)
        if client.is_up and not self._was_up:
            self.connected()
        elif self._was_up and not client.is_up:
            self.figures.failed += 1
        self.is_connected = self._was_up = client.is_up
        if client.is_up or client.problem:
            if client.problem and not client.is_up and client.problem != self.figures.problem:
                self._log.warning("bridge not connected", problem=client.problem)
            self.figures.problem = client.problem
