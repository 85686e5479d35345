"""One entry: connects to both brokers and relays."""

import ssl
from collections.abc import Callable, Sequence

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
from rmq_plugins.bridge_mqtt.relay import Relay
from rmq_plugins.bridge_mqtt.rewriting import Inward, Outward
from rmq_plugins.bridges.link import AgainError, Link, deadline
from rmq_plugins.bridges.own import OwnClient, have_subscribed
from rmq_plugins.bridges.place import Place


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


class MqttLink(Link):
    """``remote_id`` is the client id on the other broker; like ``client_id`` it names no node."""

    def __init__(
        self,
        host: PluginHost,
        place: Place,
        client_id: str,
        bridge: BridgeConfig,
        tls: ssl.SSLContext | None,
        remote_id: str,
        side: Callable[[], Side],
    ) -> None:
        self._server = Server(bridge.server)
        super().__init__(host, place, client_id, str(self._server), bridge.reconnect_interval)
        self._bridge = bridge
        self._tls = tls
        self._remote_id = remote_id
        self._side = side()
        self._own = OwnClient(host, client_id, bridge.session_retention, self._side.max_queue)
        self._own.receive_maximum = self._side.max_inflight
        self._forget_remote = False  # what the other broker knows of identifiers is about a session that is gone

    async def relay(self) -> None:
        """Connect both sides and relay until one of them ends."""
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
            await remote.close(Disconnect())

    async def _send_out(self, side: OutwardSide, remote: MqttConnection) -> None:
        local, _ = await self._connect_local(clean=False)
        try:
            if self._forget_remote:
                await self._wipe_remote()
                self._forget_remote = False
            connack = await self._connect_remote(remote, self._bridge.is_clean)
            taken = connack.receive_maximum
            if 0 < taken < self._own.receive_maximum:
                # The other broker takes fewer messages at a time than we were ready to send it [MQTT-3.3.4-9].
                self._own.receive_maximum = taken
                raise AgainError
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
                with deadline(self._bridge.connect_timeout, "no SUBACK in time"):
                    await have_subscribed(remote, side.subscribe)
                self._subscribed = True
            await self._exchange(remote, local, remote, Relay(side.rewrite(), side.qos, self.figures), connack)
        finally:
            await local.close(Disconnect())

    async def _connect_local(self, *, clean: bool) -> tuple[MqttConnection, Connack]:
        if isinstance(self._side, InwardSide):
            return await self._own.connect(clean=clean)
        connection, connack = await self._own.connect(
            clean=clean, subscribe=self._side.subscribe, even_if_kept=not self._subscribed
        )
        self._forget_remote = self._forget_remote or not connack.session_present
        return connection, connack

    async def _open_remote(self) -> MqttConnection:
        bridge = self._bridge
        most = bridge.v5.maximum_packet_size if bridge.version == V5 else 0
        with deadline(bridge.connect_timeout, "no connection in time"):
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
        with deadline(bridge.connect_timeout, "no CONNACK in time"):
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

    async def _exchange(
        self, source: MqttConnection, target: MqttConnection, remote: MqttConnection, relay: Relay, connack: Connack
    ) -> None:
        self.connected()
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
