"""From a kept session of this node to a far side that takes batches: what has no MQTT session of its own.

A message is acknowledged to the session when the far side has it, so it arrives at least once. The far side gets all
that the session sends at a time, ``max_inflight`` messages at most, in order.
"""

import abc
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Generic, Protocol, TypeVar

import trio

from rmq.plugin_api import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    Ack,
    Disconnect,
    MqttConnection,
    MqttFailedError,
    Outgoing,
    Packet,
    PluginHost,
    Properties,
    Publish,
    Subscribe,
    SubscriptionRequest,
    decode_block,
    ended_by,
    topic_matches,
)
from rmq_plugins.bridges import marks
from rmq_plugins.bridges.link import BridgeFailedError, Link
from rmq_plugins.bridges.own import OwnClient
from rmq_plugins.bridges.place import Place

T = TypeVar("T")
TIn = TypeVar("TIn", contravariant=True)


class Target(Protocol[TIn]):
    """A connection to the far side. What it raises is ``BridgeFailedError``."""

    async def deliver(self, messages: Sequence[TIn]) -> Sequence[str]:
        """Return when the far side has taken or refused all: for each "" or why it never takes that one."""

    async def broken(self) -> None:
        """Wait until the connection has gone, and raise why; it is cancelled when nobody needs it any more."""


class Outlet:
    """What of this node's an entry sends out, and through which bridge.

    ``server`` is the far side's name in marks; ``group`` shares the messages between connections, "" doesn't.
    """

    def __init__(
        self,
        bridge: str,
        server: str,
        topic_filter: str,
        keep_s: int,
        max_queue: int,
        max_inflight: int,
        group: str = "",
    ) -> None:
        self.bridge = bridge
        self.server = server
        self.topic_filter = topic_filter
        self.keep_s = keep_s
        self.max_queue = max_queue
        self.max_inflight = max_inflight
        shared = f"$share/{group}/{topic_filter}" if group else topic_filter
        # New ones are sent what is retained, once: retain handling 1.
        self.subscribe = Subscribe(1, [SubscriptionRequest(shared, 2, False, True, 1)])


class OutwardLink(Link, abc.ABC, Generic[T]):
    """One entry of messages that go out."""

    def __init__(self, host: PluginHost, place: Place, client_id: str, outlet: Outlet, pause_s: float) -> None:
        super().__init__(host, place, client_id, outlet.server, pause_s)
        self._outlet = outlet
        self._own = OwnClient(host, client_id, outlet.keep_s, outlet.max_queue)
        self._own.receive_maximum = outlet.max_inflight

    @abc.abstractmethod
    def open(self) -> AbstractAsyncContextManager[Target[T]]:
        """A connection to the far side; entering raises ``BridgeFailedError``."""

    @abc.abstractmethod
    def converted(self, packet: Publish, properties: Properties) -> T | str:
        """A message as the far side has it, or why it gets none. ``properties`` have the marks to send along."""

    async def relay(self) -> None:
        """Connect here, then there, and send on what the session has."""
        if not self._subscribed:
            # Before all else: from now on messages wait, whether the far side is there or not.
            local = await self._connect()
            await local.close(Disconnect())
            self._subscribed = True
        async with self.open() as target:
            local = await self._connect()
            try:
                self.connected()
                await self._both(local, target)
            finally:
                await local.close(Disconnect())

    async def _connect(self) -> MqttConnection:
        again = not self._subscribed
        connection, _ = await self._own.connect(clean=False, subscribe=self._outlet.subscribe, even_if_kept=again)
        return connection

    async def _both(self, local: MqttConnection, target: Target[T]) -> None:
        problem: list[Exception] = []

        async def watch() -> None:
            try:
                await target.broken()
            except BridgeFailedError as error:
                problem.append(error)
            nursery.cancel_scope.cancel()

        async def pump() -> None:
            try:
                while True:
                    await self._pass_on(await local.receive(), local, target)
            except (BridgeFailedError, MqttFailedError) as error:
                problem.append(error)
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            nursery.start_soon(pump)
        if problem:
            raise problem[0]

    async def _pass_on(self, packets: Sequence[Packet], local: MqttConnection, target: Target[T]) -> None:
        answers: list[Outgoing] = []
        batch: list[T] = []
        for packet in packets:
            if isinstance(packet, Publish):
                self.figures.received += 1
                outcome = self._prepared(packet)
                if isinstance(outcome, str):
                    self.figures.drop(outcome)
                else:
                    batch.append(outcome)
                if packet.qos:
                    answers.append(Ack(PUBACK if packet.qos == 1 else PUBREC, packet.packet_id))
            elif isinstance(packet, Ack) and packet.packet_type == PUBREL:
                answers.append(Ack(PUBCOMP, packet.packet_id))
        if batch:
            for refused in await target.deliver(batch):
                if refused:
                    self.figures.drop(refused)
                else:
                    self.figures.sent += 1
        if answers:
            await local.send(answers)
        for packet in packets:
            if isinstance(packet, Disconnect):
                raise MqttFailedError(ended_by(packet), packet.reason_code)

    def _prepared(self, packet: Publish) -> T | str:
        outlet = self._outlet
        if not topic_matches(outlet.topic_filter, packet.topic):
            return "not_asked_for"  # somebody else has subscribed our session to more
        properties = decode_block(packet.properties) if packet.properties else Properties()
        if marks.has_crossed(properties, outlet.bridge) or marks.came_from(properties, outlet.server):
            return "loop"
        marks.mark(properties, outlet.bridge)
        return self.converted(packet, properties)
