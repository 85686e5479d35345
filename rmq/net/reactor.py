"""The reactor: one trio task that waits for all sockets at once and takes turns.

A turn reads every socket that is ready (within limits), has the bytes handled, and then sends what that wrote, once a
destination. Work that must wait runs in tasks elsewhere; its connection is paused meanwhile.
"""

import select
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog
import trio

from rmq.mqtt.topic_cache import TopicCache
from rmq.net.connection import Connection
from rmq.net.connection_owner import ConnectionOwner
from rmq.net.turns import flush_channels, handle_ready
from rmq.session.channel import Channel

if TYPE_CHECKING:
    from rmq.engine.broker import Broker
    from rmq.net.listener import Listener

log = structlog.get_logger(__name__)

MAX_EVENTS: Final = 512
# Sockets written to before other tasks get their chance: a large fan-out stalls nobody.
FLUSHES_PER_SLICE: Final = 512
# How long turns may follow one another before other tasks get their chance.
SLICE_S: Final = 0.004
READ: Final = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP


class _BugReporter(ConnectionOwner):
    def __init__(self, broker: "Broker") -> None:
        super().__init__()
        self._broker = broker

    def report_bug(self, connection: Connection, where: str) -> None:
        self._broker.report_bug(connection.channel, where)


class Reactor:
    """Owns the epoll and the connections by descriptor."""

    def __init__(self, broker: "Broker") -> None:
        self.broker = broker
        self.ctx = broker.ctx
        self.counters = broker.counters
        self.topics = TopicCache()
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._listeners: dict[int, Listener] = {}
        self._sources: dict[int, Callable[[], None]] = {}
        self._owner = _BugReporter(broker)
        self._wake_receive, self._wake_send = socket.socketpair()
        self._wake_receive.setblocking(False)
        self._wake_send.setblocking(False)
        self._epoll.register(self._wake_receive.fileno(), select.EPOLLIN)
        self._busy = False
        broker.flush = self.flush_now

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """Take a new connection in."""
        self._connections[connection.fd] = connection
        self._epoll.register(connection.fd, select.EPOLLIN)

    def watch(self, connection: Connection) -> None:
        """What the connection waits for has changed."""
        events = (select.EPOLLIN if connection.wants_read else 0) | (select.EPOLLOUT if connection.wants_write else 0)
        if connection.fd >= 0:
            # A hang-up can't be masked out: edge-triggered it is told once, and not in every turn until it is read.
            self._epoll.modify(connection.fd, events or select.EPOLLET)

    def forget(self, connection: Connection) -> None:
        """The connection is about to be closed."""
        if self._connections.pop(connection.fd, None) is not None:
            self._epoll.unregister(connection.fd)

    def watch_listener(self, fd: int, listener: "Listener") -> None:
        """Accept through this descriptor."""
        self._listeners[fd] = listener
        self._epoll.register(fd, select.EPOLLIN)

    def forget_listener(self, fd: int) -> None:
        """Accept no more."""
        if self._listeners.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def watch_source(self, fd: int, on_ready: Callable[[], None]) -> None:
        """Call this in every turn in which something else is ready to be read: the links to other nodes."""
        self._sources[fd] = on_ready
        self._epoll.register(fd, select.EPOLLIN)

    def forget_source(self, fd: int) -> None:
        """Somebody else waits for it."""
        if self._sources.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    async def run(self) -> None:
        """Take turns for ever; a cancelled scope ends it.

        What goes to other nodes leaves when the turns that follow one another are over.
        """
        fd = self._epoll.fileno()
        while True:
            await trio.lowlevel.wait_readable(fd)
            while self._slice():
                await trio.lowlevel.checkpoint()

    def _slice(self) -> bool:
        """Turns until there is nothing to do, False, or until others are to get their chance."""
        lanes = self.ctx.lanes
        lanes.gathers = True
        deadline = time.monotonic() + SLICE_S
        more = True
        while more:
            more = self.turn()
            if self.ctx.dirty or time.monotonic() >= deadline:
                break
        lanes.gathers = False
        if self.ctx.node_id:
            self._turn_storage()
        return more

    def turn(self) -> bool:
        """Handle every socket that is ready, then flush. False when there was nothing to do."""
        ready = self._epoll.poll(0, MAX_EVENTS)
        if not ready and not self.ctx.dirty:
            return False
        self._busy = True
        self.broker.touch_clock()
        for fd in handle_ready(self._connections, ready, READ, select.EPOLLOUT, self._owner):
            source = self._sources.get(fd)
            listener = self._listeners.get(fd)
            if source is not None:
                try:
                    source()
                except Exception:
                    self.broker.report_bug(None, "in reading from other nodes")
            elif listener is not None:
                try:
                    listener.on_readable()
                except Exception:
                    self.broker.report_bug(None, f"in accepting on {listener.name}")
            elif fd == self._wake_receive.fileno():
                self._wake_receive.recv(4096)
        self._turn_storage()
        self._flush_slice()
        self._busy = False
        return True

    def channels(self) -> list[Channel]:
        """The channels of all connections, accepted by the protocol or not."""
        channels = [connection.channel for connection in self._connections.values()]
        return [channel for channel in channels if channel is not None]

    async def drain(self) -> None:
        """After ``run`` has ended: take turns until every connection is closed."""
        while self._connections:
            if not self.turn():
                await trio.lowlevel.wait_readable(self._epoll.fileno())
            await trio.lowlevel.checkpoint()

    def flush_now(self) -> None:
        """Send what was written outside of a turn; within one this does nothing, the turn ends with it anyway."""
        if not self._busy:
            self._busy = True
            self._turn_storage()
            self._flush_slice()
            self._busy = False
            if self.ctx.dirty:
                self.wake()

    def _turn_storage(self) -> None:
        try:
            self.broker.turn_storage()
        except Exception:
            self.broker.report_bug(None, "in storage")

    def _flush_slice(self) -> None:
        # At most FLUSHES_PER_SLICE connections; the rest follows in the next turn.
        ctx = self.ctx
        dirty = ctx.dirty
        if len(dirty) > FLUSHES_PER_SLICE:
            ctx.dirty = dirty[FLUSHES_PER_SLICE:]
            del dirty[FLUSHES_PER_SLICE:]
        else:
            ctx.dirty = []
        flush_channels(dirty, self._owner)
        if ctx.latencies.due and not ctx.dirty:
            ctx.latencies.settle(self.broker.clock())

    def wake(self) -> None:
        """Have the next turn come soon."""
        try:
            self._wake_send.send(b"\0")
        except OSError:
            pass  # it is awake already, or closed: a disk thread may finish after that

    def close(self) -> None:
        """Close every connection and the epoll itself."""
        for connection in list(self._connections.values()):
            connection.lose("node stopped")
        self._epoll.close()
        self._wake_receive.close()
        self._wake_send.close()
