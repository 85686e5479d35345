"""aiomqtt 2: an asyncio context manager around paho's protocol code, driven by the event loop itself."""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
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


class AiomqttClient(InteropClient):
    """aiomqtt does not show the session present flag, so `connect` returns None."""

    def __init__(self, options: Connect) -> None:
        super().__init__(options)
        v5 = options.version == V5
        will = None
        if options.will is not None:
            will = aiomqtt.Will(
                options.will.topic,
                options.will.payload,
                options.will.qos,
                options.will.retain,
                will_properties(options.will) if v5 else None,
            )
        self._client = aiomqtt.Client(
            options.host,
            options.port,
            identifier=options.client_id,
            protocol=aiomqtt.ProtocolVersion(options.version),
            will=will,
            clean_session=None if v5 else options.clean,
            clean_start=options.clean if v5 else MQTT_CLEAN_START_FIRST_ONLY,
            properties=connect_properties(options) if v5 else None,
            timeout=STEP_TIMEOUT_S,
            transport="websockets" if options.door.websocket else "tcp",
            websocket_path=WEBSOCKET_PATH if options.door.websocket else None,
            tls_context=options.door.context(),
        )
        # Its own warning level for calls in flight; a pipelined publisher is no mistake here.
        self._client.pending_calls_threshold = 10_000
        self._reader: asyncio.Task[None] | None = None

    async def connect(self) -> bool | None:
        try:
            await self._client.__aenter__()
        except aiomqtt.MqttCodeError as refused:
            code = refused.rc
            raise ConnectRefused(cast("int", code.value if isinstance(code, ReasonCode) else code)) from refused
        self._reader = asyncio.create_task(self._read())
        return None

    async def subscribe(self, subscription: Subscribe) -> int:
        if self.options.version == V5:
            granted = await self._client.subscribe(
                subscription.topic_filter,
                options=subscribe_options(subscription),
                properties=subscribe_properties(subscription),
            )
        else:
            granted = await self._client.subscribe(subscription.topic_filter, subscription.qos)
        first = granted[0]
        return first.value if isinstance(first, ReasonCode) else first

    async def unsubscribe(self, topic_filter: str) -> None:
        await self._client.unsubscribe(topic_filter)

    async def publish_all(self, messages: list[Message]) -> None:
        v5 = self.options.version == V5
        async with asyncio.TaskGroup() as group:
            for message in messages:
                properties = publish_properties(message.properties) if v5 else None
                group.create_task(
                    self._client.publish(message.topic, message.payload, message.qos, message.retain, properties)
                )

    async def disconnect(self) -> None:
        await self._client.__aexit__(None, None, None)
        await self.abandon()

    async def abandon(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await self._reader

    async def _read(self) -> None:
        async for received in self._client.messages:
            properties = received.properties if self.options.version == V5 else None
            self.inbox.put(
                Message(
                    str(received.topic),
                    received.payload,
                    received.qos,
                    received.retain,
                    received_properties(properties),
                )
            )
