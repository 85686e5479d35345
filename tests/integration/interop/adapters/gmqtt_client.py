"""gmqtt: an independent asyncio implementation of MQTT 3.1.1 and 5 (no paho underneath), over TCP and TLS only."""

from __future__ import annotations

import asyncio
import ssl

import gmqtt
from gmqtt.mqtt.handler import MQTTConnectError
from gmqtt.storage import PersistentStorage

from .base import STEP_TIMEOUT_S, V5, Connect, ConnectRefused, InteropClient, Message, PublishProperties, Subscribe

# gmqtt never holds back a publisher: it fails when as many messages are unacknowledged as the broker's
# receive maximum allows, so a polite user keeps below the smallest sensible one.
PIPELINE = 8

PropertyValue = int | str | bytes | list[tuple[str, str]]


class GmqttClient(InteropClient):
    """gmqtt reconnects for ever by default; the scenarios want to see a lost connection, so that is off."""

    def __init__(self, options: Connect) -> None:
        super().__init__(options)
        will = None
        if options.will is not None:
            delay = {"will_delay_interval": options.will.delay_s} if options.version == V5 else {}
            will = gmqtt.Message(
                options.will.topic, options.will.payload, options.will.qos, options.will.retain, **delay
            )
        expiry = {"session_expiry_interval": options.session_expiry_s} if options.version == V5 else {}
        # The storage is the library's documented extension point and the only way to await acknowledgements.
        self._unacknowledged = PersistentStorage()
        self._client = gmqtt.Client(
            options.client_id,
            clean_session=options.clean,
            will_message=will,
            persistent_storage=self._unacknowledged,
            **expiry,
        )
        # -1 means for ever and 0 still one more connection; a second one would take the session over again.
        self._client.set_config({"reconnect_retries": -2})
        self._session_present = False
        self._answers: dict[int, asyncio.Future[list[int]]] = {}
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.on_subscribe = self._on_subscribe
        self._client.on_unsubscribe = self._on_unsubscribe

    async def connect(self) -> bool | None:
        try:
            async with asyncio.timeout(STEP_TIMEOUT_S):
                options = self.options
                context = options.door.context() or False
                await self._client.connect(options.host, options.port, ssl=context, version=options.version)
        except MQTTConnectError as refused:
            raise ConnectRefused(refused._code) from refused
        return self._session_present

    async def subscribe(self, subscription: Subscribe) -> int:
        packet_id = self._client.subscribe(
            gmqtt.Subscription(
                subscription.topic_filter,
                qos=subscription.qos,
                no_local=subscription.no_local,
                retain_as_published=subscription.retain_as_published,
                retain_handling_options=subscription.retain_handling,
                subscription_identifier=subscription.identifier,
            )
        )
        return (await self._answer(packet_id))[0]

    async def unsubscribe(self, topic_filter: str) -> None:
        # As bytes: gmqtt counts characters, not bytes, for the length of a text filter here.
        await self._answer(self._client.unsubscribe([topic_filter.encode()]))

    async def publish_all(self, messages: list[Message]) -> None:
        for position, message in enumerate(messages, 1):
            self._client.publish(
                message.topic,
                message.payload,
                qos=message.qos,
                retain=message.retain,
                **publish_properties(message.properties),
            )
            if position % PIPELINE == 0:
                await self._all_acknowledged()
        await self._all_acknowledged()

    async def disconnect(self) -> None:
        await self.abandon()

    async def abandon(self) -> None:
        try:
            await self._client.disconnect()
        except ssl.SSLError as error:
            # What the node had sent before it heard of the end, a PUBCOMP for instance: asyncio makes that an error.
            if error.reason != "APPLICATION_DATA_AFTER_CLOSE_NOTIFY":
                raise

    async def _all_acknowledged(self) -> None:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            await self._unacknowledged.wait_empty()

    async def _answer(self, packet_id: int) -> list[int]:
        future = self._answers[packet_id] = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(STEP_TIMEOUT_S):
            codes: list[int] = await future
        return codes

    def _on_connect(self, client: object, flags: int, reason_code: int, properties: object) -> None:
        self._session_present = bool(flags & 1)

    def _on_subscribe(self, client: object, packet_id: int, codes: tuple[int, ...], properties: object) -> None:
        self._answers.pop(packet_id).set_result(list(codes))

    def _on_unsubscribe(self, client: object, packet_id: int, codes: tuple[int, ...]) -> None:
        self._answers.pop(packet_id).set_result(list(codes))

    def _on_message(
        self, client: object, topic: str, payload: bytes, qos: int, properties: dict[str, list[object]]
    ) -> None:
        retain = bool(properties["retain"])
        self.inbox.put(Message(topic, bytes(payload), qos, retain, received_properties(properties)))


def publish_properties(source: PublishProperties) -> dict[str, PropertyValue]:
    named: dict[str, PropertyValue | None] = {
        "payload_format_id": source.payload_format,
        "message_expiry_interval": source.message_expiry_s,
        "content_type": source.content_type,
        "response_topic": source.response_topic,
        "correlation_data": source.correlation_data,
        "user_property": list(source.user) or None,
    }
    return {name: value for name, value in named.items() if value is not None}


def received_properties(properties: dict[str, list[object]]) -> PublishProperties:
    def one_int(name: str) -> int | None:
        values = properties.get(name)
        return int(str(values[0])) if values else None

    def one_text(name: str) -> str | None:
        values = properties.get(name)
        return str(values[0]) if values else None

    correlation = properties.get("correlation_data")
    user: list[tuple[str, str]] = []
    for entry in properties.get("user_property", []):
        assert isinstance(entry, tuple)
        user.append((str(entry[0]), str(entry[1])))
    return PublishProperties(
        payload_format=one_int("payload_format_id"),
        message_expiry_s=one_int("message_expiry_interval"),
        content_type=one_text("content_type"),
        response_topic=one_text("response_topic"),
        correlation_data=bytes(correlation[0]) if correlation and isinstance(correlation[0], bytes) else None,
        user=tuple(user),
        subscription_ids=tuple(int(str(value)) for value in properties.get("subscription_identifier", [])),
    )
