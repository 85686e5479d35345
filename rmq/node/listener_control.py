"""Starting and stopping listeners while the node runs, as management wants it."""

from collections.abc import Sequence
from typing import Final

import structlog
import trio

from rmq.engine.disconnect import close
from rmq.management.errors import ListenerFailed, ListenerNotFound
from rmq.management.node.listeners import ListenerAction, ListenerView
from rmq.mqtt import codes
from rmq.net.listener import Listener
from rmq.net.listening_socket import ListenError
from rmq.net.reactor import Reactor

log = structlog.get_logger(__name__)

# So many connections are closed before others get their turns.
CLOSED_AT_ONCE: Final = 256


class ListenersOfNode:
    """The listeners of a node (``ListenerControl``); one change at a time."""

    def __init__(self, listeners: Sequence[Listener], reactor: Reactor) -> None:
        self._listeners = {listener.name: listener for listener in listeners}
        self._reactor = reactor
        self._changing = trio.Lock()

    def describe(self) -> Sequence[ListenerView]:
        """All of them, running or not."""
        return [
            ListenerView(name, found.address, found.is_running, found.connections, found.options.max_connections)
            for name, found in self._listeners.items()
        ]

    async def change(self, name: str, action: ListenerAction) -> None:
        """Start, stop or restart one."""
        listener = self._listeners.get(name)
        if listener is None:
            raise ListenerNotFound(name)
        async with self._changing:
            if action != "start":
                await self._stop(listener)
            if action != "stop":
                self._start(listener)

    def _start(self, listener: Listener) -> None:
        if listener.is_running:
            return
        self._reactor.broker.touch_clock()
        try:
            listener.open()
        except ListenError as error:
            raise ListenerFailed(listener.name, str(error)) from None
        listener.start(self._reactor)
        log.info("listener started", listener=listener.name, address=listener.address)

    async def _stop(self, listener: Listener) -> None:
        if not listener.is_running:
            return
        listener.close()
        broker = self._reactor.broker
        # By name: a listener gets other limits when its settings change, and older connections keep theirs.
        theirs = [channel for channel in self._reactor.channels() if channel.limits.listener == listener.name]
        for start in range(0, len(theirs), CLOSED_AT_ONCE):
            broker.touch_clock()
            for channel in theirs[start : start + CLOSED_AT_ONCE]:
                close(broker, channel, codes.ADMINISTRATIVE_ACTION, "the listener was stopped by an administrator")
            broker.flush()
            await trio.lowlevel.checkpoint()
        log.info("listener stopped", listener=listener.name, closed=len(theirs))
