"""The packet case table: PUBLISH and its acknowledgements."""

from __future__ import annotations

from typing import Final

from tests.support.packet_notation import (
    CLOSE,
    DECODER,
    EITHER,
    FLOW,
    MALFORMED,
    PROTOCOL_ERROR,
    TOPIC_ALIAS_INVALID,
    TOPIC_NAME_INVALID,
    V5,
    V31,
    VALID,
    PacketCase,
    both,
    case,
)

_BROKEN: Final = (PROTOCOL_ERROR,)
_BAD_TOPIC: Final = (MALFORMED, PROTOCOL_ERROR)


def _topic(
    name: str,
    topic: str,
    clause: str,
    expect: int = TOPIC_NAME_INVALID,
    found_by: str = EITHER,
    also: tuple[int, ...] = _BAD_TOPIC,
) -> list[PacketCase]:
    """A QoS 0 PUBLISH to ``topic``, which is written in the notation."""
    return both(name, f"30 [ {topic} 'x' ]", expect, clause, also, found_by, "", f"30 [ {topic} [ ] 'x' ]")


def _prop(
    name: str, properties: str, expect: int, clause: str, also: tuple[int, ...] = (), found_by: str = DECODER
) -> PacketCase:
    """A version 5 QoS 0 PUBLISH that is right but for its properties."""
    return case(name, V5, f"30 [ \"case/t\" [ {properties} ] 'x' ]", expect, clause, also, found_by)


_PUBLISH: Final[list[PacketCase]] = [
    case("publish-qos0", V31, "30 [ \"case/t\" 'x' ]", VALID, "3.3"),
    case("publish-qos1", V31, "32 [ \"case/t\" 0001 'x' ]", VALID, "3.3"),
    case("publish-qos2", V31, "34 [ \"case/t\" 0001 'x' ]", VALID, "3.3"),
    case("publish-wildcard", V31, "30 [ \"case/#\" 'x' ]", CLOSE, "3.3", (), EITHER),
    case("publish-qos3", V31, "36 [ \"case/t\" 0001 'x' ]", CLOSE, "2.1"),
    *_topic("publish-qos0", '"case/t"', "3.3", VALID),
    *_topic("publish-utf8-topic", '"case/grüße/客/😀"', "4.7.3", VALID),
    *_topic("publish-topic-with-bom", "( ef bb bf 61 )", "1.5.4-3", VALID),
    *_topic("publish-topic-with-spaces", '"case/ a b "', "4.7.3", VALID),
    *_topic("publish-topic-of-slashes", '"///"', "4.7.1", VALID),
    *_topic("publish-topic-with-dollar-inside", '"case/$x"', "4.7.2", VALID),
    *_topic("publish-wildcard-hash", '"case/#"', "3.3.2-2"),
    *_topic("publish-wildcard-plus", '"case/+/t"', "3.3.2-2"),
    *_topic("publish-wildcard-inside-level", '"case/a+b"', "3.3.2-2"),
    *_topic("publish-nul-topic", "( 63 00 74 )", "1.5.4-2", MALFORMED, DECODER, ()),
    *_topic("publish-surrogate-topic", "( ed a0 80 )", "1.5.4-1", MALFORMED, DECODER, ()),
    *_topic("publish-surrogate-pair-topic", "( ed a0 bd ed b8 80 )", "1.5.4-1", MALFORMED, DECODER, ()),
    *_topic("publish-overlong-topic", "( c0 af )", "1.5.4-1", MALFORMED, DECODER, ()),
    *_topic("publish-overlong-3-bytes-topic", "( e0 80 af )", "1.5.4-1", MALFORMED, DECODER, ()),
    *_topic("publish-cut-utf8-topic", "( 61 e2 82 )", "1.5.4-1", MALFORMED, DECODER, ()),
    *_topic("publish-lone-continuation-topic", "( 80 )", "1.5.4-1", MALFORMED, DECODER, ()),
    *_topic("publish-beyond-unicode-topic", "( f4 90 80 80 )", "1.5.4-1", MALFORMED, DECODER, ()),
    *both("publish-qos1", "32 [ \"case/t\" 0001 'x' ]", VALID, "3.3.4-1", wire_v5="32 [ \"case/t\" 0001 [ ] 'x' ]"),
    *both("publish-qos2", "34 [ \"case/t\" 0001 'x' ]", VALID, "3.3.4-1", wire_v5="34 [ \"case/t\" 0001 [ ] 'x' ]"),
    *both("publish-highest-id", '32 [ "case/t" ffff ]', VALID, "2.2.1", wire_v5='32 [ "case/t" ffff [ ] ]'),
    *both("publish-dup-qos1", "3a [ \"case/t\" 0001 'x' ]", VALID, "3.3.1-1", wire_v5='3a [ "case/t" 0001 [ ] ]'),
    *both("publish-empty-payload", '30 [ "case/t" ]', VALID, "3.3.3", wire_v5='30 [ "case/t" [ ] ]'),
    *both("publish-retain-empty-payload", '31 [ "case/t" ]', VALID, "3.3.1-6", wire_v5='31 [ "case/t" [ ] ]'),
    *both("publish-qos3", "36 [ \"case/t\" 0001 'x' ]", MALFORMED, "3.3.1-4", wire_v5='36 [ "case/t" 0001 [ ] ]'),
    *both("publish-qos3-dup-retain", '3f [ "case/t" 0001 ]', MALFORMED, "3.3.1-4", wire_v5='3f [ "case/t" 0001 [ ] ]'),
    *both("publish-dup-qos0", "38 [ \"case/t\" 'x' ]", MALFORMED, "3.3.1-2", _BROKEN, wire_v5='38 [ "case/t" [ ] ]'),
    *both(
        "publish-qos1-id-0", '32 [ "case/t" 0000 ]', MALFORMED, "2.2.1-3", _BROKEN, wire_v5='32 [ "case/t" 0000 [ ] ]'
    ),
    *both(
        "publish-qos2-id-0", '34 [ "case/t" 0000 ]', MALFORMED, "2.2.1-3", _BROKEN, wire_v5='34 [ "case/t" 0000 [ ] ]'
    ),
    *both(
        "publish-empty-topic",
        '30 [ "" ]',
        PROTOCOL_ERROR,
        "4.7.3-1",
        (MALFORMED, TOPIC_NAME_INVALID),
        EITHER,
        wire_v5='30 [ "" [ ] ]',
    ),
    *both("publish-empty-body", "30 00", MALFORMED, "3.3.2"),
    *both("publish-topic-cut", "30 [ 0009 'abc' ]", MALFORMED, "3.3.2"),
    *both("publish-topic-length-cut", "30 [ 00 ]", MALFORMED, "3.3.2"),
    *both("publish-id-missing", '32 [ "case/t" ]', MALFORMED, "3.3.2.2"),
    *both("publish-id-cut", '32 [ "case/t" 00 ]', MALFORMED, "3.3.2.2"),
    case("publish-no-properties", V5, '30 [ "case/t" ]', MALFORMED, "3.3.2.3.1"),
    case("publish-properties-cut", V5, '30 [ "case/t" 05 01 01 ]', MALFORMED, "3.3.2.3.1"),
    case("publish-property-length-not-minimal", V5, '30 [ "case/t" 8000 ]', MALFORMED, "1.5.5-1"),
    _prop(
        "publish-all-properties",
        '01 01 02 0000003c 03 "text/plain" 08 "reply/to" 09 ( 00 ff ) 26 "k" "v" 26 "k" "v" 26 "" ""',
        VALID,
        "3.3.2.3",
    ),
    _prop("publish-format-0", "01 00", VALID, "3.3.2.3.2"),
    _prop("publish-format-2", "01 02", PROTOCOL_ERROR, "3.3.2.3.2", (MALFORMED,)),
    _prop("publish-format-twice", "01 01 01 01", PROTOCOL_ERROR, "3.3.2.3.2"),
    _prop("publish-expiry-twice", "02 00000001 02 00000001", PROTOCOL_ERROR, "3.3.2.3.3"),
    _prop("publish-content-type-twice", '03 "a" 03 "a"', PROTOCOL_ERROR, "3.3.2.3.9"),
    _prop("publish-content-type-bad-utf8", "03 ( ff )", MALFORMED, "3.3.2-19"),
    _prop("publish-response-topic-twice", '08 "a" 08 "a"', PROTOCOL_ERROR, "3.3.2.3.5"),
    _prop(
        "publish-response-topic-wildcard",
        '08 "a/#"',
        PROTOCOL_ERROR,
        "3.3.2-14",
        (MALFORMED, TOPIC_NAME_INVALID),
        EITHER,
    ),
    _prop("publish-response-topic-bad-utf8", "08 ( c0 80 )", MALFORMED, "3.3.2-13"),
    _prop("publish-correlation-twice", "09 ( 01 ) 09 ( 01 )", PROTOCOL_ERROR, "3.3.2.3.6"),
    _prop("publish-topic-alias-0", "23 0000", TOPIC_ALIAS_INVALID, "3.3.2-8", (PROTOCOL_ERROR, MALFORMED), EITHER),
    _prop("publish-topic-alias-twice", "23 0001 23 0001", PROTOCOL_ERROR, "3.3.2.3.4"),
    _prop("publish-topic-alias-too-high", "23 ffff", TOPIC_ALIAS_INVALID, "3.3.2-9", (), FLOW),
    case(
        "publish-topic-alias-unknown",
        V5,
        '30 [ "" [ 23 0001 ] ]',
        PROTOCOL_ERROR,
        "3.3.2.3.4",
        (TOPIC_ALIAS_INVALID,),
        FLOW,
    ),
    _prop("publish-with-subscription-id", "0b 01", PROTOCOL_ERROR, "3.3.4-6", (MALFORMED,), EITHER),
    _prop("publish-property-cut", "02 0000", MALFORMED, "2.2.2"),
    _prop("publish-user-property-surrogate", '26 "k" ( ed a0 80 )', MALFORMED, "1.5.4-1"),
]


def _ack_cases(kind: str, first: str, bad_first: str, clause: str) -> list[PacketCase]:
    """Well and badly formed acknowledgements; ``first`` is the first byte of the fixed header."""
    # PUBREL and PUBCOMP know only 0x00 and 0x92; PUBACK and PUBREC know more.
    code = "92" if kind in ("pubrel", "pubcomp") else "10"
    return [
        *both(f"{kind}-unknown-id", f"{first} [ 1234 ]", VALID, clause),
        case(f"{kind}-reason-only", V5, f"{first} [ 1234 00 ]", VALID, clause),
        case(f"{kind}-other-reason", V5, f"{first} [ 1234 {code} ]", VALID, clause),
        case(f"{kind}-empty-properties", V5, f"{first} [ 1234 00 [ ] ]", VALID, clause),
        case(f"{kind}-all-properties", V5, f'{first} [ 1234 00 [ 1f "why" 26 "k" "v" 26 "k" "v" ] ]', VALID, clause),
        *both(f"{kind}-id-0", f"{first} [ 0000 ]", MALFORMED, "2.2.1-3", _BROKEN),
        *both(f"{kind}-header-flags", f"{bad_first} [ 1234 ]", MALFORMED, "2.2.2-2, 2.1.3-1"),
        *both(f"{kind}-empty-body", f"{first} 00", MALFORMED, clause),
        *both(f"{kind}-id-cut", f"{first} [ 12 ]", MALFORMED, clause),
        case(f"{kind}-trailing-bytes", 4, f"{first} [ 1234 00 ]", CLOSE, clause),
        case(f"{kind}-trailing-bytes", V5, f"{first} [ 1234 00 [ ] 00 ]", MALFORMED, clause, _BROKEN),
        case(f"{kind}-unknown-reason", V5, f"{first} [ 1234 55 ]", MALFORMED, clause, _BROKEN),
        case(f"{kind}-reason-string-twice", V5, f'{first} [ 1234 00 [ 1f "a" 1f "a" ] ]', PROTOCOL_ERROR, clause),
        case(f"{kind}-reason-string-bad-utf8", V5, f"{first} [ 1234 00 [ 1f ( ff ) ] ]", MALFORMED, "1.5.4-1"),
        case(f"{kind}-foreign-property", V5, f"{first} [ 1234 00 [ 11 00000001 ] ]", MALFORMED, "2.2.2.2", _BROKEN),
        case(f"{kind}-properties-cut", V5, f"{first} [ 1234 00 09 1f ]", MALFORMED, "2.2.2"),
    ]


_ACKS: Final[list[PacketCase]] = [
    *_ack_cases("puback", "40", "42", "3.4"),
    *_ack_cases("pubrec", "50", "51", "3.5"),
    *_ack_cases("pubrel", "62", "60", "3.6.1-1"),
    *_ack_cases("pubcomp", "70", "78", "3.7"),
    case("pubrel-dup", V31, "6a [ 1234 ]", VALID, "MQTT 3.1, 3.6"),
    case("pubrel-of-received-publish", V5, "62 [ 0007 ]", VALID, "4.3.3", before='34 [ "case/t" 0007 [ ] ]'),
]

PUBLISH_CASES: Final[list[PacketCase]] = _PUBLISH + _ACKS
