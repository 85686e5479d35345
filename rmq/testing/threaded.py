"""A broker in a thread of its own, for plain synchronous tests and for asyncio."""

import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, contextmanager
from os import PathLike
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import trio

from rmq.testing.calls import DEFAULT_TIMEOUT_S, BrokerCalls
from rmq.testing.core import BrokerCore, BrokerDownError, Want
from rmq.testing.logs import log_to_logging
from rmq.testing.tables import make_settings, make_tables
from rmq.testing.views import Client, Message, Subscription

T = TypeVar("T")

# How long the clients of a stopping broker may take to read why.
STOP_GRACE_S: Final = 0.1
# How long a call may take; longer means that the broker's thread is stuck, in a handler of a plugin for instance.
CALL_TIMEOUT_S: Final = 10.0
# Starting and stopping wait for plugins too, which have time-outs of their own.
LIFE_TIMEOUT_S: Final = 40.0


class ThreadedBroker(BrokerCalls):
    """``with ThreadedBroker() as broker:``. Settings are the tables of rmq.toml: ``mqtt={"max_sessions": 10}``.

    Its methods can be called from any thread. Each is over within a millisecond or so, except those that wait for
    something: in asyncio, await those through ``asyncio.to_thread``. ``ConfigError`` names a wrong key.
    """

    def __init__(self, *, data_dir: str | PathLike[str] | None = None, **settings: object) -> None:
        super().__init__()
        self._tables = make_tables(settings, data_dir)
        make_settings(self._tables)  # whoever misspelt a key is told here, in the test's own thread
        self._thread: threading.Thread | None = None
        self._started: Future[_Inside] = Future()
        self._ended: Future[None] = Future()
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it; back when it accepts connections. ``ConfigError``: no such address, or a plugin won't start."""
        if self._thread is not None:
            raise RuntimeError("a broker is started once; make another one")
        self._cleanup.enter_context(log_to_logging())
        self._thread = threading.Thread(target=self._run, name="rmq-broker", daemon=True)
        self._thread.start()
        try:
            self._addresses = self._started.result(LIFE_TIMEOUT_S).core.addresses
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop it, its clients told; raises what ended it before, if something did. A stopped one is left alone."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        if self._started.done() and self._started.exception() is None:
            inside = self._started.result()
            try:
                inside.token.run_sync_soon(inside.stop.set)
            except trio.RunFinishedError:
                pass
        thread.join(LIFE_TIMEOUT_S)
        self._cleanup.close()
        if thread.is_alive():
            raise RuntimeError(f"the broker doesn't stop: its thread is stuck since {LIFE_TIMEOUT_S:g} s")
        if self._started.exception() is None:
            self._ended.result()

    def _run(self) -> None:
        try:
            trio.run(self._main)
        except BaseException as error:
            # A failed start has told its caller already.
            (self._ended if self._started.done() else self._started).set_exception(error)
        if not self._ended.done():
            self._ended.set_result(None)

    async def _main(self) -> None:
        core = BrokerCore(self._tables, STOP_GRACE_S)
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            try:
                await core.up(nursery)
            except Exception as error:
                self._started.set_exception(error)
                return
            inside = _Inside(core, nursery)
            self._started.set_result(inside)
            await inside.stop.wait()
            core.give_up(BrokerDownError("the broker was stopped"))
            try:
                await core.down()
            except BrokerDownError as error:
                failure = error  # raised outside of the nursery: not wrapped in a group
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    def _inside(self) -> "_Inside":
        thread = self._thread
        if thread is None:
            raise BrokerDownError("the broker isn't started: use it inside `with`, or call `start`")
        if thread is threading.current_thread():
            raise RuntimeError("called from the broker's own thread, which can't wait for itself")
        return self._started.result()

    def _result(self, future: Future[T], post: Callable[[], None], timeout: float) -> T:
        try:
            self._inside().token.run_sync_soon(post)
        except trio.RunFinishedError:
            raise BrokerDownError("the broker was stopped") from None
        self._until_done(future, timeout)
        if future.done():
            return future.result()
        future.cancel()
        if self._ended.done():
            raise BrokerDownError("the broker was stopped") from self._ended.exception()
        raise TimeoutError(f"the broker's thread is stuck: it has not answered after {timeout:g} s")

    def _until_done(self, future: Future[Any], timeout: float) -> None:
        either: list[Future[Any]] = [future, self._ended]
        wait(either, timeout, FIRST_COMPLETED)

    def _call(self, function: Callable[[BrokerCore], T]) -> T:
        future: Future[T] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(inside.core))
                except BaseException as error:
                    future.set_exception(error)

        inside = self._inside()
        return self._result(future, run, CALL_TIMEOUT_S)

    def _await(self, function: Callable[[], Awaitable[None]]) -> None:
        future: Future[None] = Future()

        async def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                await function()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(None)

        inside = self._inside()
        self._result(future, lambda: inside.nursery.start_soon(run), LIFE_TIMEOUT_S)

    def _wait(self, want: Want[T], timeout: float) -> T:
        future = self._call(lambda core: core.watch(want.probe))
        self._until_done(future, timeout)
        if future.done() or not future.cancel():
            return future.result()
        missing = self._call(lambda _core: want.missing())  # BrokerDownError, where that is why nothing came
        raise TimeoutError(f"after {timeout:g} s {missing}")

    def wait_for_messages(
        self, topic_filter: str = "#", count: int = 1, *, timeout: float = DEFAULT_TIMEOUT_S
    ) -> list[Message]:
        """All matching messages so far, once there are ``count`` of them; ``TimeoutError`` says what came instead."""
        return self._wait(self._call(lambda core: core.want_messages(topic_filter, count)), timeout)

    def wait_for_message(self, topic_filter: str = "#", *, timeout: float = DEFAULT_TIMEOUT_S) -> Message:
        """The first matching message, published already or within ``timeout`` seconds."""
        return self.wait_for_messages(topic_filter, timeout=timeout)[0]

    def wait_for_client(self, client_id: str | None = None, *, timeout: float = DEFAULT_TIMEOUT_S) -> Client:
        """The client with this id, or any, once it is connected; ``TimeoutError`` names who is, and who was refused."""
        return self._wait(self._call(lambda core: core.want_client(client_id)), timeout)

    def wait_for_disconnect(self, client_id: str, *, timeout: float = DEFAULT_TIMEOUT_S) -> None:
        """Back when no client with this id is connected; at once when it never was."""
        self._wait(self._call(lambda core: core.want_no_client(client_id)), timeout)

    def wait_for_subscription(
        self, topic_filter: str, client_id: str | None = None, *, timeout: float = DEFAULT_TIMEOUT_S
    ) -> Subscription:
        """The subscription with exactly this filter, once it is in force: what is published from then on reaches it."""
        return self._wait(self._call(lambda core: core.want_subscription(topic_filter, client_id)), timeout)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """``with broker.outage():`` inside nothing listens; afterwards a new node does, at the same addresses."""
        inside = self._inside()
        self._await(inside.core.down)
        try:
            yield
        finally:
            self._await(lambda: inside.core.up(inside.nursery))

    def restart(self) -> None:
        """Stop the node and start one anew at the same addresses; without a ``data_dir`` it remembers nothing."""
        with self.outage():
            pass

    def crash(self) -> None:
        """As if its process had been killed and started again: connections break, and only a ``data_dir`` remembers.

        Wills of the clients that were connected are then published, as after a real crash.
        """
        inside = self._inside()
        self._await(inside.core.break_down)
        self._await(lambda: inside.core.up(inside.nursery))


class _Inside:
    """What the thread of a broker has in it, for those outside."""

    def __init__(self, core: BrokerCore, nursery: trio.Nursery) -> None:
        self.core = core
        self.nursery = nursery
        self.stop = trio.Event()
        self.token = trio.lowlevel.current_trio_token()
