"""The PROXY protocol layer, by the sections of its specification, however the network cuts the header."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmq.net.layers import PROXY_HEADER, LayerError
from rmq.net.proxy_protocol import V2_MAX_REST_BYTES, V2_SIGNATURE, ProxyProtocolLayer

LOCAL, PROXY = 0, 1
UNSPECIFIED, INET, INET6, UNIX = 0, 1, 2, 3
STREAM = 1
MQTT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00"


def tlv(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


def addresses(source: str, source_port: int, destination: str = "", port: int = 1883) -> bytes:
    packed = ip_address(source).packed + ip_address(destination or source).packed
    return packed + source_port.to_bytes(2, "big") + port.to_bytes(2, "big")


def version_2(command: int, family: int, rest: bytes, version: int = 2, transport: int = STREAM) -> bytes:
    head = bytes([version << 4 | command, family << 4 | transport])
    return V2_SIGNATURE + head + len(rest).to_bytes(2, "big") + rest


def tls_extension(verify: int, name: bytes, client: int = 7) -> bytes:
    fields = bytes([client]) + verify.to_bytes(4, "big")
    return tlv(0x20, fields + tlv(0x21, b"TLSv1.3") + tlv(0x22, name))


V1_LONGEST = b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"
HEADERS: list[tuple[bytes, tuple[str, int] | None]] = [
    (b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 1883\r\n", ("192.0.2.1", 56_324)),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", ("255.255.255.255", 65_535)),
    (b"PROXY TCP6 2001:db8::1 2001:db8::2 0 1883\r\n", ("2001:db8::1", 0)),
    (b"PROXY TCP6 2001:0DB8:0:0:0:0:0:1 ::1 1 1883\r\n", ("2001:db8::1", 1)),
    (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 1883\r\n", ("192.0.2.1", 1)),
    (b"PROXY UNKNOWN\r\n", None),
    (V1_LONGEST, None),
    (version_2(PROXY, INET, addresses("192.0.2.1", 56_324)), ("192.0.2.1", 56_324)),
    (version_2(PROXY, INET6, addresses("2001:db8::1", 65_535)), ("2001:db8::1", 65_535)),
    (version_2(PROXY, INET6, addresses("::ffff:192.0.2.1", 1)), ("192.0.2.1", 1)),
    (version_2(PROXY, UNIX, b"/run/client".ljust(108, b"\0") + bytes(108)), None),
    (version_2(PROXY, UNSPECIFIED, b"", transport=0), None),
    (version_2(LOCAL, UNSPECIFIED, b"", transport=0), None),
    (version_2(LOCAL, INET, addresses("192.0.2.1", 1)), None),
    (version_2(LOCAL, 15, b"whatever it is", transport=15), None),
    (version_2(PROXY, INET, addresses("192.0.2.1", 1) + tlv(4, bytes(300)) + tlv(0xEA, b"x")), ("192.0.2.1", 1)),
    (version_2(PROXY, INET, addresses("192.0.2.1", 1) + bytes([3, 0, 4, 1, 2, 3, 4])), ("192.0.2.1", 1)),
    (version_2(PROXY, INET, addresses("192.0.2.1", 1) + tlv(4, bytes(V2_MAX_REST_BYTES - 15))), ("192.0.2.1", 1)),
]
each_header = pytest.mark.parametrize(("header", "source"), HEADERS)


@each_header
def test_the_header_comes_off_and_the_rest_passes(header: bytes, source: tuple[str, int] | None) -> None:
    layer = ProxyProtocolLayer()
    assert layer.receive(header + MQTT) == MQTT
    assert layer.source == source and layer.common_name == ""
    assert layer.receive(header) == header
    assert layer.send(b"x") == b"x" and layer.take_pending() == b"" and layer.finish() == b""


@each_header
def test_byte_by_byte(header: bytes, source: tuple[str, int] | None) -> None:
    layer = ProxyProtocolLayer()
    for at in range(len(header)):
        assert layer.source is None
        assert layer.receive(header[at : at + 1]) == b""
    assert layer.source == source
    assert layer.receive(b"\r\n") == b"\r\n"


@settings(deadline=None)
@given(st.sampled_from(HEADERS), st.lists(st.integers(0, 500), max_size=8))
def test_however_it_is_cut(case: tuple[bytes, tuple[str, int] | None], cuts: list[int]) -> None:
    header, source = case
    stream = header + MQTT
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(bounds) if b > a]
    layer = ProxyProtocolLayer()
    assert b"".join(layer.receive(piece) for piece in pieces) == MQTT
    assert layer.source == source


@pytest.mark.parametrize(
    ("extension", "name"),
    [
        (tls_extension(0, b"sensor-7"), "sensor-7"),
        (tls_extension(0, "sensör".encode()), "sensör"),
        (tls_extension(0, b"\xff"), "\ufffd"),
        (tls_extension(0, b"a", client=1 | 4), "a"),
        (tls_extension(1, b"not verified"), ""),
        (tls_extension(0, b"no certificate", client=1), ""),
        (tlv(0x20, bytes([7, 0, 0, 0, 0])), ""),
        (tlv(0x01, b"mqtt") + tls_extension(0, b"b"), "b"),
    ],
)
def test_the_name_in_a_client_certificate_that_the_proxy_verified(extension: bytes, name: str) -> None:
    layer = ProxyProtocolLayer()
    assert layer.receive(version_2(PROXY, INET, addresses("192.0.2.1", 1) + extension)) == b""
    assert layer.common_name == name and layer.source == ("192.0.2.1", 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (MQTT, "neither version"),
        (b"\x16\x03\x01", "neither version"),
        (b"PRIXY TCP4", "neither version"),
        (b"PROXY\r\n", "neither version"),
        (b"\r\n\r\n\x00\r\nQUIT\r", "neither version"),
        (b"PROXY TCP4 " + bytes(96), "without a line end in 107 bytes"),
        (b"PROXY UNKNOWN" + b" " * 93 + b"\r\n", "without a line end in 107 bytes"),
        (b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", "two addresses and two ports"),
        (b"PROXY \r\n", "two addresses and two ports"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "two addresses and two ports"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", "two addresses and two ports"),
        (b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n", "two addresses and two ports"),
        (b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", "not an address"),
        (b"PROXY TCP4 1.2.3.4 localhost 1 2\r\n", "not an address"),
        (b"PROXY TCP4 \xff 1.2.3.4 1 2\r\n", "not an address"),
        (b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "it has a zone"),
        (b"PROXY TCP4 ::1 ::1 1 2\r\n", "wrong family"),
        (b"PROXY TCP6 1.2.3.4 ::1 1 2\r\n", "wrong family"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n", "not a port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 -2\r\n", "not a port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n", "not a port"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 999999\r\n", "not a port"),
        (version_2(PROXY, INET, b"", version=1), "version 1 is unknown"),
        (version_2(2, INET, b""), "command 2 is unknown"),
        (version_2(PROXY, 4, bytes(12)), "address family and transport 0x41 are unknown"),
        (version_2(PROXY, INET, bytes(12), transport=3), "address family and transport 0x13 are unknown"),
        (version_2(PROXY, INET, bytes(11)), "11 bytes are too few"),
        (version_2(PROXY, INET6, bytes(35)), "35 bytes are too few"),
        (version_2(PROXY, INET, bytes(V2_MAX_REST_BYTES + 1)), "the limit is 4096"),
        (version_2(LOCAL, INET, bytes(V2_MAX_REST_BYTES + 1)), "the limit is 4096"),
        (version_2(PROXY, INET, bytes(12) + b"\x01"), "an extension that is longer"),
        (version_2(PROXY, INET, bytes(12) + b"\x01\x00\x02x"), "an extension that is longer"),
        (version_2(PROXY, INET, bytes(12) + tlv(0x20, bytes(4))), "without its fixed fields"),
        (version_2(PROXY, INET, bytes(12) + tlv(0x20, b"\x07" + bytes(4) + b"\x22\x00\x05x")), "an extension that"),
    ],
)
def test_a_bad_header_is_refused(data: bytes, reason: str) -> None:
    layer = ProxyProtocolLayer()
    with pytest.raises(LayerError, match=reason) as caught:
        layer.receive(data)
    assert caught.value.kind == PROXY_HEADER and str(caught.value).startswith("bad PROXY protocol header: ")
    assert layer.source is None and caught.value.before == b""
    # A byte at a time it is refused too, at the latest with the last one.
    with pytest.raises(LayerError, match=reason):
        byte_by_byte(ProxyProtocolLayer(), data)


def byte_by_byte(layer: ProxyProtocolLayer, data: bytes) -> None:
    for at in range(len(data)):
        assert layer.receive(data[at : at + 1]) == b""


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_rubbish_raises_nothing_else(data: bytes) -> None:
    for stream in (data, V2_SIGNATURE + data, b"PROXY " + data):
        try:
            ProxyProtocolLayer().receive(stream)
        except LayerError:
            pass
