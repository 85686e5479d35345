"""The WebSocket layer against the library's client, by the clauses of MQTT 5.0, 6 and RFC 6455."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import OPEN
from websockets.typing import Subprotocol
from websockets.uri import parse_uri
from websockets.utils import apply_mask

from rmq.net.layers import BROKEN, ENDED, WS_HANDSHAKE, LayerError
from rmq.net.websocket import MAX_HEAD_BYTES, MAX_SENT_FRAME_BYTES, WebSocketLayer

MAX_FRAME = 100_000
MASK = b"\x01\x02\x03\x04"
HOST = b"Host: localhost"
UPGRADE = b"Upgrade: websocket"
CONNECTION = b"Connection: Upgrade"
VERSION = b"Sec-WebSocket-Version: 13"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
PROTOCOL = b"Sec-WebSocket-Protocol: mqtt"
FIELDS = (HOST, UPGRADE, CONNECTION, VERSION, KEY, PROTOCOL)


def head(*fields: bytes, line: bytes = b"GET /mqtt HTTP/1.1") -> bytes:
    return b"\r\n".join((line, *fields, b"\r\n"))


def without(*fields: bytes) -> tuple[bytes, ...]:
    return tuple(field for field in FIELDS if field not in fields)


def frame(opcode: int, data: bytes, *, fin: bool = True, reserved: int = 0) -> bytes:
    """A frame of a client; lengths are written as briefly as they can be."""
    masked = apply_mask(data, MASK)
    size = len(data)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return bytes([0x80 * fin | reserved << 4 | opcode]) + length + MASK + masked


def binary(data: bytes, *, fin: bool = True) -> bytes:
    return frame(Opcode.BINARY, data, fin=fin)


def opened(max_frame_bytes: int = MAX_FRAME) -> WebSocketLayer:
    layer = WebSocketLayer("/mqtt", max_frame_bytes)
    assert layer.receive(head(*FIELDS)) == b""
    assert layer.take_pending().startswith(b"HTTP/1.1 101 ")
    return layer


def library_client(*subprotocols: str, path: str = "/mqtt") -> ClientProtocol:
    names = [Subprotocol(name) for name in subprotocols]
    deflate = [ClientPerMessageDeflateFactory()]
    return ClientProtocol(parse_uri(f"ws://localhost{path}"), subprotocols=names, extensions=deflate, max_size=None)


def shake_hands(layer: WebSocketLayer, client: ClientProtocol) -> None:
    client.send_request(client.connect())
    assert layer.receive(sent_by(client)) == b""
    client.receive_data(layer.take_pending())
    (answer,) = client.events_received()
    assert isinstance(answer, Response) and answer.status_code == 101
    assert client.state is OPEN and client.handshake_exc is None


def sent_by(client: ClientProtocol) -> bytes:
    return b"".join(client.data_to_send())


def frames(data: bytes) -> list[Frame]:
    """What a server sent, as the library's client reads it."""
    client = ClientProtocol(parse_uri("ws://localhost/mqtt"), state=OPEN, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    return [event for event in client.events_received() if isinstance(event, Frame)]


def farewell(layer: WebSocketLayer) -> Close:
    """What the server's close frame says; it comes last. The answer to a handshake may come before it."""
    sent = layer.finish()
    if sent.startswith(b"HTTP/1.1 101 "):
        sent = sent.partition(b"\r\n\r\n")[2]
    *_, last = frames(sent)
    assert last.opcode is Opcode.CLOSE
    return Close.parse(last.data)


def broken(layer: WebSocketLayer, data: bytes) -> LayerError:
    with pytest.raises(LayerError) as caught:
        layer.receive(data)
    return caught.value


# The handshake


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["mqtt"], "mqtt"),
        (["mqttv3.1"], "mqttv3.1"),
        (["mqttv3.1", "mqtt"], "mqtt"),
        (["chat", "mqtt", "x"], "mqtt"),
    ],
)
def test_a_client_of_the_library_is_served(offered: list[str], chosen: str) -> None:
    layer = WebSocketLayer("/mqtt", MAX_FRAME)
    client = library_client(*offered)
    shake_hands(layer, client)
    assert client.subprotocol == layer.subprotocol == chosen
    assert client.extensions == []  # permessage-deflate was offered
    client.send_binary(b"up")
    assert layer.receive(sent_by(client)) == b"up"
    client.receive_data(layer.send(b"down"))
    assert client.events_received() == [Frame(Opcode.BINARY, b"down")]


def test_subprotocols_may_stand_in_several_lines() -> None:
    layer = WebSocketLayer("/mqtt", MAX_FRAME)
    lines = (b"Sec-WebSocket-Protocol: chat , x", b"sec-websocket-protocol:mqttv3.1,mqtt")
    assert layer.receive(head(*without(PROTOCOL), *lines)) == b""
    assert layer.subprotocol == "mqtt" and b"\r\nSec-WebSocket-Protocol: mqtt\r\n" in layer.take_pending()


def test_a_query_is_no_part_of_the_path() -> None:
    layer = WebSocketLayer("/mqtt", MAX_FRAME)
    assert layer.receive(head(*FIELDS, line=b"GET /mqtt?token=1 HTTP/1.1")) == b""
    assert layer.subprotocol == "mqtt"


def refused(data: bytes) -> tuple[int, str]:
    """Status and body of an answer that isn't 101."""
    layer = WebSocketLayer("/mqtt", MAX_FRAME)
    error = broken(layer, data)
    assert error.kind == WS_HANDSHAKE and error.before == b""
    assert layer.send(b"MQTT") == b"" and layer.subprotocol == ""
    fields, _, body = layer.finish().partition(b"\r\n\r\n")
    assert fields.startswith(b"HTTP/1.1 ") and b"\r\nConnection: close" in fields
    assert b"\r\nContent-Length: %d" % len(body) in fields
    assert layer.finish() == b""
    status = int(fields.split(b" ")[1])
    assert str(error).startswith(f"WebSocket handshake refused with {status}: ")
    return status, body.decode()


@pytest.mark.parametrize(
    ("data", "status", "why"),
    [
        (head(*FIELDS, line=b"GET / HTTP/1.1"), 404, "isn't served at this path"),
        (head(*FIELDS, line=b"GET /mqtt/ HTTP/1.1"), 404, "isn't served at this path"),
        (head(HOST), 426, "Connection"),
        (head(*without(UPGRADE)), 426, "Upgrade"),
        (head(*without(PROTOCOL)), 400, "subprotocol"),
        (head(*without(PROTOCOL), b"Sec-WebSocket-Protocol: chat"), 400, "expected one of mqtt, mqttv3.1"),
        (head(*without(PROTOCOL), b"Sec-WebSocket-Protocol: ,"), 400, "Sec-WebSocket-Protocol"),
        (head(*without(KEY)), 400, "Sec-WebSocket-Key"),
        (head(*without(KEY), b"Sec-WebSocket-Key: x"), 400, "Sec-WebSocket-Key"),
        (head(*without(VERSION), b"Sec-WebSocket-Version: 8"), 400, "Sec-WebSocket-Version"),
        (head(*FIELDS, b"no colon"), 400, "valid HTTP request"),
        (head(*FIELDS, line=b"GET /mqtt"), 400, "valid HTTP request"),
        (head(*FIELDS, *[b"X: y"] * 200), 400, "no more than"),
        (b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", 400, "not an HTTP request"),
        (b"\x16\x03\x01\x02\x00", 400, "not an HTTP request"),
        (head(*FIELDS, b"X: " + b"y" * MAX_HEAD_BYTES), 431, f"in {MAX_HEAD_BYTES} bytes"),
        (b"G" * MAX_HEAD_BYTES, 431, f"in {MAX_HEAD_BYTES} bytes"),
    ],
)
def test_whoever_asks_for_something_else_is_told_why(data: bytes, status: int, why: str) -> None:
    answered, body = refused(data)
    assert answered == status and why in body


def test_what_was_said_before_the_answer_to_a_handshake_does_not_overtake_it() -> None:
    layer = WebSocketLayer("/mqtt", MAX_FRAME)
    layer.receive(head(*FIELDS))
    answer, _, rest = layer.send(b"x").partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ") and frames(rest) == [Frame(Opcode.BINARY, b"x")]
    assert layer.take_pending() == b""


def test_before_the_handshake_there_is_nothing_to_say() -> None:
    layer = WebSocketLayer("/mqtt", MAX_FRAME)
    assert layer.send(b"x") == b"" and layer.take_pending() == b"" and layer.finish() == b""


# Frames


SIZES = [0, 1, 5, 125, 126, 127, 65_535, 65_536, MAX_FRAME]


@pytest.mark.parametrize("size", SIZES)
def test_frames_of_all_lengths_come_in(size: int) -> None:
    layer = opened()
    data = (bytes(range(256)) * 400)[:size]
    assert layer.receive(binary(data) + binary(b"next")) == data + b"next"


@pytest.mark.parametrize("size", SIZES)
def test_output_is_one_binary_frame(size: int) -> None:
    data = (bytes(range(256)) * 400)[:size]
    assert frames(opened().send(data)) == [Frame(Opcode.BINARY, data)]


def test_output_larger_than_clients_take_is_several_messages() -> None:
    data = bytes(range(256)) * 5000
    sent = frames(opened().send(data))
    assert {frame.opcode for frame in sent} == {Opcode.BINARY} and all(frame.fin for frame in sent)
    assert max(len(frame.data) for frame in sent) == MAX_SENT_FRAME_BYTES
    assert b"".join(bytes(frame.data) for frame in sent) == data


def test_packets_keep_to_no_frames_bounds() -> None:
    # [MQTT-6.0.0-2]: the receiver must not assume that packets are aligned on frames.
    layer = opened()
    assert layer.receive(binary(b"\xc0") + binary(b"\x00\xc0\x00") + binary(b"")) == b"\xc0\x00\xc0\x00"


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=300).map(lambda data: (binary(data), data)),
        st.binary(max_size=125).map(lambda data: (frame(Opcode.PING, data), b"")),
        st.binary(max_size=125).map(lambda data: (frame(Opcode.PONG, data), b"")),
        st.lists(st.binary(max_size=200), min_size=2, max_size=4).map(
            lambda parts: (
                binary(parts[0], fin=False)
                + frame(Opcode.PING, b"between")
                + b"".join(frame(Opcode.CONT, part, fin=False) for part in parts[1:-1])
                + frame(Opcode.CONT, parts[-1]),
                b"".join(parts),
            )
        ),
    ),
    max_size=6,
)
CUTS = st.lists(st.integers(0, 3000), max_size=12)
ENDS = [
    (b"", None),
    (frame(Opcode.CLOSE, b"\x03\xe8"), 1000),
    (frame(Opcode.TEXT, b"text"), 1003),
    (frame(Opcode.CONT, b""), 1002),
    (binary(bytes(MAX_FRAME + 1)), 1009),
]


@settings(deadline=None)
@given(PIECES, st.sampled_from(ENDS), CUTS)
def test_however_the_network_cuts_it(
    pieces: list[tuple[bytes, bytes]], end: tuple[bytes, int | None], cuts: list[int]
) -> None:
    stream = head(*FIELDS) + b"".join(wire for wire, _ in pieces) + end[0]
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    layer = WebSocketLayer("/mqtt", MAX_FRAME)
    received = b""
    code = None
    for a, b in pairwise(bounds):
        if a == b:
            continue
        try:
            received += layer.receive(stream[a:b])
        except LayerError as error:
            received += error.before
            code = farewell(layer).code
            break
        layer.take_pending()
    assert received == b"".join(data for _, data in pieces)
    assert code == end[1]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17])
def test_small_pieces_of_everything(size: int) -> None:
    data = bytes(range(256)) * 2
    stream = head(*FIELDS) + binary(data, fin=False) + frame(Opcode.PING, b"p" * 125) + frame(Opcode.CONT, data)
    layer = WebSocketLayer("/mqtt", MAX_FRAME)
    sent = b""
    received = b""
    for at in range(0, len(stream), size):
        received += layer.receive(stream[at : at + size])
        sent += layer.take_pending()
    assert received == data + data
    assert frames(sent.partition(b"\r\n\r\n")[2]) == [Frame(Opcode.PONG, b"p" * 125)]


def test_payload_does_not_wait_for_the_rest_of_its_frame() -> None:
    layer = opened()
    wire = binary(bytes(range(200)))
    received = b"".join(layer.receive(wire[at : at + 1]) for at in range(len(wire) - 1))
    assert received == bytes(range(199))


def test_a_frame_in_data_behind_the_handshake_is_not_lost() -> None:
    layer = WebSocketLayer("/mqtt", MAX_FRAME)
    assert layer.receive(head(*FIELDS) + binary(b"CONNECT")) == b"CONNECT"


# Control frames


def test_a_ping_is_answered() -> None:
    layer = opened()
    assert layer.receive(binary(b"a") + frame(Opcode.PING, b"hello") + binary(b"b")) == b"ab"
    assert frames(layer.take_pending()) == [Frame(Opcode.PONG, b"hello")]
    assert layer.take_pending() == b""


def test_of_many_pings_the_last_one_is_answered() -> None:
    # RFC 6455, 5.5.3 allows it, so that a peer that doesn't read can't pile up answers.
    layer = opened()
    for number in range(1000):
        assert layer.receive(frame(Opcode.PING, b"%d" % number)) == b""
    assert frames(layer.take_pending()) == [Frame(Opcode.PONG, b"999")]


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"", Close(1005, "")),
        (b"\x03\xe8", Close(1000, "")),
        (b"\x03\xe9going away", Close(1001, "going away")),
        (b"\x0f\xa0", Close(4000, "")),
        (b"\x03", Close(1002, "")),
        (b"\x03\xed", Close(1002, "")),  # 1005 is never sent
        (b"\x03\xe8\xff", Close(1007, "")),
    ],
)
def test_a_close_frame_is_answered(payload: bytes, answer: Close) -> None:
    layer = opened()
    error = broken(layer, binary(b"DISCONNECT") + frame(Opcode.CLOSE, payload) + binary(b"too late"))
    assert error.kind == ENDED and error.before == b"DISCONNECT"
    assert farewell(layer) == answer


def test_the_servers_close_frame_comes_after_what_it_owes() -> None:
    layer = opened()
    layer.receive(frame(Opcode.PING, b"p"))
    sent = frames(layer.send(b"bye") + layer.finish())
    assert [(one.opcode, one.data) for one in sent] == [
        (Opcode.BINARY, b"bye"),
        (Opcode.PONG, b"p"),
        (Opcode.CLOSE, b"\x03\xe8"),
    ]


# What isn't allowed


@pytest.mark.parametrize(
    ("data", "code", "why"),
    [
        (frame(Opcode.TEXT, b"text"), 1003, r"MQTT-6\.0\.0-1"),
        (frame(Opcode.TEXT, b"te", fin=False), 1003, r"MQTT-6\.0\.0-1"),
        (b"\x82\x05hello", 1002, "isn't masked"),
        (b"\x89\x00", 1002, "isn't masked"),
        (frame(Opcode.BINARY, b"x", reserved=4), 1002, "reserved bit"),
        (frame(Opcode.PING, b"", reserved=1), 1002, "reserved bit"),
        (frame(3, b""), 1002, "opcode 3"),
        (frame(11, b""), 1002, "opcode 11"),
        (frame(Opcode.CONT, b"x"), 1002, "goes on without one"),
        (binary(b"x", fin=False) + binary(b"y"), 1002, "begins within another"),
        (binary(b"x", fin=False) + frame(Opcode.CONT, b"y") + frame(Opcode.CONT, b"z"), 1002, "goes on without one"),
        (frame(Opcode.PING, b"", fin=False), 1002, "control frame"),
        (frame(Opcode.PING, bytes(126)), 1002, "control frame"),
        (frame(Opcode.CLOSE, bytes(70_000)), 1002, "control frame"),
        (binary(bytes(MAX_FRAME + 1)), 1009, f"the limit is {MAX_FRAME}"),
        (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" + MASK, 1009, f"the limit is {MAX_FRAME}"),
    ],
)
def test_what_is_not_allowed_closes_with_a_code_and_a_reason(data: bytes, code: int, why: str) -> None:
    layer = opened()
    error = broken(layer, binary(b"before") + data + binary(b"behind"))
    assert error.kind == BROKEN and error.before.startswith(b"before") and b"behind" not in error.before
    close = farewell(layer)
    assert close.code == code
    assert error.args[0].startswith("WebSocket: ") and close.reason == str(error)[:123]
    with pytest.raises(LayerError, match=why):
        raise error


def test_a_frame_may_be_larger_than_what_is_read_at_once_but_nothing_is_kept() -> None:
    layer = opened(2**40)
    piece = bytes(65_536)
    assert layer.receive(b"\x82\xff" + (2**40).to_bytes(8, "big") + bytes(4) + piece) == piece
    for _ in range(100):
        assert layer.receive(piece) == piece
