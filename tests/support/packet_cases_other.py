"""The packet case table: the fixed header, PINGREQ, DISCONNECT, AUTH, and packets only a server may send."""

from __future__ import annotations

from typing import Final

from tests.support.packet_notation import (
    CLOSE,
    FLOW,
    MALFORMED,
    PROTOCOL_ERROR,
    V5,
    V31,
    V311,
    VALID,
    PacketCase,
    both,
    case,
)

_BROKEN: Final = (PROTOCOL_ERROR,)

_FRAMING: Final[list[PacketCase]] = [
    *both("type-0", "00 00", MALFORMED, "2.2.1, 2.1.2", _BROKEN),
    *both("type-0-with-flags", "0f 00", MALFORMED, "2.2.1, 2.1.2", _BROKEN),
    *both("remaining-length-of-5-bytes", "30 ffffffff01", MALFORMED, "2.2.3, 1.5.5"),
    *both("remaining-length-5th-byte-zero", "c0 8080808000", MALFORMED, "2.2.3, 1.5.5"),
    case("remaining-length-not-minimal", V5, "c0 8000", MALFORMED, "1.5.5-1"),
    case("remaining-length-not-minimal-publish", V5, '30 8900 "case/t" 00', MALFORMED, "1.5.5-1"),
    case("type-15", V31, "f0 00", CLOSE, "2.1"),
    case("type-15", V311, "f0 00", CLOSE, "2.2.1"),
    case("type-15-with-body", V311, "f0 [ 00 00 ]", CLOSE, "2.2.1"),
]

_FROM_SERVER_ONLY: Final[list[PacketCase]] = [
    *both("connack", "20 [ 00 00 ]", PROTOCOL_ERROR, "2.1.2", (MALFORMED,), wire_v5="20 [ 00 00 [ ] ]"),
    *both("suback", "90 [ 0001 00 ]", PROTOCOL_ERROR, "2.1.2", (MALFORMED,), wire_v5="90 [ 0001 [ ] 00 ]"),
    *both("unsuback", "b0 [ 0001 ]", PROTOCOL_ERROR, "2.1.2", (MALFORMED,), wire_v5="b0 [ 0001 [ ] 00 ]"),
    *both("pingresp", "d0 00", PROTOCOL_ERROR, "2.1.2", (MALFORMED,)),
]

_PING: Final[list[PacketCase]] = [
    case("pingreq", V31, "c0 00", VALID, "3.12"),
    *both("pingreq", "c0 00", VALID, "3.12.4-1"),
    *both("pingreq-header-flags", "c1 00", MALFORMED, "2.2.2-2, 2.1.3-1"),
    *both("pingreq-with-body", "c0 [ 00 ]", MALFORMED, "3.12", _BROKEN),
]


def _prop(name: str, properties: str, expect: int, clause: str, also: tuple[int, ...] = ()) -> PacketCase:
    """A version 5 DISCONNECT that is right but for its properties."""
    return case(name, V5, f"e0 [ 00 [ {properties} ] ]", expect, clause, also)


_DISCONNECT: Final[list[PacketCase]] = [
    case("disconnect", V31, "e0 00", VALID, "3.14"),
    *both("disconnect", "e0 00", VALID, "3.14.4"),
    *both("disconnect-header-flags", "e2 00", MALFORMED, "3.14.1-1"),
    case("disconnect-with-body", V311, "e0 [ 00 ]", CLOSE, "3.14"),
    case("disconnect-reason-only", V5, "e0 [ 00 ]", VALID, "3.14.2.1"),
    case("disconnect-with-will", V5, "e0 [ 04 ]", VALID, "3.14.2.1"),
    case("disconnect-unspecified-error", V5, "e0 [ 80 [ ] ]", VALID, "3.14.2.1"),
    _prop("disconnect-all-properties", '11 00000000 1f "bye" 26 "k" "v" 26 "k" "v"', VALID, "3.14.2.2"),
    case("disconnect-unknown-reason", V5, "e0 [ 55 ]", MALFORMED, "3.14.2.1", _BROKEN),
    case("disconnect-trailing-bytes", V5, "e0 [ 00 [ ] 00 ]", MALFORMED, "4.13.1", _BROKEN),
    case("disconnect-properties-cut", V5, "e0 [ 00 05 11 ]", MALFORMED, "2.2.2"),
    _prop("disconnect-session-expiry-twice", "11 00000000 11 00000000", PROTOCOL_ERROR, "3.14.2.2.2"),
    _prop("disconnect-reason-string-twice", '1f "a" 1f "a"', PROTOCOL_ERROR, "3.14.2.2.3"),
    _prop("disconnect-reason-string-bad-utf8", "1f ( ff )", MALFORMED, "1.5.4-1"),
    _prop("disconnect-foreign-property", "21 0001", MALFORMED, "2.2.2.2", _BROKEN),
    case(
        "disconnect-raises-session-expiry-from-0",
        V5,
        "e0 [ 00 [ 11 0000000a ] ]",
        PROTOCOL_ERROR,
        "3.14.2.2.2",
        (),
        FLOW,
    ),
]

_AUTH: Final[list[PacketCase]] = [
    case("auth-without-method-at-connect", V5, 'f0 [ 18 [ 15 "m" ] ]', PROTOCOL_ERROR, "4.12.0-7", (0x8C,), FLOW),
    case(
        "auth-reauthenticate-without-method-at-connect",
        V5,
        'f0 [ 19 [ 15 "m" 16 ( 01 ) ] ]',
        PROTOCOL_ERROR,
        "4.12.0-7",
        (0x8C,),
        FLOW,
    ),
    case("auth-empty", V5, "f0 00", PROTOCOL_ERROR, "3.15.2.1, 4.12.0-7", (MALFORMED, 0x8C), FLOW),
    case("auth-header-flags", V5, 'f1 [ 18 [ 15 "m" ] ]', MALFORMED, "3.15.1-1"),
    case("auth-unknown-reason", V5, 'f0 [ 55 [ 15 "m" ] ]', MALFORMED, "3.15.2-1", _BROKEN),
    case("auth-method-twice", V5, 'f0 [ 18 [ 15 "m" 15 "m" ] ]', PROTOCOL_ERROR, "3.15.2.2.2"),
    case("auth-data-twice", V5, 'f0 [ 18 [ 15 "m" 16 ( 01 ) 16 ( 01 ) ] ]', PROTOCOL_ERROR, "3.15.2.2.3"),
    case("auth-foreign-property", V5, 'f0 [ 18 [ 15 "m" 21 0001 ] ]', MALFORMED, "2.2.2.2", _BROKEN),
    case("auth-properties-cut", V5, "f0 [ 18 05 15 00 ]", MALFORMED, "2.2.2"),
    case("auth-trailing-bytes", V5, 'f0 [ 18 [ 15 "m" ] 00 ]', MALFORMED, "4.13.1", _BROKEN),
]

_PROPERTY_VALUES: Final[dict[int, str]] = {
    0x01: "01",
    0x02: "0000003c",
    0x03: '"t"',
    0x08: '"t"',
    0x09: "( 01 )",
    0x0B: "01",
    0x11: "00000001",
    0x12: '"c"',
    0x13: "003c",
    0x15: '"m"',
    0x16: "( 01 )",
    0x17: "01",
    0x18: "00000001",
    0x19: "01",
    0x1A: '"r"',
    0x1C: '"s"',
    0x1F: '"why"',
    0x21: "000a",
    0x22: "000a",
    0x23: "0001",
    0x24: "01",
    0x25: "01",
    0x26: '"k" "v"',
    0x27: "00010000",
    0x28: "01",
    0x29: "01",
    0x2A: "01",
}
"""A right value of every property of version 5."""

# MQTT 5 table 2-4: what a client may send in each packet, and where the property bytes go in such a packet.
_MAY_CARRY: Final[dict[str, tuple[str, frozenset[int]]]] = {
    "connect": (
        '10 [ "MQTT" 05 02 003c [ PROPERTIES ] "c5" ]',
        frozenset({0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27}),
    ),
    "will": (
        '10 [ "MQTT" 05 06 003c [ ] "c5" [ PROPERTIES ] "w" "m" ]',
        frozenset({0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26}),
    ),
    # 0x0B in a PUBLISH is a protocol error of its own, see publish-with-subscription-id.
    "publish": (
        "30 [ \"case/t\" [ PROPERTIES ] 'x' ]",
        frozenset({0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x23, 0x26}),
    ),
    "puback": ("40 [ 1234 00 [ PROPERTIES ] ]", frozenset({0x1F, 0x26})),
    "pubrec": ("50 [ 1234 00 [ PROPERTIES ] ]", frozenset({0x1F, 0x26})),
    "pubrel": ("62 [ 1234 00 [ PROPERTIES ] ]", frozenset({0x1F, 0x26})),
    "pubcomp": ("70 [ 1234 00 [ PROPERTIES ] ]", frozenset({0x1F, 0x26})),
    "subscribe": ('82 [ 000a [ PROPERTIES ] "case/f" 00 ]', frozenset({0x0B, 0x26})),
    "unsubscribe": ('a2 [ 000b [ PROPERTIES ] "case/f" ]', frozenset({0x26})),
    # 0x1C is a server's to send, and part of the packet type all the same: left open here.
    "disconnect": ("e0 [ 00 [ PROPERTIES ] ]", frozenset({0x11, 0x1C, 0x1F, 0x26})),
    "auth": ('f0 [ 18 [ 15 "m" PROPERTIES ] ]', frozenset({0x15, 0x16, 0x1F, 0x26})),
}


def _misplaced_properties() -> list[PacketCase]:
    """Every property in every packet that must not carry it."""
    return [
        case(
            f"{packet}-carries-property-{number:#04x}",
            V5,
            wire.replace("PROPERTIES", f"{number:02x} {value}"),
            MALFORMED,
            "2.2.2.2",
            _BROKEN,
        )
        for packet, (wire, carried) in _MAY_CARRY.items()
        for number, value in _PROPERTY_VALUES.items()
        if number not in carried
    ]


OTHER_CASES: Final[list[PacketCase]] = _FRAMING + _FROM_SERVER_ONLY + _PING + _DISCONNECT + _AUTH
PROPERTY_CASES: Final[list[PacketCase]] = _misplaced_properties()
