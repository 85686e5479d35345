"""Valid client packets of MQTT 3.1, 3.1.1 and 5 in the order of whole sessions: what the mutators start from.

A frame keeps its properties apart from the bytes around them, so that a mutator can duplicate, swap or add one
without breaking the rest of the packet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.support import wire
from tests.support.packet_notation import V5, V31, V311

LEVELS = (V31, V311, V5)
TOPIC_GROUPS = 8

USER = (wire.USER_PROPERTY, ("name", "värde"))


@dataclass(frozen=True, slots=True)
class Frame:
    """One packet; `properties` is None where the packet has no property block."""

    first_byte: int
    before: bytes
    properties: tuple[wire.Property, ...] | None = None
    after: bytes = b""

    def body(self) -> bytes:
        block = b"" if self.properties is None else wire.properties_block(self.properties)
        return self.before + block + self.after

    def encode(self) -> bytes:
        return wire.raw(self.first_byte, self.body())


@dataclass(frozen=True, slots=True)
class Session:
    """A valid CONNECT and the packets that may follow it."""

    level: int
    connect: Frame
    frames: tuple[Frame, ...]


def connect(
    level: int,
    client_id: str,
    *,
    clean: bool = True,
    properties: Sequence[wire.Property] = (),
    will: wire.Will | None = None,
    login: tuple[str, bytes] | None = None,
) -> Frame:
    flags = (0x02 if clean else 0) | (0xC0 if login else 0)
    after = wire.string(client_id)
    if will is not None:
        flags |= 0x04 | will.qos << 3 | (0x20 if will.retain else 0)
        after += wire.properties_block(will.properties) if level == V5 else b""
        after += wire.string(will.topic) + wire.string(will.payload)
    if login is not None:
        after += wire.string(login[0]) + wire.string(login[1])
    name = "MQIsdp" if level == V31 else "MQTT"
    before = wire.string(name) + bytes([level, flags]) + (300).to_bytes(2, "big")
    return Frame(0x10, before, tuple(properties) if level == V5 else None, after)


def publish(
    level: int,
    topic: str,
    payload: bytes,
    *,
    qos: int = 0,
    packet_id: int = 0,
    flags: int = 0,
    properties: Sequence[wire.Property] = (),
) -> Frame:
    before = wire.string(topic) + (packet_id.to_bytes(2, "big") if qos else b"")
    return Frame(0x30 | qos << 1 | flags, before, tuple(properties) if level == V5 else None, payload)


def _acknowledgement(level: int, first_byte: int, packet_id: int, reason: int = 0) -> Frame:
    before = packet_id.to_bytes(2, "big")
    if level != V5:
        return Frame(first_byte, before)
    return Frame(first_byte, before + bytes([reason]), ((wire.REASON_STRING, "why"), USER))


def _subscribe(level: int, packet_id: int, entries: Sequence[tuple[str, int]], identifier: int = 0) -> Frame:
    after = b"".join(wire.string(name) + bytes([options]) for name, options in entries)
    properties: tuple[wire.Property, ...] | None = None
    if level == V5:
        properties = ((wire.SUBSCRIPTION_ID, identifier), USER) if identifier else (USER,)
    return Frame(0x82, packet_id.to_bytes(2, "big"), properties, after)


def _unsubscribe(level: int, packet_id: int, names: Sequence[str]) -> Frame:
    after = b"".join(wire.string(name) for name in names)
    return Frame(0xA2, packet_id.to_bytes(2, "big"), (USER, USER) if level == V5 else None, after)


def _publishes(level: int, base: str) -> list[Frame]:
    rich: tuple[wire.Property, ...] = (
        (wire.PAYLOAD_FORMAT, 1),
        (wire.MESSAGE_EXPIRY, 300),
        (wire.CONTENT_TYPE, "text/plain"),
        (wire.RESPONSE_TOPIC, f"{base}/answer"),
        (wire.CORRELATION_DATA, b"\x00\x01\xff"),
        USER,
        USER,
    )
    frames = [
        publish(level, f"{base}/a", b"zero"),
        publish(level, f"{base}/a/b", b"one", qos=1, packet_id=10),
        publish(level, f"{base}/a", b"two", qos=2, packet_id=11, properties=rich),
        _acknowledgement(level, 0x62, 11),
        publish(level, f"{base}/kept", b"kept", qos=1, packet_id=12, flags=1, properties=rich),
        publish(level, f"{base}/kept", b"", flags=1),
        publish(level, f"{base}/Ω/😀", "tvåhundra".encode() * 20, qos=2, packet_id=13, flags=8),
        publish(level, f"{base}/a", bytes(range(256)) * 4, qos=1, packet_id=14),
        _acknowledgement(level, 0x62, 13),
    ]
    if level == V5:
        frames += [
            publish(level, f"{base}/alias", b"set", qos=1, packet_id=15, properties=((wire.TOPIC_ALIAS, 1),)),
            publish(level, "", b"use", properties=((wire.TOPIC_ALIAS, 1), USER)),
        ]
    return frames


def _session_frames(level: int, base: str) -> tuple[Frame, ...]:
    options = 0x01 | wire.NO_LOCAL | wire.RETAIN_AS_PUBLISHED | wire.RETAIN_ONLY_IF_NEW if level == V5 else 1
    return (
        _subscribe(level, 1, [(f"{base}/a", 2)]),
        _subscribe(level, 2, [(f"{base}/#", 1), (f"{base}/+/b", 0), (f"{base}/a", options)], identifier=300),
        _subscribe(level, 3, [(f"$share/group/{base}/+", 1)]),
        *_publishes(level, base),
        # Answers to the PUBLISH packets that the subscriptions above bring: in and out of place.
        _acknowledgement(level, 0x40, 1),
        _acknowledgement(level, 0x50, 2, 0x10),
        _acknowledgement(level, 0x70, 2),
        Frame(0x40, b"\x00\x03"),
        Frame(0x50, b"\x00\x04"),
        Frame(0x70, b"\x00\x04"),
        _unsubscribe(level, 4, [f"{base}/a", f"{base}/#"]),
        _unsubscribe(level, 5, [f"$share/group/{base}/+"]),
        Frame(0xC0, b""),
        Frame(0xE0, b"\x00", ((wire.SESSION_EXPIRY, 0), (wire.REASON_STRING, "bye"), USER))
        if level == V5
        else Frame(0xE0, b""),
    )


def _connects(level: int, client_id: str, base: str) -> list[Frame]:
    delay = ((wire.WILL_DELAY, 1), (wire.MESSAGE_EXPIRY, 10), (wire.CONTENT_TYPE, "w"), USER) if level == V5 else ()
    will = wire.Will(f"{base}/will", b"gone", 1, properties=delay)
    rich: tuple[wire.Property, ...] = (
        (wire.SESSION_EXPIRY, 5),
        (wire.RECEIVE_MAXIMUM, 10),
        (wire.MAXIMUM_PACKET_SIZE, 4096),
        (wire.TOPIC_ALIAS_MAXIMUM, 10),
        (wire.REQUEST_RESPONSE_INFO, 1),
        (wire.REQUEST_PROBLEM_INFO, 0),
        USER,
        USER,
    )
    return [
        connect(level, client_id),
        connect(level, client_id, will=will, properties=rich),
        connect(level, client_id, will=wire.Will(f"{base}/will", b"", 2), login=("user", b"pass\x00word")),
        # Few and the same for all connections: their sessions are taken over again and again.
        connect(level, f"keep-{level}-{base[-1]}", clean=False, properties=rich),
    ]


def sessions(client_prefix: str) -> list[Session]:
    """Every kind of CONNECT at every level, each with the packets of a whole session behind it."""
    built: list[Session] = []
    for level in LEVELS:
        for group in range(TOPIC_GROUPS):
            base = f"fuzz/{group}"
            frames = _session_frames(level, base)
            for number, first in enumerate(_connects(level, f"{client_prefix}{level}{group}", base)):
                built.append(Session(level, first, frames))
                assert number < 4
    return built


AUTH = Frame(0xF0, b"\x18", ((wire.AUTH_METHOD, "X"), (wire.AUTH_DATA, b"\x00\xff"), USER))
