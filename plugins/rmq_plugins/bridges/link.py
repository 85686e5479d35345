"""One entry: relays where it is to run, and begins again when that ends."""

import abc
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import trio

from rmq.plugin_api import MqttFailedError, PluginHost
from rmq_plugins.bridges.figures import Figures
from rmq_plugins.bridges.place import Place


class BridgeFailedError(Exception):
    """A far side can't be reached, has gone, or took a message that it may take another time; the text says why."""


class AgainError(Exception):
    """The connection is to be made again at once, in another way."""


class Link(abc.ABC):
    """``client_id`` is the one on this node; it names no node.

    So in a cluster one node has it at a time, whatever each of them believes: who connects takes it over. ``server`` is
    what the far side is called in logs and figures, ``pause_s`` is between two attempts.
    """

    def __init__(self, host: PluginHost, place: Place, client_id: str, server: str, pause_s: float) -> None:
        self.client_id = client_id
        self.server = server
        self.figures = Figures()
        self.is_connected = False
        self._host = host
        self._place = place
        self._pause_s = pause_s
        # Whether an entry that has never been connected goes on trying.
        self.retries_at_first = True
        self._was_connected = False
        self._subscribed = False  # by this object, and nobody else since: so as the configuration says now
        self._log: structlog.stdlib.BoundLogger = host.logger.bind(client_id=client_id, server=server)
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    @abc.abstractmethod
    async def relay(self) -> None:
        """Connect both sides and relay until one of them ends.

        Raises ``MqttFailedError`` or ``BridgeFailedError`` for what is tried again after a pause, ``AgainError`` for
        what is tried again at once. Cancelled when the entry ends or is to run elsewhere.
        """

    async def run(self) -> None:
        """Relay until ``end``, where and as often as it can be."""
        try:
            with self._scope:
                while True:
                    await self._place.here(self.client_id)
                    with trio.CancelScope() as until_elsewhere:
                        async with trio.open_nursery() as nursery:
                            nursery.start_soon(self._leave, until_elsewhere)
                            await self._attempts()
        finally:
            self._ended.set()

    async def end(self) -> None:
        """Close both connections; the sessions stay."""
        self._scope.cancel()
        await self._ended.wait()

    def connected(self) -> None:
        """For ``relay``: both sides are there."""
        self.is_connected = True
        self._was_connected = True
        self.figures.problem = ""
        self._log.info("bridge connected")

    async def _leave(self, scope: trio.CancelScope) -> None:
        await self._place.elsewhere(self.client_id)
        self._subscribed = False
        scope.cancel()

    async def _attempts(self) -> None:
        while True:
            try:
                await self.relay()
            except (MqttFailedError, BridgeFailedError) as error:
                self.figures.failed += 1
                if str(error) != self.figures.problem:
                    self.figures.problem = str(error)
                    self._log.warning("bridge not connected", problem=str(error))
                if not (self._was_connected or self.retries_at_first):
                    await trio.sleep_forever()
            except AgainError:
                continue
            except Exception as error:  # one message, or one moment of the machine, must not end the bridge
                self.figures.failed += 1
                self.figures.problem = f"internal error: {type(error).__name__}, the log says more"
                self._host.report_bug(f"a bridge to {self.server}", error)
            finally:
                self.is_connected = False
            await trio.sleep(self._pause_s)


@contextmanager
def deadline(seconds: float, text: str) -> Iterator[None]:
    """``trio.fail_after`` whose error is a ``BridgeFailedError`` that says ``text``."""
    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError:
        raise BridgeFailedError(text) from None
