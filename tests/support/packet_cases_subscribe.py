"""The packet case table: SUBSCRIBE and UNSUBSCRIBE."""

from __future__ import annotations

from typing import Final

from tests.support.packet_notation import (
    CLOSE,
    DECODER,
    EITHER,
    MALFORMED,
    PROTOCOL_ERROR,
    TOPIC_FILTER_INVALID,
    V5,
    V31,
    VALID,
    PacketCase,
    both,
    case,
)

_BROKEN: Final = (PROTOCOL_ERROR,)
_BAD_FILTER: Final = (MALFORMED, PROTOCOL_ERROR)


def _filter(
    name: str,
    topic_filter: str,
    clause: str,
    expect: int = TOPIC_FILTER_INVALID,
    found_by: str = EITHER,
    also: tuple[int, ...] = _BAD_FILTER,
) -> list[PacketCase]:
    """A SUBSCRIBE and an UNSUBSCRIBE of one filter, which is written in the notation.

    Where the filter is wrong but well encoded, a broker may also refuse it in the SUBACK or UNSUBACK and go on.
    """
    return [
        *both(
            f"subscribe-{name}",
            f"82 [ 000a {topic_filter} 00 ]",
            expect,
            clause,
            also,
            found_by,
            wire_v5=f"82 [ 000a [ ] {topic_filter} 00 ]",
        ),
        *both(
            f"unsubscribe-{name}",
            f"a2 [ 000b {topic_filter} ]",
            expect,
            clause,
            also,
            found_by,
            wire_v5=f"a2 [ 000b [ ] {topic_filter} ]",
        ),
    ]


def _bad_utf8(name: str, raw: str, clause: str = "1.5.4-1") -> list[PacketCase]:
    return _filter(name, f"( {raw} )", clause, MALFORMED, DECODER, ())


def _options(
    name: str,
    options: str,
    expect: int,
    clause: str,
    also: tuple[int, ...] = (),
    topic: str = '"case/f"',
    found_by: str = DECODER,
) -> PacketCase:
    """A version 5 SUBSCRIBE that is right but for its options byte."""
    return case(name, V5, f"82 [ 000a [ ] {topic} {options} ]", expect, clause, also, found_by)


def _prop(name: str, properties: str, expect: int, clause: str, also: tuple[int, ...] = ()) -> PacketCase:
    """A version 5 SUBSCRIBE that is right but for its properties."""
    return case(name, V5, f'82 [ 000a [ {properties} ] "case/f" 00 ]', expect, clause, also)


_FILTERS: Final[list[PacketCase]] = [
    *_filter("exact", '"case/f"', "3.8", VALID),
    *_filter("hash", '"#"', "4.7.1-2", VALID),
    *_filter("plus", '"+"', "4.7.1-3", VALID),
    *_filter("plus-in-the-middle", '"case/+/f"', "4.7.1-3", VALID),
    *_filter("plus-and-hash", '"+/case/#"', "4.7.1-3", VALID),
    *_filter("slashes", '"//+//#"', "4.7.1", VALID),
    *_filter("dollar", '"$case/+"', "4.7.2", VALID),
    *_filter("utf8", '"case/客/😀"', "4.7.3", VALID),
    *_filter("shared", '"$share/group/case/f"', "4.8.2", VALID),
    *_filter("shared-hash", '"$share/group/#"', "4.8.2", VALID),
    *_filter("hash-not-last", '"case/#/f"', "4.7.1-2"),
    *_filter("hash-inside-level", '"case/f#"', "4.7.1-2"),
    *_filter("plus-inside-level", '"case/f+"', "4.7.1-3"),
    *_filter("plus-before-level", '"case/+f"', "4.7.1-3"),
    *_filter("double-hash", '"##"', "4.7.1-2"),
    *_filter("empty", '""', "4.7.3-1"),
    *_bad_utf8("nul", "63 00 66", "1.5.4-2"),
    *_bad_utf8("surrogate", "ed bf bf"),
    *_bad_utf8("overlong", "c1 81"),
    *_bad_utf8("cut-utf8", "61 f0 9f 98"),
    case(
        "subscribe-share-without-filter",
        V5,
        '82 [ 000a [ ] "$share/group" 00 ]',
        TOPIC_FILTER_INVALID,
        "4.8.2-2",
        _BAD_FILTER,
        EITHER,
    ),
    case(
        "subscribe-share-with-empty-filter",
        V5,
        '82 [ 000a [ ] "$share/group/" 00 ]',
        TOPIC_FILTER_INVALID,
        "4.8.2-2",
        _BAD_FILTER,
        EITHER,
    ),
    case(
        "subscribe-share-with-empty-name",
        V5,
        '82 [ 000a [ ] "$share//f" 00 ]',
        TOPIC_FILTER_INVALID,
        "4.8.2-1",
        _BAD_FILTER,
        EITHER,
    ),
    case(
        "subscribe-share-with-wildcard-name",
        V5,
        '82 [ 000a [ ] "$share/g+/f" 00 ]',
        TOPIC_FILTER_INVALID,
        "4.8.2-2",
        _BAD_FILTER,
        EITHER,
    ),
]

_SUBSCRIBE: Final[list[PacketCase]] = [
    case("subscribe-dup", V31, '8a [ 000a "case/f" 01 ]', VALID, "MQTT 3.1, 3.8"),
    case("subscribe-qos3", V31, '82 [ 000a "case/f" 03 ]', CLOSE, "MQTT 3.1, 3.8"),
    *both("subscribe-qos2", '82 [ 000a "case/f" 02 ]', VALID, "3.8.3", wire_v5='82 [ 000a [ ] "case/f" 02 ]'),
    *both(
        "subscribe-three-filters",
        '82 [ 000a "a" 00 "b" 01 "c" 02 ]',
        VALID,
        "3.8.4-4",
        wire_v5='82 [ 000a [ ] "a" 00 "b" 01 "c" 02 ]',
    ),
    *both(
        "subscribe-same-filter-twice",
        '82 [ 000a "a" 00 "a" 01 ]',
        VALID,
        "3.8.4-4",
        wire_v5='82 [ 000a [ ] "a" 00 "a" 01 ]',
    ),
    *both(
        "subscribe-qos3",
        '82 [ 000a "case/f" 03 ]',
        PROTOCOL_ERROR,
        "3.8.3-4, 3.8.3.1",
        (MALFORMED,),
        wire_v5='82 [ 000a [ ] "case/f" 03 ]',
    ),
    *both(
        "subscribe-reserved-option-bits",
        '82 [ 000a "case/f" 81 ]',
        MALFORMED,
        "3.8.3-5",
        (),
        wire_v5='82 [ 000a [ ] "case/f" 81 ]',
    ),
    case("subscribe-options-of-version-5", 4, '82 [ 000a "case/f" 04 ]', CLOSE, "3.8.3-4"),
    *both("subscribe-no-filters", "82 [ 000a ]", PROTOCOL_ERROR, "3.8.3-2", (MALFORMED,), wire_v5="82 [ 000a [ ] ]"),
    *both(
        "subscribe-id-0",
        '82 [ 0000 "case/f" 00 ]',
        MALFORMED,
        "2.2.1-3",
        _BROKEN,
        wire_v5='82 [ 0000 [ ] "case/f" 00 ]',
    ),
    *both(
        "subscribe-header-flags-0",
        '80 [ 000a "case/f" 00 ]',
        MALFORMED,
        "3.8.1-1",
        wire_v5='80 [ 000a [ ] "case/f" 00 ]',
    ),
    *both(
        "subscribe-header-flags-f",
        '8f [ 000a "case/f" 00 ]',
        MALFORMED,
        "3.8.1-1",
        wire_v5='8f [ 000a [ ] "case/f" 00 ]',
    ),
    *both("subscribe-options-missing", '82 [ 000a "case/f" ]', MALFORMED, "3.8.3", wire_v5='82 [ 000a [ ] "case/f" ]'),
    *both("subscribe-filter-cut", "82 [ 000a 0009 'abc' ]", MALFORMED, "3.8.3", wire_v5="82 [ 000a [ ] 0009 'abc' ]"),
    *both(
        "subscribe-second-filter-cut", '82 [ 000a "a" 00 00 ]', MALFORMED, "3.8.3", wire_v5='82 [ 000a [ ] "a" 00 00 ]'
    ),
    *both("subscribe-empty-body", "82 00", MALFORMED, "3.8.2", _BROKEN),
    case("subscribe-no-properties", V5, "82 [ 000a ]", MALFORMED, "3.8.2.1.1", _BROKEN),
    case("subscribe-properties-cut", V5, '82 [ 000a 20 "case/f" 00 ]', MALFORMED, "3.8.2.1.1"),
    _options("subscribe-no-local", "04", VALID, "3.8.3.1"),
    _options("subscribe-retain-as-published", "08", VALID, "3.8.3.1"),
    _options("subscribe-retain-handling-2", "20", VALID, "3.8.3.1"),
    _options("subscribe-all-options", "2e", VALID, "3.8.3.1"),
    _options("subscribe-retain-handling-3", "30", PROTOCOL_ERROR, "3.8.3.1", (MALFORMED,)),
    _options("subscribe-reserved-bit-6", "40", MALFORMED, "3.8.3-5"),
    _options("subscribe-no-local-on-shared", "04", PROTOCOL_ERROR, "3.8.3-4", (), '"$share/g/f"', EITHER),
    _prop("subscribe-with-id", "0b 01", VALID, "3.8.2.1.2"),
    _prop("subscribe-with-highest-id", "0b ffffff7f", VALID, "3.8.2.1.2"),
    _prop("subscribe-with-user-properties", '26 "k" "v" 26 "k" "v"', VALID, "3.8.2.1.3"),
    _prop("subscribe-with-id-0", "0b 00", PROTOCOL_ERROR, "3.8.2.1.2", (MALFORMED,)),
    _prop("subscribe-with-two-ids", "0b 01 0b 02", PROTOCOL_ERROR, "3.8.2.1.2", (MALFORMED,)),
    _prop("subscribe-id-of-5-bytes", "0b 8080808001", MALFORMED, "1.5.5"),
    _prop("subscribe-id-not-minimal", "0b 8100", MALFORMED, "1.5.5-1"),
    _prop("subscribe-with-reason-string", '1f "why"', MALFORMED, "2.2.2.2", _BROKEN),
    _prop("subscribe-with-topic-alias", "23 0001", MALFORMED, "2.2.2.2", _BROKEN),
    _prop("subscribe-unknown-property", "7f 00", MALFORMED, "2.2.2.2"),
    _prop("subscribe-user-property-bad-utf8", '26 ( c0 80 ) "v"', MALFORMED, "1.5.4-1"),
]

_UNSUBSCRIBE: Final[list[PacketCase]] = [
    case("unsubscribe-dup", V31, 'aa [ 000b "case/f" ]', VALID, "MQTT 3.1, 3.10"),
    *both("unsubscribe-two-filters", 'a2 [ 000b "a" "b" ]', VALID, "3.10.4-6", wire_v5='a2 [ 000b [ ] "a" "b" ]'),
    *both("unsubscribe-no-filters", "a2 [ 000b ]", PROTOCOL_ERROR, "3.10.3-2", (MALFORMED,), wire_v5="a2 [ 000b [ ] ]"),
    *both(
        "unsubscribe-id-0", 'a2 [ 0000 "case/f" ]', MALFORMED, "2.2.1-3", _BROKEN, wire_v5='a2 [ 0000 [ ] "case/f" ]'
    ),
    *both(
        "unsubscribe-header-flags", 'a0 [ 000b "case/f" ]', MALFORMED, "3.10.1-1", wire_v5='a0 [ 000b [ ] "case/f" ]'
    ),
    *both(
        "unsubscribe-filter-cut", "a2 [ 000b 0009 'abc' ]", MALFORMED, "3.10.3", wire_v5="a2 [ 000b [ ] 0009 'abc' ]"
    ),
    *both("unsubscribe-empty-body", "a2 00", MALFORMED, "3.10.2", _BROKEN),
    case("unsubscribe-with-user-property", V5, 'a2 [ 000b [ 26 "k" "v" ] "case/f" ]', VALID, "3.10.2.1.2"),
    case("unsubscribe-with-subscription-id", V5, 'a2 [ 000b [ 0b 01 ] "case/f" ]', MALFORMED, "2.2.2.2", _BROKEN),
    case("unsubscribe-no-properties", V5, "a2 [ 000b ]", MALFORMED, "3.10.2.1.1", _BROKEN),
]

SUBSCRIBE_CASES: Final[list[PacketCase]] = _FILTERS + _SUBSCRIBE + _UNSUBSCRIBE
