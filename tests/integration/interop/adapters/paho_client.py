"""paho-mqtt 2 with its own network thread, bridged into the test's event loop."""

from __future__ import annotations

import asyncio

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from .base import STEP_TIMEOUT_S, V5, WEBSOCKET_PATH, Connect, ConnectRefused, InteropClient, Message, Subscribe
from .paho_wire import (
    connect_properties,
    publish_properties,
    received_properties,
    subscribe_options,
    subscribe_properties,
    will_properties,
)


class PahoClient(InteropClient):
    """Callbacks run in paho's thread; each hands its result to a future of the test's loop."""

    def __init__(self, options: Connect) -> None:
        super().__init__(options)
        self._loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[tuple[bool, int]] = self._loop.create_future()
        self._answers: dict[int, asyncio.Future[list[int]]] = {}
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            clean_session=None if options.version == V5 else options.clean,
            protocol=MQTTProtocolVersion(options.version),
            transport="websockets" if options.door.websocket else "tcp",
            reconnect_on_failure=False,
        )
        if options.door.websocket:
            self._client.ws_set_options(WEBSOCKET_PATH)
        if options.door.cafile:
            self._client.tls_set(options.door.cafile)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_answer
        self._client.on_unsubscribe = self._on_answer
        self._client.on_message = self._on_message
        if options.will is not None:
            self._client.will_set(
                options.will.topic,
                options.will.payload,
                options.will.qos,
                options.will.retain,
                will_properties(options.will) if options.version == V5 else None,
            )

    async def connect(self) -> bool | None:
        # In a thread: it shakes hands (TLS, WebSocket) before it returns, perhaps through a relay of this loop.
        await asyncio.to_thread(self._connect)
        self._client.loop_start()
        async with asyncio.timeout(STEP_TIMEOUT_S):
            session_present, reason_code = await self._connected
        if reason_code != 0:
            raise ConnectRefused(reason_code)
        return session_present

    def _connect(self) -> None:
        options = self.options
        if options.version == V5:
            self._client.connect(
                options.host, options.port, clean_start=options.clean, properties=connect_properties(options)
            )
        else:
            self._client.connect(options.host, options.port)

    async def subscribe(self, subscription: Subscribe) -> int:
        if self.options.version == V5:
            result, packet_id = self._client.subscribe(
                subscription.topic_filter,
                options=subscribe_options(subscription),
                properties=subscribe_properties(subscription),
            )
        else:
            result, packet_id = self._client.subscribe(subscription.topic_filter, subscription.qos)
        return (await self._answer(result, packet_id))[0]

    async def unsubscribe(self, topic_filter: str) -> None:
        result, packet_id = self._client.unsubscribe(topic_filter)
        await self._answer(result, packet_id)

    async def publish_all(self, messages: list[Message]) -> None:
        v5 = self.options.version == V5
        sent = [
            self._client.publish(
                message.topic,
                message.payload,
                message.qos,
                message.retain,
                publish_properties(message.properties) if v5 else None,
            )
            for message in messages
        ]
        for handle in sent:
            await asyncio.to_thread(handle.wait_for_publish, STEP_TIMEOUT_S)
            assert handle.is_published(), f"no acknowledgement for packet id {handle.mid}"

    async def disconnect(self) -> None:
        await self.abandon()

    async def abandon(self) -> None:
        # loop_stop lets the thread finish the connection first, and only disconnect ends that.
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    async def _answer(self, result: MQTTErrorCode, packet_id: int | None) -> list[int]:
        assert result == MQTTErrorCode.MQTT_ERR_SUCCESS, f"paho refused to send: {result}"
        assert packet_id is not None
        # The answer's callback is posted to this loop, so it cannot run between the call and this line.
        future = self._answers.setdefault(packet_id, self._loop.create_future())
        async with asyncio.timeout(STEP_TIMEOUT_S):
            codes = await future
        del self._answers[packet_id]
        return codes

    def _on_connect(
        self,
        client: paho.Client,
        userdata: object,
        flags: paho.ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        outcome = (bool(flags.session_present), reason_code.value)
        self._loop.call_soon_threadsafe(self._connected.set_result, outcome)

    def _on_answer(
        self,
        client: paho.Client,
        userdata: object,
        packet_id: int,
        reason_codes: list[ReasonCode],
        properties: Properties | None,
    ) -> None:
        codes = [code.value for code in reason_codes]
        self._loop.call_soon_threadsafe(self._resolve, packet_id, codes)

    def _resolve(self, packet_id: int, codes: list[int]) -> None:
        self._answers.setdefault(packet_id, self._loop.create_future()).set_result(codes)

    def _on_message(self, client: paho.Client, userdata: object, received: paho.MQTTMessage) -> None:
        properties = received.properties if self.options.version == V5 else None
        message = Message(
            received.topic, bytes(received.payload), received.qos, received.retain, received_properties(properties)
        )
        self._loop.call_soon_threadsafe(self.inbox.put, message)
