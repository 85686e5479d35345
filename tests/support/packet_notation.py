"""The notation and the row type of the raw-byte packet case table.

A packet is written as text, so that a reader can compare it with the specification byte by byte:

    10 3c 00      hex digits are bytes (any even number of digits in a row)
    "a/b"         a UTF-8 string of MQTT: two bytes of length, then the bytes
    'hello'       bare bytes, no length
    ( ff fe )     binary data of MQTT: two bytes of length, then what the brackets hold
    [ ... ]       a variable byte integer with the length of what the brackets hold: remaining length, property length

``10 [ "MQTT" 05 02 003c [ 21 000a ] "c1" ]`` is a CONNECT of version 5 with Receive Maximum 10.
Wrong lengths are written by hand as hex digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

V31: Final = 3
V311: Final = 4
V5: Final = 5

VALID: Final = 0
CLOSE: Final = -1
"""Version 3: no answer, the connection is closed."""

DECODER: Final = "decoder"
FLOW: Final = "flow"
EITHER: Final = "either"

UNSUPPORTED_VERSION_V3: Final = 1
CLIENT_ID_REJECTED_V3: Final = 2

MALFORMED: Final = 0x81
PROTOCOL_ERROR: Final = 0x82
UNSUPPORTED_VERSION: Final = 0x84
CLIENT_ID_INVALID: Final = 0x85
BAD_AUTHENTICATION_METHOD: Final = 0x8C
TOPIC_FILTER_INVALID: Final = 0x8F
TOPIC_NAME_INVALID: Final = 0x90
TOPIC_ALIAS_INVALID: Final = 0x94

CONNECT_OF_LEVEL: Final = {
    V31: '10 [ "MQIsdp" 03 02 003c "case" ]',
    V311: '10 [ "MQTT" 04 02 003c "case" ]',
    V5: '10 [ "MQTT" 05 02 003c [ ] "case" ]',
}
"""What a test sends before every case that is not itself a CONNECT."""

_TOKEN: Final = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([\[\]()])|((?:[0-9a-fA-F]{2})+))""")


def varint(value: int) -> bytes:
    """The shortest variable byte integer of ``value``."""
    out = bytearray()
    while True:
        value, digit = divmod(value, 128)
        out.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(out)


def assemble(text: str) -> bytes:
    """The bytes of a packet in the notation of this module."""
    open_brackets: list[str] = []
    stack: list[bytearray] = [bytearray()]
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"not the notation at {position}: {text[position:]!r}")
        position = match.end()
        string, bare, bracket, digits = match.groups()
        if string is not None:
            raw = string.encode()
            stack[-1] += len(raw).to_bytes(2, "big") + raw
        elif bare is not None:
            stack[-1] += bare.encode()
        elif digits is not None:
            stack[-1] += bytes.fromhex(digits)
        elif bracket in "[(":
            open_brackets.append(bracket)
            stack.append(bytearray())
        else:
            if not open_brackets or open_brackets.pop() + bracket not in ("[]", "()"):
                raise ValueError(f"unbalanced brackets in {text!r}")
            body = stack.pop()
            stack[-1] += (varint(len(body)) if bracket == "]" else len(body).to_bytes(2, "big")) + body
    if open_brackets:
        raise ValueError(f"unbalanced brackets in {text!r}")
    return bytes(stack[0])


@dataclass(frozen=True, slots=True)
class PacketCase:
    """One packet a client may send, and what the specification wants done with it.

    ``level``   protocol level of the connection: 3, 4 or 5; what the decoder is told, unless the packet is a CONNECT.
    ``data``    the packet's bytes.
    ``expect``  ``VALID``: accepted, the connection goes on (or ends well, for DISCONNECT).
                version 5: the reason code of the CONNACK (if the packet is a CONNECT) or DISCONNECT.
                version 3: ``CLOSE``, or the return code of the CONNACK.
    ``also``    other codes the specification's wording allows for the same mistake.
    ``clause``  where it says so.
    ``found_by`` DECODER: the bytes alone are wrong, a decoder that knows the protocol level must say so.
                FLOW: the bytes are well formed, the state of the connection makes them wrong; the decoder accepts them.
                EITHER: a broker may check it in its decoder or behind it (topic names, topic filters).
    ``before``  packets sent after CONNECT and before ``data``.
    """

    name: str
    level: int
    data: bytes
    expect: int
    clause: str
    also: tuple[int, ...] = ()
    found_by: str = DECODER
    before: bytes = b""

    @property
    def id(self) -> str:
        """Name for parametrised tests."""
        return f"v{self.level}-{self.name}"

    @property
    def packet_type(self) -> int:
        """Type number of the fixed header."""
        return self.data[0] >> 4

    @property
    def is_connect(self) -> bool:
        """Whether ``data`` begins the connection, so that nothing may be sent before it."""
        return self.packet_type == 1 and not self.before

    @property
    def must_decode(self) -> bool:
        """Whether a decoder that knows only the protocol level has to accept ``data``."""
        return self.found_by == FLOW or self.expect == VALID

    @property
    def must_not_decode(self) -> bool:
        """Whether a decoder that knows only the protocol level has to refuse ``data``."""
        return self.found_by == DECODER and self.expect != VALID

    @property
    def allowed(self) -> tuple[int, ...]:
        """Every outcome the specification allows."""
        return (self.expect, *self.also)


def case(
    name: str,
    level: int,
    wire: str,
    expect: int,
    clause: str,
    also: tuple[int, ...] = (),
    found_by: str = DECODER,
    before: str = "",
) -> PacketCase:
    """A row of the table."""
    return PacketCase(name, level, assemble(wire), expect, clause, also, found_by, assemble(before))


def both(
    name: str,
    wire: str,
    expect: int,
    clause: str,
    also: tuple[int, ...] = (),
    found_by: str = DECODER,
    before: str = "",
    wire_v5: str = "",
) -> list[PacketCase]:
    """Two rows: version 3.1.1, which closes where version 5 names ``expect``, and version 5."""
    return [
        case(name, V311, wire, VALID if expect == VALID else CLOSE, clause, (), found_by, before),
        case(name, V5, wire_v5 or wire, expect, clause, also, found_by, before),
    ]
