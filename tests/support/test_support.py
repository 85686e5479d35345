"""The tools of the wire tests are themselves right: the notation, the builders and the strictness of the parser."""

from __future__ import annotations

import pytest

from tests.support import wire
from tests.support.packet_cases import CASES, V5, V311, assemble
from tests.support.packet_notation import varint
from tests.support.wire_parser import BadServerPacket, Connack, Disconnect, Publish, Suback, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10 3c00", "103c00"),
        ('"a/b"', "0003612f62"),
        ("'hi'", "6869"),
        ("( ff fe )", "0002fffe"),
        ("30 [ \"t\" [ ] 'x' ]", "30050001740078"),
        ('"é"', "0002c3a9"),
        (f"30 [ '{'x' * 200}' ]", "30c801" + "78" * 200),
    ],
)
def test_notation(text: str, expected: str) -> None:
    assert assemble(text).hex() == expected


@pytest.mark.parametrize("text", ["1", "zz", "[ 00", "00 ]", "( 00 ]", '"open'])
def test_notation_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises(ValueError):
        assemble(text)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, "00"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (2097151, "ffff7f")]
)
def test_varint(value: int, expected: str) -> None:
    assert varint(value).hex() == expected


def test_the_table_is_large_and_of_every_kind() -> None:
    assert len(CASES) >= 150
    assert {case.packet_type for case in CASES} == set(range(16))
    assert {case.level for case in CASES} == {3, 4, 5}


def test_builders_and_table_agree() -> None:
    table = {case.id: case.data for case in CASES}
    assert table["v4-connect-all-fields"] == wire.connect(
        "c", V311, True, 10, (), wire.Will("w", b"gone", 1, True), "user", b"secret"
    )
    assert table["v5-publish-qos1"] == wire.publish("case/t", b"x", 1, 1)
    assert table["v5-subscribe-with-highest-id"] == wire.subscribe(
        10, [("case/f", 0)], [(wire.SUBSCRIPTION_ID, 268_435_455)]
    )
    assert table["v4-unsubscribe-two-filters"] == wire.unsubscribe(11, ["a", "b"], level=V311)
    assert table["v5-disconnect-all-properties"] == wire.disconnect(
        0,
        [
            (wire.SESSION_EXPIRY, 0),
            (wire.REASON_STRING, "bye"),
            (wire.USER_PROPERTY, ("k", "v")),
            (wire.USER_PROPERTY, ("k", "v")),
        ],
    )
    assert table["v5-pubrel-all-properties"] == wire.pubrel(
        0x1234, 0, [(wire.REASON_STRING, "why"), (wire.USER_PROPERTY, ("k", "v")), (wire.USER_PROPERTY, ("k", "v"))]
    )


def _parse(text: str, level: int = V5) -> object:
    packet = assemble(text)
    return parse(packet[0], packet[2:], level)


def test_parser_reads() -> None:
    assert _parse("20 [ 01 00 [ 21 0005 ] ]") == Connack(True, 0, properties=[(wire.RECEIVE_MAXIMUM, 5)])
    assert _parse("20 [ 00 05 ]", V311) == Connack(False, 5)
    assert _parse('3b [ "t" 0007 [ 0b 8001 26 "k" "v" ] \'x\' ]') == Publish(
        "t", b"x", 1, True, True, 7, properties=[(wire.SUBSCRIPTION_ID, 128), (wire.USER_PROPERTY, ("k", "v"))]
    )
    assert _parse("90 [ 0001 [ ] 00 8f ]") == Suback(1, [0, 0x8F])
    assert _parse("e0 00") == Disconnect(0)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("21 [ 00 00 [ ] ]", id="flags"),
        pytest.param("20 [ 01 80 [ ] ]", id="session-present-with-error"),
        pytest.param("20 [ 00 01 [ ] ]", id="code-of-version-3"),
        pytest.param("20 [ 00 00 [ ] 00 ]", id="trailing-byte"),
        pytest.param("20 [ 00 00 8000 ]", id="varint-not-minimal"),
        pytest.param("20 [ 00 00 [ 21 0005 21 0005 ] ]", id="property-twice"),
        pytest.param("20 [ 00 00 [ 23 0005 ] ]", id="property-of-another-packet"),
        pytest.param('30 [ "t/#" [ ] ]', id="wildcard"),
        pytest.param('30 [ "" [ ] ]', id="empty-topic-without-alias"),
        pytest.param('32 [ "t" 0000 [ ] ]', id="packet-id-0"),
        pytest.param('36 [ "t" 0001 [ ] ]', id="qos-3"),
        pytest.param('38 [ "t" [ ] ]', id="dup-at-qos-0"),
        pytest.param("30 [ ( ed a0 80 ) [ ] ]", id="surrogate"),
        pytest.param("30 [ ( 00 ) [ ] ]", id="nul"),
        pytest.param("60 [ 0001 ]", id="pubrel-flags"),
        pytest.param("40 [ 0001 92 ]", id="code-of-another-packet"),
        pytest.param("e0 [ 04 ]", id="disconnect-with-will-from-a-server"),
        pytest.param("e0 [ 00 [ 11 00000001 ] ]", id="session-expiry-from-a-server"),
        pytest.param("c0 00", id="pingreq-from-a-server"),
    ],
)
def test_parser_refuses_what_no_server_may_send(text: str) -> None:
    with pytest.raises(BadServerPacket):
        _parse(text)
