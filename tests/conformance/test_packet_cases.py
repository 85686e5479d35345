"""Every row of the packet case table, sent to a broker: accepted, or answered with the right reason and closed."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Clients
from tests.support.client import Client, ConnectionClosed
from tests.support.packet_cases import CASES, CLOSE, CONNECT_OF_LEVEL, V5, VALID, PacketCase, assemble
from tests.support.wire_parser import Connack, Disconnect, Puback, Pubcomp, Publish, Pubrec, Suback, Unsuback

_CONNECTS = [case for case in CASES if case.is_connect]
_OTHERS = [case for case in CASES if not case.is_connect]

_ANSWER = {3: (Puback, Pubrec), 6: (Pubcomp,), 8: (Suback,), 10: (Unsuback,)}
"""What a packet of each type is answered with, if it is answered."""


@pytest.mark.parametrize("case", [case for case in _CONNECTS if case.expect == VALID], ids=lambda case: case.id)
def test_mqtt_3_1_valid_connect_is_accepted(case: PacketCase, clients: Clients) -> None:
    client = clients(level=case.level)
    client.send(case.data)
    connack = client.expect(Connack)
    assert connack.code == 0
    client.expect_nothing()


@pytest.mark.parametrize("case", [case for case in _CONNECTS if case.expect != VALID], ids=lambda case: case.id)
def test_mqtt_3_1_4_1_wrong_connect_is_refused(case: PacketCase, clients: Clients) -> None:
    client = clients(level=case.level)
    client.send(case.data)
    answer = client.read_to_the_end()
    outcome = CLOSE
    if answer:
        assert answer[0] == 0x20 and answer[2] == 0, f"a CONNACK with session present 0 expected: {answer.hex(' ')}"
        assert answer[1] == len(answer) - 2, answer.hex(" ")
        assert (len(answer) > 4) == (answer[3] >= 0x80), f"CONNACK of the other version: {answer.hex(' ')}"
        outcome = answer[3]
    assert outcome in case.allowed, f"{outcome:#x}, allowed are {[hex(code) for code in case.allowed]}"


def _prepare(case: PacketCase, clients: Clients) -> Client:
    client = clients(level=case.level)
    client.send(assemble(CONNECT_OF_LEVEL[case.level]))
    assert client.expect(Connack).code == 0
    if case.before:
        client.send(case.before)
        client.drain()
    return client


@pytest.mark.parametrize("case", [case for case in _OTHERS if case.expect == VALID], ids=lambda case: case.id)
def test_valid_packet_is_accepted(case: PacketCase, clients: Clients) -> None:
    client = _prepare(case, clients)
    client.send(case.data)
    if case.packet_type == 14:
        client.expect_closed()
        return
    answers = [packet for packet in client.drain() if not isinstance(packet, Publish)]
    assert not any(isinstance(packet, Disconnect) for packet in answers), answers
    expected = _ANSWER.get(case.packet_type, ())
    if expected and not (case.packet_type == 3 and case.data[0] & 6 == 0):
        assert len(answers) == 1 and isinstance(answers[0], expected), answers
        answer = answers[0]
        if isinstance(answer, Suback):
            assert all(code < 3 for code in answer.codes), answer
        if isinstance(answer, (Puback, Pubrec)):
            assert answer.code in (0, 0x10), answer


@pytest.mark.parametrize("case", [case for case in _OTHERS if case.expect != VALID], ids=lambda case: case.id)
def test_mqtt_4_13_1_wrong_packet_ends_the_connection(case: PacketCase, clients: Clients) -> None:
    client = _prepare(case, clients)
    client.send(case.data)
    try:
        packet = client.receive()
    except ConnectionClosed:
        assert case.level != V5, "closed without a DISCONNECT that says why"
        return
    if isinstance(packet, (Suback, Unsuback)) and case.expect >= 0x80:
        # A filter that is wrong but well encoded: the specification also allows to refuse just this filter.
        assert packet.codes == [case.expect] and case.found_by != "decoder", packet
        client.expect_nothing()
        return
    assert isinstance(packet, Disconnect) and case.level == V5, packet
    assert packet.code in case.allowed, f"{packet}, allowed are {[hex(code) for code in case.allowed]}"
    client.expect_closed()
