"""mqtt.js on node: one node process per test runs all its clients, driven by JSON lines (js/driver.js)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from pathlib import Path
from typing import cast

from .base import (
    NO_PROPERTIES,
    STEP_TIMEOUT_S,
    V5,
    V31,
    WEBSOCKET_PATH,
    Connect,
    ConnectRefused,
    Inbox,
    InteropClient,
    Message,
    PublishProperties,
    Subscribe,
)

JS_DIRECTORY = Path(__file__).parent.parent / "js"

# One line carries a whole batch of messages, base64 inside.
LINE_LIMIT_BYTES = 64 * 1024 * 1024

# What mqtt.js calls the transports, by whether there is WebSocket and whether there is TLS.
PROTOCOLS = {(False, False): "mqtt", (False, True): "mqtts", (True, False): "ws", (True, True): "wss"}

Json = dict[str, object]


class NodeProcess:
    """The node process of one test: matches answers to requests and sorts messages by client."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._requests = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Json]] = {}
        self._inboxes: dict[str, Inbox] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls) -> NodeProcess:
        return cls(
            await asyncio.create_subprocess_exec(
                "node",
                "driver.js",
                cwd=JS_DIRECTORY,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LINE_LIMIT_BYTES,
            )
        )

    async def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(STEP_TIMEOUT_S):
            await self._process.wait()
            await self._reader

    def attach(self, client_key: str, inbox: Inbox) -> None:
        self._inboxes[client_key] = inbox

    async def call(self, action: str, client_key: str, **arguments: object) -> Json:
        assert self._process.stdin is not None
        request = next(self._requests)
        future = self._pending[request] = asyncio.get_running_loop().create_future()
        command = {"action": action, "request": request, "client": client_key, **arguments}
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(STEP_TIMEOUT_S):
            answer: Json = await future
        return answer

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            event: Json = json.loads(line)
            if "message" in event:
                self._inboxes[str(event["message"])].put(_message(event))
            else:
                self._pending.pop(cast("int", event["answer"])).set_result(event)
        for future in self._pending.values():
            future.set_exception(ConnectionError("node ended before it answered; see its stderr above"))


class MqttJsError(Exception):
    """mqtt.js reported an error."""


class MqttJsClient(InteropClient):
    """One mqtt.js client inside the test's node process."""

    def __init__(self, options: Connect, node: NodeProcess, key: str) -> None:
        super().__init__(options)
        self._node = node
        self._key = key
        node.attach(key, self.inbox)

    async def connect(self) -> bool | None:
        options = self.options
        request: Json = {
            "protocol": PROTOCOLS[options.door.websocket, bool(options.door.cafile)],
            "host": options.host,
            "port": options.port,
            "clientId": options.client_id,
            "protocolVersion": options.version,
            "protocolId": "MQIsdp" if options.version == V31 else "MQTT",
            "clean": options.clean,
            "connectTimeout": int(STEP_TIMEOUT_S * 1000),
        }
        if options.door.websocket:
            request["path"] = WEBSOCKET_PATH
        if options.door.cafile:
            request["ca"] = options.door.authority()
        if options.version == V5:
            request["properties"] = {"sessionExpiryInterval": options.session_expiry_s}
        if options.will is not None:
            will: Json = {
                "topic": options.will.topic,
                "payload": options.will.payload.decode(),
                "qos": options.will.qos,
                "retain": options.will.retain,
            }
            if options.version == V5:
                will["properties"] = {"willDelayInterval": options.will.delay_s}
            request["will"] = will
        answer = await self._node.call("connect", self._key, options=request)
        if isinstance(answer.get("code"), int):
            raise ConnectRefused(cast("int", answer["code"]))
        return cast("bool", _checked(answer)["sessionPresent"])

    async def subscribe(self, subscription: Subscribe) -> int:
        properties: Json = {}
        if subscription.identifier is not None:
            properties["subscriptionIdentifier"] = subscription.identifier
        answer = await self._node.call(
            "subscribe",
            self._key,
            filter=subscription.topic_filter,
            qos=subscription.qos,
            nl=subscription.no_local,
            rap=subscription.retain_as_published,
            rh=subscription.retain_handling,
            properties=properties or None,
        )
        return cast("int", _checked(answer)["granted"])

    async def unsubscribe(self, topic_filter: str) -> None:
        _checked(await self._node.call("unsubscribe", self._key, filter=topic_filter))

    async def publish_all(self, messages: list[Message]) -> None:
        v5 = self.options.version == V5
        batch = [
            {
                "topic": message.topic,
                "payload": base64.b64encode(message.payload).decode(),
                "qos": message.qos,
                "retain": message.retain,
                "properties": _publish_properties(message.properties) if v5 else None,
            }
            for message in messages
        ]
        _checked(await self._node.call("publish", self._key, messages=batch))

    async def disconnect(self) -> None:
        _checked(await self._node.call("disconnect", self._key))

    async def abandon(self) -> None:
        _checked(await self._node.call("abandon", self._key))


def _checked(answer: Json) -> Json:
    if "error" in answer:
        raise MqttJsError(str(answer["error"]))
    return answer


def _message(event: Json) -> Message:
    return Message(
        cast("str", event["topic"]),
        base64.b64decode(cast("str", event["payload"])),
        cast("int", event["qos"]),
        cast("bool", event["retain"]),
        _received_properties(cast("Json", event["properties"])),
    )


def _publish_properties(source: PublishProperties) -> Json | None:
    named: dict[str, object | None] = {
        # mqtt.js takes a boolean here and writes it as 0 or 1.
        "payloadFormatIndicator": None if source.payload_format is None else source.payload_format == 1,
        "messageExpiryInterval": source.message_expiry_s,
        "contentType": source.content_type,
        "responseTopic": source.response_topic,
        "correlationData": None
        if source.correlation_data is None
        else base64.b64encode(source.correlation_data).decode(),
        "userProperties": _grouped(source.user) or None,
    }
    return {name: value for name, value in named.items() if value is not None} or None


def _grouped(pairs: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    """mqtt.js keeps user properties as an object: repeated names become a list."""
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _received_properties(properties: Json) -> PublishProperties:
    if not properties:
        return NO_PROPERTIES
    user: list[tuple[str, str]] = []
    for name, values in cast("dict[str, str | list[str]]", properties.get("userProperties", {})).items():
        user.extend((name, value) for value in ([values] if isinstance(values, str) else values))
    correlation = cast("str | None", properties.get("correlationData"))
    payload_format = properties.get("payloadFormatIndicator")
    identifiers = cast("int | list[int] | None", properties.get("subscriptionIdentifier"))
    if identifiers is None:
        identifiers = []
    elif isinstance(identifiers, int):
        identifiers = [identifiers]
    return PublishProperties(
        payload_format=None if payload_format is None else int(bool(payload_format)),
        message_expiry_s=cast("int | None", properties.get("messageExpiryInterval")),
        content_type=cast("str | None", properties.get("contentType")),
        response_topic=cast("str | None", properties.get("responseTopic")),
        correlation_data=None if correlation is None else base64.b64decode(correlation),
        user=tuple(user),
        subscription_ids=tuple(identifiers),
    )
