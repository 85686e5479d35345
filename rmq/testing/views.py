"""What a broker shows to tests: messages, clients, sessions and subscriptions, as plain values that never change."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from rmq.engine.broker import Broker
from rmq.mqtt import message as engine_message
from rmq.mqtt.codes import V5, V31, V311
from rmq.mqtt.properties import Properties, decode_block
from rmq.session import session as engine_session

PROTOCOLS: Final = {V31: "3.1", V311: "3.1.1", V5: "5.0"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it was published.

    ``publisher`` is the client id, "" for what the test, a plugin or the broker itself published. ``published_at`` and
    ``expires_at`` are seconds since 1970 on the broker's clock; ``expires_at`` 0.0 means never.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    publisher: str
    published_at: float
    expires_at: float = 0.0
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    user_properties: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The payload as UTF-8 text; ``UnicodeDecodeError`` when it isn't."""
        return self.payload.decode()

    def json(self) -> Any:
        """The payload parsed as JSON; ``ValueError`` when it isn't."""
        return json.loads(self.payload)


@dataclass(frozen=True, slots=True)
class Client:
    """One connected client. ``protocol`` is "3.1", "3.1.1" or "5.0"; ``keepalive`` in seconds, as in force."""

    client_id: str
    username: str | None
    protocol: str
    keepalive: int
    clean_start: bool
    connected_at: float
    address: tuple[str, int]
    listener: str


@dataclass(frozen=True, slots=True)
class Session:
    """One session, with or without a connection.

    ``expiry_interval`` in seconds, 0 when it ends with its connection, 0xFFFFFFFF when it never does. ``pending``
    counts the QoS 1 and 2 messages that wait for the client or for its acknowledgement.
    """

    client_id: str
    connected: bool
    expiry_interval: int
    pending: int


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription; ``topic_filter`` is as the client wrote it, ``subscription_id`` 0 when there is none."""

    client_id: str
    topic_filter: str
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0
    subscription_id: int = 0


def view_message(message: engine_message.Message) -> Message:
    """An application message of the engine."""
    properties = decode_block(message.properties) if message.properties else Properties()
    return Message(
        message.topic,
        message.payload,
        message.qos,
        message.retain,
        message.publisher,
        message.created_at,
        message.expires_at,
        properties.content_type,
        properties.response_topic,
        properties.correlation_data,
        tuple(properties.user_properties),
    )


def view_clients(broker: Broker) -> list[Client]:
    """The connected clients in the order in which they connected."""
    infos = [channel.info for channel in broker.registry]
    return [
        Client(
            info.client_id,
            info.username,
            PROTOCOLS.get(info.protocol_level, str(info.protocol_level)),
            info.keepalive,
            info.clean_start,
            info.connected_at,
            (info.remote_host, info.remote_port),
            info.listener,
        )
        for info in infos
        if info is not None
    ]


def view_sessions(broker: Broker) -> list[Session]:
    """All sessions, by client id."""
    found = []
    for session in _sessions(broker):
        pending = 0 if session.outbound is None else len(session.outbound)
        found.append(Session(session.client_id, session.channel is not None, session.expiry_interval, pending))
    return sorted(found, key=lambda session: session.client_id)


def view_subscriptions(broker: Broker) -> list[Subscription]:
    """All subscriptions, by client id and in the order in which each client made them."""
    return [
        Subscription(
            session.client_id,
            subscription.key,
            subscription.qos,
            subscription.no_local,
            subscription.retain_as_published,
            subscription.retain_handling,
            subscription.subscription_id,
        )
        for session in sorted(_sessions(broker), key=lambda session: session.client_id)
        for subscription in (session.subscriptions or {}).values()
    ]


def _sessions(broker: Broker) -> Iterator[engine_session.Session]:
    yield from broker.state.sessions.values()
    for channel in broker.registry:
        session = channel.session
        if session is not None and not session.persistent:
            yield session
