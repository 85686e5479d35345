"""The shared table of raw packets against the decoder."""

import pytest

from rmq.mqtt import codes
from rmq.mqtt.errors import MqttError, UnsupportedProtocolError
from rmq.mqtt.framing import Decoder
from rmq.mqtt.packets import Packet
from rmq.mqtt.topic_cache import TopicCache
from tests.support.packet_cases import CASES, CLOSE, CONNECT_OF_LEVEL, PacketCase, assemble

# That a CONNECT is the second one is the state of the connection, and yet the decoder knows it: see test_framing.
ACCEPTED = [case for case in CASES if case.must_decode and (case.is_connect or case.packet_type != codes.CONNECT)]
REFUSED = [case for case in CASES if case.must_not_decode]


def decode(case: PacketCase) -> tuple[Decoder, list[Packet]]:
    """Feeds what stands before the case, then the case; the packets of the case alone."""
    decoder = Decoder(codes.MAX_PACKET_SIZE, TopicCache())
    if not case.is_connect:
        before = decoder.feed(assemble(CONNECT_OF_LEVEL[case.level]) + case.before)
        assert decoder.error is None and before
    return decoder, decoder.feed(case.data)


@pytest.mark.parametrize("case", ACCEPTED, ids=[case.id for case in ACCEPTED])
def test_accepts(case: PacketCase) -> None:
    decoder, packets = decode(case)
    assert decoder.error is None
    assert len(packets) == 1
    assert decoder.buffered_bytes == 0
    assert decoder.version == case.level


@pytest.mark.parametrize("case", REFUSED, ids=[case.id for case in REFUSED])
def test_refuses(case: PacketCase) -> None:
    decoder, packets = decode(case)
    assert packets == []
    error = decoder.error
    assert isinstance(error, MqttError)
    if case.level == codes.V5:
        assert error.reason_code in case.allowed
        if case.is_connect:
            assert decoder.version in (0, codes.V5)
    elif CLOSE not in case.allowed:  # the return code 1 of CONNACK
        assert isinstance(error, UnsupportedProtocolError)
        assert decoder.version in (codes.V31, codes.V311)
