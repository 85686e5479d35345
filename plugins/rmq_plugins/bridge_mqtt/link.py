"""One entry: connects both sides, relays, and connects again."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog
import trio

from rmq.plugin_api import (
    V5,
    Connack,
    Connect,
    Disconnect,
    MqttConnection,
    MqttFailedError,
    Packet,
    Pingreq,
    PluginHost,
    Subscribe,
    ended_by,
)
from rmq_plugins.bridge_mqtt.config import BridgeConfig, Server
from rmq_plugins.bridge_mqtt.figures import Figures
from rmq_plugins.bridge_mqtt.place import Place
from rmq_plugins.bridge_mqtt.relay import Relay
from rmq_plugins.bridge_mqtt.rewriting import Inward, Outward

FAILURE: Final = 0x80
# How long the node may take to accept one of its own clients: its quorum may be busy.
LOCAL_TIMEOUT_S: Final = 20.0


class OutwardSide:
    """An entry whose messages go out. ``subscribe`` is for this node, ``max_queue`` bounds what waits here."""

    def __init__(
        self, subscribe: Subscribe, rewrite: Outward, qos: tuple[int, int, int], max_queue: int, max_inflight: int
    ) -> None:
        self.subscribe = subscribe
        self.rewrite = rewrite
        self.qos = qos
        self.max_queue = max_queue
        self.max_inflight = max_inflight


class InwardSide:
    """An entry whose messages come in. ``subscribe`` is for the other broker, ``rewrite`` makes one a connection."""

    def __init__(self, subscribe: Subscribe, rewrite: Callable[[], Inward], qos: tuple[int, int, int]) -> None:
        self.subscribe = subscribe
        self.rewrite = rewrite
        self.qos = qos
        self.max_queue = 1  # nothing is sent to this side
        self.max_inflight = 1


Side = OutwardSide | InwardSide


class _SmallerWindowError(Exception):
    """The other broker takes fewer messages at a time than we were ready to send it."""


class Link:
    """``client_id`` is the one on this node, ``remote_id`` the one on the other broker; neither names a node.

    So in a cluster one node has both at a time, whatever each of them believes: who connects takes them over.
    """

    def __init__(
        self,
        host: PluginHost,
        place: Place,
        bridge: BridgeConfig,
        tls: ssl.SSLContext | None,
        client_id: str,
        remote_id: str,
        side: Side,
    ) -> None:
        self.client_id = client_id
        self.figures = Figures()
        self.is_connected = False
        self._host = host
        self._place = place
        self._bridge = bridge
        self._tls = tls
        self._remote_id = remote_id
        self._side = side
        self._log: structlog.stdlib.BoundLogger = host.logger.bind(bridge=bridge.name, client_id=remote_id)
        self._window = side.max_inflight
        self._subscribed = False  # by this object, so as the configuration says now
        self._forget_remote = False  # what the other broker knows of identifiers is about a session that is gone
        self._server = Server(bridge.server)
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

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

    async def _leave(self, scope: trio.CancelScope) -> None:
        await self._place.elsewhere(self.client_id)
        self._subscribed = False
        scope.cancel()

    async def _attempts(self) -> None:
        while True:
            try:
                await self._once()
            except MqttFailedError as error:
                self.figures.failed += 1
                if str(error) != self.figures.problem:
                    self.figures.problem = str(error)
                    self._log.warning("bridge not connected", problem=str(error), server=str(self._server))
            except _SmallerWindowError:
                continue
            await trio.sleep(self._bridge.reconnect_interval)

    async def _once(self) -> None:
        side = self._side
        if isinstance(side, OutwardSide) and not self._subscribed:
            # Before all else: from now on messages wait, whether the other broker is there or not.
            local, _ = await self._connect_local(clean=False)
            await local.close(Disconnect())
            self._subscribed = True
        remote = await self._open_remote()
        try:
            if isinstance(side, OutwardSide):
                await self._send_out(side, remote)
            else:
                await self._fetch_in(side, remote)
        finally:
            self.is_connected = False
            await remote.close(Disconnect())

    async def _send_out(self, side: OutwardSide, remote: MqttConnection) -> None:
        local, _ = await self._connect_local(clean=False)
        try:
            if self._forget_remote:
                await self._wipe_remote()
                self._forget_remote = False
            connack = await self._connect_remote(remote, self._bridge.is_clean)
            taken = connack.receive_maximum
            if 0 < taken < self._window:
                self._window = taken  # [MQTT-3.3.4-9]
                raise _SmallerWindowError
            side.rewrite.max_size = max(connack.maximum_packet_size, 0)
            side.rewrite.retain_available = connack.retain_available != 0
            most = connack.maximum_qos if connack.maximum_qos >= 0 else 2  # [MQTT-3.2.2-11]
            qos = (0, min(side.qos[1], most), min(side.qos[2], most))
            await self._exchange(local, remote, remote, Relay(side.rewrite, qos, self.figures), connack)
        finally:
            await local.close(Disconnect())

    async def _fetch_in(self, side: InwardSide, remote: MqttConnection) -> None:
        local, _ = await self._connect_local(clean=False)
        try:
            connack = await self._connect_remote(remote, self._bridge.is_clean)
            if not connack.session_present:
                # Its identifiers begin anew: what this node remembers of earlier ones would swallow new messages.
                await local.close(Disconnect())
                local, _ = await self._connect_local(clean=True)
            if not (connack.session_present and self._subscribed):
                await self._subscribe(remote, side.subscribe)
                self._subscribed = True
            await self._exchange(remote, local, remote, Relay(side.rewrite(), side.qos, self.figures), connack)
        finally:
            await local.close(Disconnect())

    async def _connect_local(self, *, clean: bool) -> tuple[MqttConnection, Connack]:
        side = self._side
        connection = await self._host.connect(side.max_queue)
        try:
            with _deadline(LOCAL_TIMEOUT_S, "this node takes too long"):
                packet = Connect(V5, self.client_id, clean, 0)
                packet.session_expiry_interval = self._bridge.session_retention
                packet.receive_maximum = self._window
                connack = await connection.connect(packet)
                if isinstance(side, OutwardSide) and not (self._subscribed and connack.session_present):
                    self._forget_remote = self._forget_remote or not connack.session_present
                    await self._subscribe(connection, side.subscribe)
        except BaseException:
            await connection.close()
            raise
        return connection, connack

    async def _open_remote(self) -> MqttConnection:
        bridge = self._bridge
        most = bridge.v5.maximum_packet_size if bridge.version == V5 else 0
        with _deadline(bridge.connect_timeout, "no connection in time"):
            return await MqttConnection.open(self._server.host, self._server.port, bridge.version, self._tls, most)

    async def _connect_remote(self, connection: MqttConnection, clean: bool) -> Connack:
        bridge = self._bridge
        packet = Connect(bridge.version, self._remote_id, clean, bridge.keepalive)
        packet.username = bridge.username or None
        packet.password = bridge.password.encode() if bridge.password else None
        packet.will = bridge.will
        if bridge.version == V5:
            packet.session_expiry_interval = bridge.v5.session_expiry_interval
            packet.receive_maximum = bridge.v5.receive_maximum
            packet.maximum_packet_size = bridge.v5.maximum_packet_size
            packet.topic_alias_maximum = bridge.v5.topic_alias_maximum
        with _deadline(bridge.connect_timeout, "no CONNACK in time"):
            return await connection.connect(packet)

    async def _wipe_remote(self) -> None:
        connection = await self._open_remote()
        try:
            await self._connect_remote(connection, clean=True)
            farewell = Disconnect()
            farewell.session_expiry_interval = 0 if self._bridge.version == V5 else -1
            await connection.close(farewell)
        finally:
            await connection.close()

    async def _subscribe(self, connection: MqttConnection, packet: Subscribe) -> None:
        with _deadline(self._bridge.connect_timeout, "no SUBACK in time"):
            codes = await connection.subscribe(packet)
        if any(code >= FAILURE for code in codes):
            raise MqttFailedError(f"the subscription to {packet.requests[0].topic_filter} was refused", codes[0])

    async def _exchange(
        self, source: MqttConnection, target: MqttConnection, remote: MqttConnection, relay: Relay, connack: Connack
    ) -> None:
        self.is_connected = True
        self.figures.problem = ""
        self._log.info("bridge connected", server=str(self._server))
        keepalive = self._bridge.keepalive if connack.server_keepalive < 0 else connack.server_keepalive
        exchange = _Exchange(source, target, remote, relay)
        async with trio.open_nursery() as nursery:
            scope = nursery.cancel_scope
            nursery.start_soon(exchange.pump, source, relay.from_source, scope)
            nursery.start_soon(exchange.pump, target, relay.from_target, scope)
            if keepalive:
                nursery.start_soon(exchange.keep_alive, float(keepalive), scope)
        if exchange.problem is not None:
            raise exchange.problem


class _Exchange:
    """Two tasks that read, and what both have to send."""

    def __init__(self, source: MqttConnection, target: MqttConnection, remote: MqttConnection, relay: Relay) -> None:
        self._source = source
        self._target = target
        self._remote = remote
        self._relay = relay
        self._heard_at = trio.current_time()
        self.problem: MqttFailedError | None = None

    async def pump(
        self, connection: MqttConnection, handle: Callable[[Sequence[Packet]], None], scope: trio.CancelScope
    ) -> None:
        try:
            while True:
                packets = await connection.receive()
                if connection is self._remote:
                    self._heard_at = trio.current_time()
                handle(packets)
                to_source, to_target = self._relay.take()
                if to_target:
                    await self._target.send(to_target)
                if to_source:
                    await self._source.send(to_source)
                for packet in packets:
                    if isinstance(packet, Disconnect):
                        raise MqttFailedError(ended_by(packet), packet.reason_code)
        except MqttFailedError as error:
            self.problem = self.problem or error
            scope.cancel()

    async def keep_alive(self, keepalive_s: float, scope: trio.CancelScope) -> None:
        """PINGREQ, and the end of a connection on which nothing comes any more."""
        while True:
            await trio.sleep(keepalive_s / 2)
            if trio.current_time() - self._heard_at > keepalive_s * 1.5:
                self.problem = self.problem or MqttFailedError("no PINGRESP in time")
                scope.cancel()
                return
            try:
                with trio.move_on_after(keepalive_s / 2):  # somebody may wait for room to send
                    await self._remote.send([Pingreq()])
            except MqttFailedError as error:
                self.problem = self.problem or error
                scope.cancel()
                return


@contextmanager
def _deadline(seconds: float, text: str) -> Iterator[None]:
    """``trio.fail_after`` whose error is an ``MqttFailedError`` that says ``text``."""
    try:
        with trio.fail_after(seconds):
            yield
    except trio.TooSlowError:
        raise MqttFailedError(text) from None
