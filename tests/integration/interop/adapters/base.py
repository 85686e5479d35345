"""What every client library must be able to do for the interop scenarios, in one vocabulary."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

V31 = 3
V311 = 4
V5 = 5

# Generous, because CI machines stall; a test that passes never waits for it.
STEP_TIMEOUT_S = 40.0

WEBSOCKET_PATH = "/mqtt"


@dataclass(frozen=True, slots=True)
class PublishProperties:
    """The MQTT 5 PUBLISH properties that must travel unchanged from publisher to subscriber."""

    payload_format: int | None = None
    message_expiry_s: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user: tuple[tuple[str, str], ...] = ()
    subscription_ids: tuple[int, ...] = ()


NO_PROPERTIES = PublishProperties()


@dataclass(frozen=True, slots=True)
class Message:
    """One application message, as published or as received."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: PublishProperties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Will:
    """A will; `delay_s` needs MQTT 5."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    delay_s: int = 0


@dataclass(frozen=True, slots=True)
class Door:
    """A listener: its address, whether MQTT travels over WebSocket there, and the authority of its certificate.

    ``cafile`` is empty where there is no TLS.
    """

    address: tuple[str, int]
    websocket: bool = False
    cafile: str = ""

    def context(self) -> ssl.SSLContext | None:
        """What a client trusts; None without TLS."""
        return ssl.create_default_context(cafile=self.cafile) if self.cafile else None

    def authority(self) -> str:
        """The authority's certificate as PEM."""
        return Path(self.cafile).read_text()


@dataclass(frozen=True, slots=True)
class Connect:
    """Everything a scenario may ask of a connection."""

    door: Door
    client_id: str
    version: int
    clean: bool = True
    session_expiry_s: int = 0
    will: Will | None = None

    @property
    def host(self) -> str:
        """Where to connect."""
        return self.door.address[0]

    @property
    def port(self) -> int:
        """The port there."""
        return self.door.address[1]


@dataclass(frozen=True, slots=True)
class Subscribe:
    """One topic filter with its subscription options (the last four need MQTT 5)."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0
    identifier: int | None = None


class ConnectRefused(Exception):
    """The broker answered CONNECT with something else than success."""

    def __init__(self, reason_code: int) -> None:
        super().__init__(f"CONNECT refused with 0x{reason_code:02x}")
        self.reason_code = reason_code


@dataclass(slots=True)
class Inbox:
    """The messages a client received and nobody has looked at yet."""

    queue: asyncio.Queue[Message] = field(default_factory=asyncio.Queue)

    def put(self, message: Message) -> None:
        self.queue.put_nowait(message)

    async def get(self) -> Message:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            return await self.queue.get()

    def is_empty(self) -> bool:
        return self.queue.empty()


class InteropClient(ABC):
    """One connection of one library; `connect` is called once per object."""

    def __init__(self, options: Connect) -> None:
        self.options = options
        self.inbox = Inbox()

    @abstractmethod
    async def connect(self) -> bool | None:
        """Connect and return session present (None: the library doesn't tell)."""

    @abstractmethod
    async def subscribe(self, subscription: Subscribe) -> int:
        """Subscribe, wait for SUBACK and return its reason code."""

    @abstractmethod
    async def unsubscribe(self, topic_filter: str) -> None:
        """Unsubscribe and wait for UNSUBACK."""

    @abstractmethod
    async def publish_all(self, messages: list[Message]) -> None:
        """Publish in order, pipelined as the library allows, and wait until all are acknowledged."""

    async def publish(self, message: Message) -> None:
        """Publish one message and wait until it is acknowledged (QoS 1 and 2)."""
        await self.publish_all([message])

    @abstractmethod
    async def disconnect(self) -> None:
        """Send DISCONNECT and close."""

    @abstractmethod
    async def abandon(self) -> None:
        """Free threads and tasks in whatever state the connection is; usually it is lost already."""

    async def receive(self) -> Message:
        return await self.inbox.get()

    async def receive_many(self, count: int) -> list[Message]:
        return [await self.inbox.get() for _ in range(count)]
