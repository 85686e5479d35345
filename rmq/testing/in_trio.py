"""A broker in the test's own trio loop: with MockClock it lives by that clock."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from os import PathLike
from types import TracebackType
from typing import Final, Self, TypeVar

import trio

from rmq.testing.calls import DEFAULT_TIMEOUT_S, BrokerCalls
from rmq.testing.core import BrokerCore, BrokerDownError, Want
from rmq.testing.logs import log_to_logging
from rmq.testing.tables import make_settings, make_tables
from rmq.testing.views import Client, Message, Subscription

T = TypeVar("T")

# Clients of a stopping broker are told, not waited for: under a MockClock that nobody moves no wait would ever end.
STOP_GRACE_S: Final = 0.0


class Broker(BrokerCalls):
    """``async with Broker() as broker:``. Settings are the tables of rmq.toml, such as ``mqtt={"max_sessions": 10}``.

    It keeps to the tests' own trio loop: whatever isn't awaited happens at once. ``ConfigError`` names a wrong key.
    """

    def __init__(self, *, data_dir: str | PathLike[str] | None = None, **settings: object) -> None:
        super().__init__()
        self._tables = make_tables(settings, data_dir)
        make_settings(self._tables)  # whoever misspelt a key is told here
        self._core: BrokerCore | None = None
        self._nursery: trio.Nursery | None = None
        self._manager: AbstractAsyncContextManager[trio.Nursery] = trio.open_nursery()
        self._cleanup = ExitStack()

    async def __aenter__(self) -> Self:
        if self._core is not None:
            raise RuntimeError("a broker is entered once; make another one")
        self._core = BrokerCore(self._tables, STOP_GRACE_S)
        self._cleanup.enter_context(log_to_logging())
        self._nursery = await self._manager.__aenter__()
        try:
            await self._bring_up()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # The nursery isn't given the test's exception, so that it doesn't come out wrapped in a group.
        core = self._core
        try:
            if core is not None:
                await core.down()
        finally:
            await self._close()

    async def _close(self) -> None:
        nursery, self._nursery = self._nursery, None
        if nursery is not None:
            nursery.cancel_scope.shield = True  # a cancelled test waits for its broker all the same
            nursery.cancel_scope.cancel()
            await self._manager.__aexit__(None, None, None)
        self._cleanup.close()

    async def _bring_up(self) -> None:
        if self._core is None or self._nursery is None:
            raise BrokerDownError("the broker isn't started: use it inside `async with`")
        await self._core.up(self._nursery)
        self._addresses = self._core.addresses

    def _call(self, function: Callable[[BrokerCore], T]) -> T:
        if self._core is None:
            raise BrokerDownError("the broker isn't started: use it inside `async with`")
        return function(self._core)

    async def _wait(self, want: Want[T], timeout: float) -> T:
        future = self._call(lambda core: core.watch(want.probe))
        done = trio.Event()
        future.add_done_callback(lambda _future: done.set())
        with trio.move_on_after(timeout):
            await done.wait()
        if not future.done():
            future.cancel()
            raise TimeoutError(f"after {timeout:g} s {want.missing()}")
        return future.result()

    async def wait_for_messages(
        self, topic_filter: str = "#", count: int = 1, *, timeout: float = DEFAULT_TIMEOUT_S
    ) -> list[Message]:
        """All matching messages so far, once there are ``count`` of them; ``TimeoutError`` says what came instead."""
        return await self._wait(self._call(lambda core: core.want_messages(topic_filter, count)), timeout)

    async def wait_for_message(self, topic_filter: str = "#", *, timeout: float = DEFAULT_TIMEOUT_S) -> Message:
        """The first matching message, published already or within ``timeout`` seconds."""
        return (await self.wait_for_messages(topic_filter, timeout=timeout))[0]

    async def wait_for_client(self, client_id: str | None = None, *, timeout: float = DEFAULT_TIMEOUT_S) -> Client:
        """The client with this id, or any, once it is connected; ``TimeoutError`` names who is, and who was refused."""
        return await self._wait(self._call(lambda core: core.want_client(client_id)), timeout)

    async def wait_for_disconnect(self, client_id: str, *, timeout: float = DEFAULT_TIMEOUT_S) -> None:
        """Back when no client with this id is connected; at once when it never was."""
        await self._wait(self._call(lambda core: core.want_no_client(client_id)), timeout)

    async def wait_for_subscription(
        self, topic_filter: str, client_id: str | None = None, *, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Subscription:
        """The subscription with exactly this filter, once it is in force: what is published from then on reaches it."""
        return await self._wait(self._call(lambda core: core.want_subscription(topic_filter, client_id)), timeout)

    @asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        """``async with broker.outage():`` inside nothing listens; afterwards a new node does, at the same addresses."""
        core = self._call(lambda core: core)
        await core.down()
        try:
            yield
        finally:
            await self._bring_up()

    async def restart(self) -> None:
        """Stop the node and start one anew at the same addresses; without a ``data_dir`` it remembers nothing."""
        async with self.outage():
            pass

    async def crash(self) -> None:
        """As if its process had been killed and started again: connections break, and only a ``data_dir`` remembers.

        Wills of the clients that were connected are then published, as after a real crash.
        """
        await self._call(lambda core: core).break_down()
        await self._bring_up()
