"""The packet case table: CONNECT, of all three versions."""

from __future__ import annotations

from typing import Final

from tests.support.packet_notation import (
    BAD_AUTHENTICATION_METHOD,
    CLIENT_ID_REJECTED_V3,
    CLOSE,
    EITHER,
    FLOW,
    MALFORMED,
    PROTOCOL_ERROR,
    TOPIC_NAME_INVALID,
    UNSUPPORTED_VERSION,
    UNSUPPORTED_VERSION_V3,
    V5,
    V31,
    V311,
    VALID,
    PacketCase,
    case,
)

_BROKEN: Final = (PROTOCOL_ERROR,)
_BAD_TOPIC: Final = (MALFORMED, PROTOCOL_ERROR)

_V31: Final[list[PacketCase]] = [
    case("connect", V31, '10 [ "MQIsdp" 03 02 003c "c" ]', VALID, "MQTT 3.1, 3.1"),
    case("connect-keeps-session", V31, '10 [ "MQIsdp" 03 00 003c "c31" ]', VALID, "MQTT 3.1, 3.1"),
    case("connect-user-and-password", V31, '10 [ "MQIsdp" 03 c2 003c "c" "user" "secret" ]', VALID, "MQTT 3.1, 3.1"),
    case("connect-will", V31, '10 [ "MQIsdp" 03 0e 003c "c" "will/t" "gone" ]', VALID, "MQTT 3.1, 3.1"),
    case("connect-empty-client-id", V31, '10 [ "MQIsdp" 03 02 003c "" ]', CLIENT_ID_REJECTED_V3, "3.1", (), FLOW),
    case("connect-name-of-311", V31, '10 [ "MQTT" 03 02 003c "c" ]', UNSUPPORTED_VERSION_V3, "3.1.2-2", (CLOSE,)),
    case("connect-cut-after-name", V31, '10 [ "MQIsdp" ]', CLOSE, "MQTT 3.1, 3.1"),
]

_V311: Final[list[PacketCase]] = [
    case("connect", V311, '10 [ "MQTT" 04 02 003c "c" ]', VALID, "3.1"),
    case("connect-keeps-session", V311, '10 [ "MQTT" 04 00 003c "c311" ]', VALID, "3.1.2-4"),
    case("connect-all-fields", V311, '10 [ "MQTT" 04 ee 000a "c" "w" "gone" "user" "secret" ]', VALID, "3.1.3-1"),
    case("connect-user-only", V311, '10 [ "MQTT" 04 82 000a "c" "user" ]', VALID, "3.1.2-19"),
    case("connect-empty-user-and-password", V311, '10 [ "MQTT" 04 c2 000a "c" "" "" ]', VALID, "3.1.3-11"),
    case("connect-binary-password", V311, '10 [ "MQTT" 04 c2 000a "c" "u" ( 00 ff fe ) ]', VALID, "3.1.3.5"),
    case("connect-empty-will-message", V311, '10 [ "MQTT" 04 06 000a "c" "w" "" ]', VALID, "3.1.3.3"),
    case("connect-utf8-client-id", V311, '10 [ "MQTT" 04 02 000a "zoë-客户" ]', VALID, "3.1.3-4"),
    case("connect-bom-in-client-id", V311, '10 [ "MQTT" 04 02 000a ( ef bb bf 63 ) ]', VALID, "1.5.3-3"),
    case("connect-empty-client-id-clean", V311, '10 [ "MQTT" 04 02 000a "" ]', VALID, "3.1.3-6"),
    case(
        "connect-empty-client-id-not-clean", V311, '10 [ "MQTT" 04 00 000a "" ]', CLIENT_ID_REJECTED_V3, "3.1.3-8",
        (), FLOW,
    ),
    case("connect-level-0", V311, '10 [ "MQTT" 00 02 003c "c" ]', UNSUPPORTED_VERSION_V3, "3.1.2-2"),
    case("connect-level-2", V311, '10 [ "MQTT" 02 02 003c "c" ]', UNSUPPORTED_VERSION_V3, "3.1.2-2"),
    case("connect-name-of-31", V311, '10 [ "MQIsdp" 04 02 003c "c" ]', UNSUPPORTED_VERSION_V3, "3.1.2-1", (CLOSE,)),
    case("connect-unknown-name", V311, '10 [ "MQTX" 04 02 003c "c" ]', CLOSE, "3.1.2-1", (UNSUPPORTED_VERSION_V3,)),
    case("connect-name-in-small-letters", V311, '10 [ "mqtt" 04 02 003c "c" ]', CLOSE, "3.1.2-1",
         (UNSUPPORTED_VERSION_V3,)),
    case("connect-empty-name", V311, '10 [ "" 04 02 003c "c" ]', CLOSE, "3.1.2-1", (UNSUPPORTED_VERSION_V3,)),
    case("connect-header-flags", V311, '11 [ "MQTT" 04 02 003c "c" ]', CLOSE, "2.2.2-2"),
    case("connect-reserved-flag", V311, '10 [ "MQTT" 04 03 003c "c" ]', CLOSE, "3.1.2-3"),
    case("connect-will-qos-without-will", V311, '10 [ "MQTT" 04 0a 003c "c" ]', CLOSE, "3.1.2-13"),
    case("connect-will-retain-without-will", V311, '10 [ "MQTT" 04 22 003c "c" ]', CLOSE, "3.1.2-15"),
    case("connect-will-qos-3", V311, '10 [ "MQTT" 04 1e 003c "c" "w" "m" ]', CLOSE, "3.1.2-14"),
    case("connect-password-without-user", V311, '10 [ "MQTT" 04 42 003c "c" "secret" ]', CLOSE, "3.1.2-22"),
    case("connect-will-flag-without-will", V311, '10 [ "MQTT" 04 06 003c "c" ]', CLOSE, "3.1.2-9"),
    case("connect-user-flag-without-user", V311, '10 [ "MQTT" 04 82 003c "c" ]', CLOSE, "3.1.2-19"),
    case("connect-trailing-bytes", V311, '10 [ "MQTT" 04 02 003c "c" 00 ]', CLOSE, "3.1.2-18"),
    case("connect-empty-body", V311, "10 00", CLOSE, "3.1.2"),
    case("connect-no-client-id", V311, '10 [ "MQTT" 04 02 003c ]', CLOSE, "3.1.3-3"),
    case("connect-client-id-cut", V311, '10 [ "MQTT" 04 02 003c 0009 "c" ]', CLOSE, "3.1.3-3"),
    case("connect-surrogate-in-client-id", V311, '10 [ "MQTT" 04 02 003c ( ed a0 80 ) ]', CLOSE, "1.5.3-1"),
    case("connect-nul-in-client-id", V311, '10 [ "MQTT" 04 02 003c ( 61 00 62 ) ]', CLOSE, "1.5.3-2"),
    case("connect-bad-utf8-in-user", V311, '10 [ "MQTT" 04 82 003c "c" ( c0 80 ) ]', CLOSE, "1.5.3-1"),
    case("connect-bad-utf8-in-will-topic", V311, '10 [ "MQTT" 04 06 003c "c" ( e2 82 ) "m" ]', CLOSE, "1.5.3-1"),
    case("connect-wildcard-will-topic", V311, '10 [ "MQTT" 04 06 003c "c" "w/#" "m" ]', CLOSE, "3.3.2-2", (), EITHER),
    case("connect-empty-will-topic", V311, '10 [ "MQTT" 04 06 003c "c" "" "m" ]', CLOSE, "4.7.3-1", (), EITHER),
    case("second-connect", V311, '10 [ "MQTT" 04 02 003c "case" ]', CLOSE, "3.1.0-2", (), FLOW, '30 [ "case/t" ]'),
]


def _v5(name: str, properties: str, expect: int, clause: str, also: tuple[int, ...] = ()) -> PacketCase:
    """A version 5 CONNECT that is right but for its properties."""
    return case(name, V5, f'10 [ "MQTT" 05 02 003c [ {properties} ] "c5" ]', expect, clause, also)


def _will(name: str, properties: str, expect: int, clause: str, also: tuple[int, ...] = ()) -> PacketCase:
    """A version 5 CONNECT that is right but for the properties of its will."""
    return case(name, V5, f'10 [ "MQTT" 05 06 003c [ ] "c5" [ {properties} ] "w" "m" ]', expect, clause, also)


_V5: Final[list[PacketCase]] = [
    case("connect", V5, '10 [ "MQTT" 05 02 003c [ ] "c" ]', VALID, "3.1"),
    case("connect-keeps-session", V5, '10 [ "MQTT" 05 00 003c [ ] "c5k" ]', VALID, "3.1.2-5"),
    case("connect-empty-client-id", V5, '10 [ "MQTT" 05 02 003c [ ] "" ]', VALID, "3.1.3-6"),
    case("connect-empty-client-id-not-clean", V5, '10 [ "MQTT" 05 00 003c [ ] "" ]', VALID, "3.1.3-6"),
    case("connect-password-without-user", V5, '10 [ "MQTT" 05 42 003c [ ] "c" "secret" ]', VALID, "3.1.2.9"),
    case("connect-all-fields", V5, '10 [ "MQTT" 05 ee 003c [ ] "c" [ ] "w" "m" "user" "secret" ]', VALID, "3.1.3-1"),
    _v5(
        "connect-all-properties",
        '11 0000000a 21 000a 27 00010000 22 0005 19 01 17 00 26 "k" "v" 26 "k" "v"', VALID, "3.1.2.11",
    ),
    _v5("connect-properties-in-another-order", '26 "k" "v" 17 01 11 00000000 26 "k" "w" 21 ffff', VALID, "2.2.2.2"),
    _will(
        "connect-all-will-properties",
        '18 00000000 01 01 02 0000000a 03 "text/plain" 08 "reply/to" 09 ( 00 01 ) 26 "k" "v" 26 "k" "v"',
        VALID, "3.1.3.2",
    ),
    case("connect-level-6", V5, '10 [ "MQTT" 06 02 003c [ ] "c" ]', UNSUPPORTED_VERSION, "3.1.2-2",
         (UNSUPPORTED_VERSION_V3,)),
    case("connect-level-127", V5, '10 [ "MQTT" 7f 02 003c [ ] "c" ]', UNSUPPORTED_VERSION, "3.1.2-2",
         (UNSUPPORTED_VERSION_V3,)),
    case("connect-unknown-name", V5, '10 [ "MQTX" 05 02 003c [ ] "c" ]', UNSUPPORTED_VERSION, "3.1.2-1",
         (UNSUPPORTED_VERSION_V3, CLOSE)),
    case("connect-header-flags", V5, '12 [ "MQTT" 05 02 003c [ ] "c" ]', MALFORMED, "2.1.3-1", (CLOSE,)),
    case("connect-reserved-flag", V5, '10 [ "MQTT" 05 03 003c [ ] "c" ]', MALFORMED, "3.1.2-3"),
    case("connect-will-qos-without-will", V5, '10 [ "MQTT" 05 0a 003c [ ] "c" ]', MALFORMED, "3.1.2-11", _BROKEN),
    case("connect-will-retain-without-will", V5, '10 [ "MQTT" 05 22 003c [ ] "c" ]', MALFORMED, "3.1.2-13", _BROKEN),
    case("connect-will-qos-3", V5, '10 [ "MQTT" 05 1e 003c [ ] "c" [ ] "w" "m" ]', MALFORMED, "3.1.2-12"),
    case("connect-no-properties", V5, '10 [ "MQTT" 05 02 003c ]', MALFORMED, "3.1.2.11.1"),
    case("connect-properties-cut", V5, '10 [ "MQTT" 05 02 003c 05 21 00 ]', MALFORMED, "3.1.2.11.1"),
    case("connect-property-value-cut", V5, '10 [ "MQTT" 05 02 003c [ 21 00 ] "c" ]', MALFORMED, "2.2.2"),
    case("connect-property-length-not-minimal", V5, '10 [ "MQTT" 05 02 003c 8000 "c" ]', MALFORMED, "1.5.5-1"),
    case("connect-property-length-of-5-bytes", V5, '10 [ "MQTT" 05 02 003c 8080808000 "c" ]', MALFORMED, "1.5.5"),
    case("connect-will-flag-without-will", V5, '10 [ "MQTT" 05 06 003c [ ] "c" ]', MALFORMED, "3.1.2-9"),
    case("connect-trailing-bytes", V5, '10 [ "MQTT" 05 02 003c [ ] "c" 00 ]', MALFORMED, "4.13.1", _BROKEN),
    case("connect-surrogate-in-client-id", V5, '10 [ "MQTT" 05 02 003c [ ] ( ed bf bf ) ]', MALFORMED, "1.5.4-1"),
    case("connect-nul-in-client-id", V5, '10 [ "MQTT" 05 02 003c [ ] ( 00 ) ]', MALFORMED, "1.5.4-2"),
    case("connect-bad-utf8-in-user", V5, '10 [ "MQTT" 05 82 003c [ ] "c" ( ff ) ]', MALFORMED, "1.5.4-1"),
    case("connect-wildcard-will-topic", V5, '10 [ "MQTT" 05 06 003c [ ] "c" [ ] "w/+" "m" ]', TOPIC_NAME_INVALID,
         "4.7.1-1", _BAD_TOPIC, EITHER),
    case("connect-empty-will-topic", V5, '10 [ "MQTT" 05 06 003c [ ] "c" [ ] "" "m" ]', TOPIC_NAME_INVALID,
         "4.7.3-1", _BAD_TOPIC, EITHER),
    _v5("connect-receive-maximum-0", "21 0000", PROTOCOL_ERROR, "3.1.2.11.3"),
    _v5("connect-maximum-packet-size-0", "27 00000000", PROTOCOL_ERROR, "3.1.2.11.4"),
    _v5("connect-request-response-2", "19 02", PROTOCOL_ERROR, "3.1.2.11.6", (MALFORMED,)),
    _v5("connect-request-problem-2", "17 02", PROTOCOL_ERROR, "3.1.2.11.7", (MALFORMED,)),
    _v5("connect-session-expiry-twice", "11 00000001 11 00000001", PROTOCOL_ERROR, "3.1.2.11.2"),
    _v5("connect-receive-maximum-twice", "21 0001 21 0001", PROTOCOL_ERROR, "3.1.2.11.3"),
    _v5("connect-maximum-packet-size-twice", "27 00001000 27 00001000", PROTOCOL_ERROR, "3.1.2.11.4"),
    _v5("connect-topic-alias-maximum-twice", "22 0001 22 0001", PROTOCOL_ERROR, "3.1.2.11.5"),
    _v5("connect-request-response-twice", "19 00 19 00", PROTOCOL_ERROR, "3.1.2.11.6"),
    _v5("connect-request-problem-twice", "17 01 17 01", PROTOCOL_ERROR, "3.1.2.11.7"),
    _v5("connect-authentication-method-twice", '15 "a" 15 "a"', PROTOCOL_ERROR, "3.1.2.11.9"),
    _v5("connect-authentication-data-twice", '15 "a" 16 ( 01 ) 16 ( 01 )', PROTOCOL_ERROR, "3.1.2.11.10"),
    _v5("connect-authentication-data-alone", "16 ( 01 )", PROTOCOL_ERROR, "3.1.2.11.10"),
    _v5("connect-unknown-property", "7e 00", MALFORMED, "2.2.2.2"),
    _v5("connect-property-id-0", "00", MALFORMED, "2.2.2.2"),
    _v5("connect-property-id-not-minimal", "9100 00000000", MALFORMED, "1.5.5-1"),
    _v5("connect-user-property-bad-utf8", '26 "k" ( ff fe )', MALFORMED, "1.5.4-1"),
    _v5("connect-user-property-key-nul", '26 ( 00 ) "v"', MALFORMED, "1.5.4-2"),
    _v5("connect-user-property-value-missing", '26 "k"', MALFORMED, "2.2.2.2"),
    _will("connect-will-delay-twice", "18 00000001 18 00000001", PROTOCOL_ERROR, "3.1.3.2.2"),
    _will("connect-will-format-twice", "01 00 01 00", PROTOCOL_ERROR, "3.1.3.2.3"),
    _will("connect-will-format-2", "01 02", PROTOCOL_ERROR, "3.1.3.2.3", (MALFORMED,)),
    _will("connect-will-expiry-twice", "02 00000001 02 00000001", PROTOCOL_ERROR, "3.1.3.2.4"),
    _will("connect-will-content-type-twice", '03 "a" 03 "a"', PROTOCOL_ERROR, "3.1.3.2.5"),
    _will("connect-will-response-topic-twice", '08 "a" 08 "a"', PROTOCOL_ERROR, "3.1.3.2.6"),
    _will("connect-will-correlation-twice", "09 ( 01 ) 09 ( 01 )", PROTOCOL_ERROR, "3.1.3.2.7"),
    _will("connect-will-with-topic-alias", "23 0001", MALFORMED, "2.2.2.2", _BROKEN),
    _will("connect-will-with-receive-maximum", "21 0001", MALFORMED, "2.2.2.2", _BROKEN),
    case("connect-unknown-authentication-method", V5, '10 [ "MQTT" 05 02 003c [ 15 "no-such" ] "c" ]',
         BAD_AUTHENTICATION_METHOD, "4.12.0-1", (0x87,), FLOW),
    case("second-connect", V5, '10 [ "MQTT" 05 02 003c [ ] "case" ]', PROTOCOL_ERROR, "3.1.0-2", (), FLOW,
         '30 [ "case/t" [ ] ]'),
]

CONNECT_CASES: Final[list[PacketCase]] = _V31 + _V311 + _V5
